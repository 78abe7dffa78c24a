"""A window goes on elsewhere when its worker leaves, with notice or without."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities.executions import GroupCommit
from activities.screening import WindowInput, WindowResult
from tests.workflows.counting_market import CountingScreen, Log, worker_over
from tests.workflows.world import World, eventually, start_trader
from workflows.trader import TraderWorkflow

CADENCE = timedelta(milliseconds=50)
ROOT = Path(__file__).parents[2]


async def unused(window: WindowInput) -> WindowResult:
    raise AssertionError("these tests bring their own market worker")


@asynccontextmanager
async def watching(client: Client, screen: CountingScreen) -> AsyncIterator[None]:
    commit = GroupCommit(Log())
    committing = asyncio.create_task(commit.run())
    async with worker_over(client, screen, commit):
        yield
    committing.cancel()


async def test_a_worker_that_shuts_down_hands_its_window_over_at_once(dev_server: WorkflowEnvironment) -> None:
    first, second = CountingScreen(match_at=10_000), CountingScreen(match_at=10_000)
    world = World(unused)
    async with world.traders_worker(dev_server.client):
        trader = await start_trader(dev_server.client, cadence=CADENCE)
        async with watching(dev_server.client, first):
            await eventually(lambda: len(first.evaluated) > 5)
        left = len(first.evaluated)
        async with watching(dev_server.client, second):
            await eventually(lambda: len(second.evaluated) > 5)
            await trader.signal(TraderWorkflow.stop)
            report = await trader.result()

    assert first.evaluated == list(range(1, left + 1))
    assert second.evaluated[0] == left + 1, "neither a candle twice nor one left out"
    assert report.totals.windows == 2
    assert report.totals.candles == left


async def test_a_window_whose_worker_was_killed_goes_on_from_its_last_heartbeat_and_reports_once(dev_server: WorkflowEnvironment) -> None:
    target = 60
    world = World(unused)
    async with world.traders_worker(dev_server.client):
        # The heartbeat that tells of the progress is sent at half of this; the server notices death after all of it.
        trader = await start_trader(dev_server.client, cadence=CADENCE, heartbeat_timeout=timedelta(seconds=1))
        seen = await killed_after(dev_server, candles=30, match_at=target)
        heir = CountingScreen(match_at=target)
        async with watching(dev_server.client, heir):
            await eventually(lambda: target in heir.evaluated)
            await eventually(lambda: bool(world.recorded))
            await trader.signal(TraderWorkflow.stop)
            report = await trader.result()

    assert 1 < heir.evaluated[0] <= seen[-1] + 1, "it begins neither anew nor beyond what was committed"
    assert heir.evaluated[: target - heir.evaluated[0] + 1] == list(range(heir.evaluated[0], target + 1))
    assert (report.totals.signals, len(world.recorded)) == (1, 1)


async def test_a_window_that_matched_and_died_before_it_could_say_so_reports_once(dev_server: WorkflowEnvironment) -> None:
    target = 30
    world = World(unused)
    async with world.traders_worker(dev_server.client):
        trader = await start_trader(dev_server.client, cadence=CADENCE, heartbeat_timeout=timedelta(seconds=1))
        await killed_after(dev_server, candles=target, match_at=target)
        heir = CountingScreen(match_at=target)
        async with watching(dev_server.client, heir):
            await eventually(lambda: bool(world.recorded))
            await trader.signal(TraderWorkflow.stop)
            report = await trader.result()

    assert target in heir.evaluated
    assert (report.totals.signals, len(world.recorded)) == (1, 1)


async def killed_after(env: WorkflowEnvironment, *, candles: int, match_at: int) -> list[int]:
    """Run a worker in a process of its own and kill it while it looks at that candle; the candles it looked at."""
    address = env.client.service_client.config.target_host
    command = (sys.executable, "-m", "tests.workflows.counting_market", address, str(match_at), str(candles))
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    seen: list[int] = []
    try:
        async with asyncio.timeout(40):
            while not seen or seen[-1] < candles:
                line = (await process.stdout.readline()).decode().strip()
                seen += [int(line)] if line.isdigit() else []
    finally:
        process.kill()
        await process.wait()
    return seen
