"""Nothing is lost between a trader's runs. The real server, which suggests a new run every fifty events: some eight windows."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest
from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from activities.screening import WindowInput, WindowResult
from domain.tiers import LIMITS, Tier
from domain.traders import TraderStatus
from tests.workflows.world import World, brief, config_of, elapsed, eventually, match_at, start_trader
from workflows import ids
from workflows.trader import TraderWorkflow


class Runs:
    """Windows that are soon over, and the runs they belonged to, in order."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def watch(self, window: WindowInput) -> WindowResult:
        run = str(activity.info().workflow_run_id)
        if run not in self.seen:
            self.seen.append(run)
        return await brief(window)


async def test_messages_that_arrive_while_runs_change_are_neither_lost_nor_reordered(dev_server: WorkflowEnvironment) -> None:
    runs = Runs()
    world = World(runs.watch)
    async with world.workers(dev_server.client):
        trader = await start_trader(dev_server.client)
        for number in range(40):
            await trader.signal(TraderWorkflow.pause, f"pause {number}")
            await trader.signal(TraderWorkflow.resume, f"resume {number}")
        await eventually(lambda: len(runs.seen) > 3)
        running = await trader.query(TraderWorkflow.status)
        for number in range(20):
            await trader.signal(TraderWorkflow.resume)
            await trader.signal(TraderWorkflow.pause, f"last {number}")
        paused = await trader.query(TraderWorkflow.status)
        await trader.signal(TraderWorkflow.stop)
        report = await trader.result()

    numbers = [window.number for window in world.windows]
    assert (running.status, running.reason) == (TraderStatus.RUNNING, "resume 39")
    assert (paused.status, paused.reason) == (TraderStatus.PAUSED, "last 19")
    assert [said.split(" ", 2)[2] for said in report.events[-3:]] == ["running", "paused: last 19", "stopped"]
    assert numbers == sorted(set(numbers)), "no window twice"


async def test_updates_in_flight_are_answered_before_a_run_ends(dev_server: WorkflowEnvironment) -> None:
    runs = Runs()
    world = World(runs.watch)
    async with world.workers(dev_server.client):
        trader = await start_trader(dev_server.client)
        trader_id = UUID(trader.id.removeprefix("trader:"))
        versions = []
        async with asyncio.timeout(60):
            for version in range(2, 14):
                found, in_force, _ = await asyncio.gather(
                    trader.execute_update(TraderWorkflow.run_now),
                    trader.execute_update(TraderWorkflow.update_config, config_of(trader_id, version=version)),
                    trader.execute_update(TraderWorkflow.set_limits, replace(LIMITS[Tier.ELITE], max_open_monitors=version)),
                )
                versions.append((in_force, found.last_tick is not None))
        await trader.signal(TraderWorkflow.stop)
        report = await trader.result()

    assert versions == [(version, True) for version in range(2, 14)]
    assert report.version == 13
    assert len(runs.seen) > 2


async def test_ticks_that_are_asked_for_without_end_do_not_keep_a_run_from_ending(dev_server: WorkflowEnvironment) -> None:
    runs = Runs()
    world = World(runs.watch)
    async with world.workers(dev_server.client):
        trader = await start_trader(dev_server.client)
        async with asyncio.timeout(60):
            for _ in range(10):
                await asyncio.gather(*(trader.execute_update(TraderWorkflow.run_now) for _ in range(4)))
        await trader.signal(TraderWorkflow.stop)
        await trader.result()

    assert len(runs.seen) > 1


async def test_all_that_a_trader_knows_goes_with_it(dev_server: WorkflowEnvironment) -> None:
    async def watch(window: WindowInput) -> WindowResult:
        await asyncio.sleep(0.02)
        return elapsed(window, matches=(match_at(window.number),), conditions={"oversold": window.number})

    world = World(watch)
    async with world.workers(dev_server.client):
        trader = await start_trader(dev_server.client, max_open_monitors=0)
        first = (await trader.describe()).run_id
        await eventually(lambda: len(world.windows) >= 20)
        await trader.signal(TraderWorkflow.pause, "look closely")
        report = await trader.query(TraderWorkflow.status)
        description = await trader.describe()
        details = await story(trader)
        await trader.signal(TraderWorkflow.stop)
        await trader.result()

    assert description.run_id != first
    assert report.totals.signals == len(world.recorded) == report.totals.unmonitored_signals
    assert report.conditions["oversold"] >= 19
    assert len(report.recent_signals) == 5
    assert await description.memo() == {"trader": "Oversold bounce · elite · 1m close every 5 s"}
    assert "## paused — look closely" in details
    assert "BTCUSDT at 50000.10" in details


@pytest.mark.parametrize("runs_before", [0, 2])
async def test_status_is_searched_and_told_at_once_also_after_new_runs(dev_server: WorkflowEnvironment, runs_before: int) -> None:
    runs = Runs()
    world = World(runs.watch)
    seen = []
    async with world.workers(dev_server.client):
        trader = await start_trader(dev_server.client)
        await eventually(lambda: len(runs.seen) > runs_before)
        for signal, status in (("pause", "paused"), ("resume", "running"), ("stop", "stopped")):
            await trader.signal(signal)
            await eventually(lambda status=status: has_search_attribute(trader, status))
            seen.append((await story(trader)).partition("\n")[0])
        await trader.result()

    assert seen == ["## paused", "## running", "## stopped"]


async def has_search_attribute(trader: WorkflowHandle, status: str) -> bool:
    return status == (await trader.describe()).typed_search_attributes.get(ids.TRADER_STATUS)


async def story(trader: WorkflowHandle) -> str:
    """What the Web UI shows of a workflow."""
    said: str = (await trader.query("__temporal_workflow_metadata")).current_details
    return said
