"""Whatever ends a task of the feeder, it starts again, and only a cancellation ends it."""

import asyncio

import pytest

from domain.errors import UnavailableError
from feeder import supervision
from feeder.statistics import FeederStatistics
from feeder.supervision import keep_running


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.001)


@pytest.mark.parametrize("ending", [None, OSError("gone"), UnavailableError("away"), KeyError("a bug"), ExceptionGroup("two", [OSError()])])
async def test_work_that_ends_is_begun_again(ending):
    begun, again = 0, asyncio.Event()

    async def work():
        nonlocal begun
        begun += 1
        if begun == 3:
            again.set()
        if ending is not None:
            raise ending

    statistics = FeederStatistics()
    task = asyncio.create_task(keep_running("work", work, statistics))
    await asyncio.wait_for(again.wait(), 5)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert statistics.task_restarts >= 2


async def test_a_failure_in_the_moment_of_the_cancellation_does_not_keep_the_task_alive():
    async def fails():
        await asyncio.sleep(0)
        raise OSError("the exchange went away")

    async def work():
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            asyncio.get_running_loop().call_soon(task.cancel)
            await asyncio.sleep(60)

    task = asyncio.create_task(keep_running("work", work, FeederStatistics()))
    await asyncio.wait([task], timeout=1)
    assert task.cancelled()


async def test_work_whose_task_group_failed_is_begun_again():
    begun, again = 0, asyncio.Event()

    async def fails():
        await asyncio.sleep(0.01)
        raise OSError("the exchange went away")

    async def work():
        nonlocal begun
        begun += 1
        if begun == 3:
            again.set()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails())
        except ExceptionGroup as failed:
            raise UnavailableError("away") from failed

    task = asyncio.create_task(keep_running("work", work, FeederStatistics()))
    await asyncio.wait_for(again.wait(), 5)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
