"""Whatever ends a task of the feeder, it starts again, and only a cancellation ends it."""

import asyncio

import pytest

from domain.errors import UnavailableError
from feeder import supervision
from feeder.statistics import FeederStatistics
from feeder.supervision import Backoff, keep_running


@pytest.fixture
def short_pauses(monkeypatch):
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.001)


@pytest.mark.usefixtures("short_pauses")
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


@pytest.mark.usefixtures("short_pauses")
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


@pytest.mark.usefixtures("short_pauses")
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


def test_pauses_are_drawn_up_to_a_limit_that_doubles_to_a_minute():
    backoff = Backoff(draw=lambda low, high: (low, high))
    assert [(0, limit) for limit in (1, 2, 4, 8, 16, 32, 60, 60)] == [backoff.pause(0) for _ in range(8)]


def test_a_failure_after_a_time_that_went_well_counts_as_the_first():
    backoff = Backoff(draw=lambda low, high: high)
    pauses = [backoff.pause(went_well_for) for went_well_for in (0, 29, 31, 0)]
    assert [1, 2, 1, 2] == pauses
