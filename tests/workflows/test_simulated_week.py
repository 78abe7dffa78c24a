"""A week of a trader's life in seconds: windows, runs and counts, without a hole or a double."""

from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.testing import WorkflowEnvironment

from activities.screening import WindowInput, WindowResult
from domain.market import Interval
from domain.tiers import Tier
from tests.workflows.world import World, elapsed, eventually, forever, match_at, start_trader
from workflows import policies
from workflows.trader import TraderWorkflow

WEEK = timedelta(days=7)
MATCH_EVERY = 40
"""One window in this many finds a match."""


@pytest.mark.parametrize(("tier", "period", "monitored"), [(Tier.ELITE, WEEK, True), (Tier.PRO, timedelta(hours=9), False)])
async def test_every_window_of_a_long_life_follows_the_one_before(
    own_time_skipping: WorkflowEnvironment, tier: Tier, period: timedelta, monitored: bool
) -> None:
    env, expected = own_time_skipping, period // policies.WINDOW
    runs: set[str] = set()

    async def watch(window: WindowInput) -> WindowResult:
        runs.add(activity.info().workflow_run_id)
        if window.number > expected:
            return await forever(window)
        async with env.time_skipping_unlocked():  # the server holds its clock while an activity runs
            await env.sleep(window.duration)
        return elapsed(window, matches=(match_at(window.number),) if window.number % MATCH_EVERY == 0 else ())

    world = World(watch)
    async with world.workers(env.client):
        began = await env.get_current_time()
        # A window sleeps in one step, without heartbeats. Monitors of daily candles outlive the week.
        handle = await start_trader(env.client, tier=tier, interval=Interval.D1, heartbeat_timeout=timedelta(hours=12))
        await eventually(lambda: len(world.windows) > expected, within=timedelta(seconds=100))
        passed = await env.get_current_time() - began
        with env.auto_time_skipping_disabled():
            await handle.signal(TraderWorkflow.stop)
            report = await handle.result()

    numbers, signals = [window.number for window in world.windows], expected // MATCH_EVERY
    assert numbers == list(range(1, expected + 2))
    assert timedelta() <= passed - period < timedelta(minutes=5)
    assert len(runs) == expected // policies.WINDOWS_PER_RUN + 1
    assert [window.progress.evaluated for window in world.windows[1:]] == [5 * number for number in range(1, expected + 1)]
    assert (report.totals.windows, report.totals.ticks, report.totals.candles) == (expected + 1, 60 * expected, 5 * expected)
    assert report.totals.signals == len(world.recorded) == len(set(world.recorded)) == signals
    assert (report.open_monitors, report.totals.unmonitored_signals) == ((signals, 0) if monitored else (0, signals))
    assert world.statuses == [("running", ""), ("stopped", "")]
