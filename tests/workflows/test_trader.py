"""The trader workflow: what messages, windows and failures do to it."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities import screening, signals
from activities.screening import Ended, WindowInput, WindowResult
from domain.market import Interval
from domain.screening import Progress
from domain.tiers import LIMITS, Tier
from domain.traders import TraderStatus
from tests.workflows.world import World, config_of, elapsed, eventually, forever, match_at, start_trader, workflows_worker
from workflows import ids
from workflows.trader import TraderWorkflow


async def test_pause_during_a_window_takes_effect_at_once_and_its_matches_are_never_recorded(quick_server: WorkflowEnvironment) -> None:
    release = asyncio.Event()

    async def watch(window: WindowInput) -> WindowResult:
        await release.wait()
        return elapsed(window, matches=(match_at(1),))

    world = World(watch)
    async with world.workers(quick_server.client):
        handle = await start_trader(quick_server.client)
        await eventually(lambda: bool(world.windows))
        await handle.signal("pause")
        report = await handle.query(TraderWorkflow.status)
        release.set()
        await eventually(lambda: ("paused", "") in world.statuses)
        await handle.signal("stop")
        await handle.result()

    assert report.status is TraderStatus.PAUSED
    assert world.recorded == []


async def test_resume_looks_from_now_on(quick_server: WorkflowEnvironment) -> None:
    world = World(forever)
    async with world.workers(quick_server.client):
        handle = await start_trader(quick_server.client)
        await eventually(lambda: bool(world.windows))
        await handle.signal("pause")
        await handle.signal("resume")
        await eventually(lambda: len(world.windows) > 1)
        await handle.signal("stop")
        report = await handle.result()

    assert world.windows[1].progress == Progress()
    assert report.status is TraderStatus.STOPPED


async def test_a_reason_given_with_a_signal_is_shown(quick_server: WorkflowEnvironment) -> None:
    world = World(forever)
    async with world.workers(quick_server.client):
        handle = await start_trader(quick_server.client)
        await handle.signal("pause", "maintenance")
        await eventually(lambda: ("paused", "maintenance") in world.statuses)
        await handle.signal("stop")
        await handle.result()


async def test_an_update_with_a_broken_filter_is_refused_and_changes_nothing(quick_server: WorkflowEnvironment) -> None:
    world = World(
        forever, errors={screening.CHECK: ApplicationError("line 1, column 9: no name rsj", type="FilterRefusedError", non_retryable=True)}
    )
    async with world.workers(quick_server.client):
        handle = await start_trader(quick_server.client)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(TraderWorkflow.update_config, _next_version(handle.id))
        report = await handle.query(TraderWorkflow.status)
        await handle.signal("stop")
        await handle.result()

    assert "no name rsj" in str(refused.value.cause)
    assert report.version == 1
    assert report.status is TraderStatus.RUNNING


async def test_updates_that_break_a_rule_are_refused_by_the_validator(quick_server: WorkflowEnvironment) -> None:
    world = World(forever)
    async with world.workers(quick_server.client):
        handle = await start_trader(quick_server.client)
        good = _next_version(handle.id)
        bad = {
            "another trader": replace(good, trader_id=uuid4()),
            "older": replace(good, version=0),
            "faster than tier pro": replace(good, tier=Tier.PRO, limits=LIMITS[Tier.PRO]),
            "allows 50 symbols": replace(
                good,
                limits=replace(LIMITS[Tier.PRO], fastest_cadence=timedelta(seconds=1)),
                settings=replace(good.settings, symbols=tuple(f"S{n}USDT" for n in range(51))),
            ),
        }
        messages = {}
        for expected, config in bad.items():
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await handle.execute_update(TraderWorkflow.update_config, config)
            messages[expected] = str(refused.value.cause)
        await handle.signal("stop")
        await handle.result()

    assert all(expected in message for expected, message in messages.items()), messages


async def test_a_new_version_begins_at_the_last_evaluated_candle_so_that_none_is_lost(quick_server: WorkflowEnvironment) -> None:
    progress = Progress(matching=("ETHUSDT",), baseline=3, evaluated=20, behind={"XRPUSDT": 18})

    async def watch(window: WindowInput) -> WindowResult:
        return elapsed(window, progress=progress) if window.number == 1 else await forever(window)

    world = World(watch)
    async with world.workers(quick_server.client):
        handle = await start_trader(quick_server.client)
        await eventually(lambda: len(world.windows) > 1)
        version = await handle.execute_update(TraderWorkflow.update_config, _next_version(handle.id))
        await eventually(lambda: len(world.windows) > 2)
        await handle.execute_update(TraderWorkflow.update_config, _next_version(handle.id, version=3, interval=Interval.M5))
        await eventually(lambda: len(world.windows) > 3)
        await handle.signal("stop")
        await handle.result()

    assert version == 2
    assert world.windows[2].progress == Progress(baseline=20, evaluated=19)
    assert world.windows[3].progress == Progress()


async def test_run_now_ticks_once_and_says_what_it_found(quick_server: WorkflowEnvironment) -> None:
    async def watch(window: WindowInput) -> WindowResult:
        return elapsed(window, matches=(match_at(7),)) if not window.duration else await forever(window)

    world = World(watch)
    async with world.workers(quick_server.client):
        handle = await start_trader(quick_server.client)
        await eventually(lambda: bool(world.windows))
        found = await handle.execute_update(TraderWorkflow.run_now)
        await handle.signal("pause")
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(TraderWorkflow.run_now)
        await handle.signal("stop")
        await handle.result()

    assert found.matching == ("BTCUSDT",)
    assert found.new_signals == 1
    assert "paused" in str(refused.value.cause)


async def test_a_filter_that_keeps_failing_puts_the_trader_in_error_until_resumed(quick_server: WorkflowEnvironment) -> None:
    async def watch(window: WindowInput) -> WindowResult:
        if window.number == 1:
            return elapsed(window, ended=Ended.FAILED, error="line 3: overflow")
        return await forever(window)

    world = World(watch)
    async with world.workers(quick_server.client):
        handle = await start_trader(quick_server.client)
        await eventually(lambda: ("error", "the filter keeps failing: line 3: overflow") in world.statuses)
        await handle.signal("resume")
        await eventually(lambda: ("running", "") in world.statuses)
        await handle.signal("stop")
        await handle.result()


async def test_failures_are_counted_on_from_window_to_window_until_the_trader_looks_anew(quick_server: WorkflowEnvironment) -> None:
    async def watch(window: WindowInput) -> WindowResult:
        return await forever(window) if window.number > 2 else elapsed(window, failures_in_a_row=window.failures_in_a_row + 1)

    world = World(watch)
    async with world.workers(quick_server.client, cached=0):
        handle = await start_trader(quick_server.client)
        await eventually(lambda: len(world.windows) == 3)
        await handle.signal("pause")
        await handle.signal("resume")
        await eventually(lambda: len(world.windows) == 4)
        await handle.signal("stop")
        await handle.result()

    assert [0, 1, 2, 0] == [window.failures_in_a_row for window in world.windows[:4]]


async def test_settings_a_window_refuses_put_the_trader_in_error_with_the_reason(quick_server: WorkflowEnvironment) -> None:
    async def watch(window: WindowInput) -> WindowResult:
        raise ApplicationError("The market has no symbol BTCUSDX.", type="RefusedError", non_retryable=True)

    world = World(watch)
    async with world.workers(quick_server.client):
        handle = await start_trader(quick_server.client)
        await eventually(lambda: ("error", "The market has no symbol BTCUSDX.") in world.statuses)
        await handle.signal("stop")
        await handle.result()


async def test_failing_store_is_retried_until_the_signal_is_recorded(quick_server: WorkflowEnvironment) -> None:
    async def watch(window: WindowInput) -> WindowResult:
        return elapsed(window, matches=(match_at(1),)) if window.number == 1 else await forever(window)

    world = World(watch, errors={signals.RECORD: RuntimeError("database away")})
    async with world.workers(quick_server.client):
        handle = await start_trader(quick_server.client)
        await eventually(lambda: bool(world.failed))
        world.errors.clear()
        await eventually(lambda: len(world.windows) > 1)
        await handle.signal("stop")
        report = await handle.result()

    assert len(world.recorded) == 1
    assert report.totals.signals == 1
    assert world.windows[1].progress.matching == ("BTCUSDT",)


async def test_a_match_that_was_recorded_before_is_not_counted_again(quick_server: WorkflowEnvironment) -> None:
    async def watch(window: WindowInput) -> WindowResult:
        return elapsed(window, matches=(match_at(1),)) if window.number < 3 else await forever(window)

    world = World(watch)
    async with world.workers(quick_server.client):
        handle = await start_trader(quick_server.client)
        await eventually(lambda: len(world.windows) > 2)
        await handle.signal("stop")
        report = await handle.result()

    assert report.totals.signals == 1


async def test_canceling_the_workflow_stops_the_trader_and_says_so(quick_server: WorkflowEnvironment) -> None:
    world = World(forever)
    async with world.workers(quick_server.client):
        handle = await start_trader(quick_server.client)
        await eventually(lambda: bool(world.windows))
        await handle.cancel()
        await eventually(lambda: ("stopped", "canceled by an operator") in world.statuses)


async def test_replaying_every_task_from_the_start_gives_the_same_commands(quick_server: WorkflowEnvironment) -> None:
    async def watch(window: WindowInput) -> WindowResult:
        return elapsed(window, matches=(match_at(window.number),)) if window.number < 4 else await forever(window)

    world = World(watch)
    async with world.workers(quick_server.client, cached=0):
        handle = await start_trader(quick_server.client)
        await eventually(lambda: len(world.windows) > 3)
        await handle.signal("pause")
        await handle.signal("resume")
        await handle.execute_update(TraderWorkflow.update_config, _next_version(handle.id))
        await handle.signal("stop")
        report = await handle.result()

    assert report.totals.signals == 3
    assert report.version == 2


def _next_version(handle_id: str, *, version: int = 2, interval: Interval = Interval.M1):
    return config_of(UUID(handle_id.removeprefix("trader:")), version=version, interval=interval)


async def test_a_window_that_is_ended_by_the_task_that_began_it_does_no_harm(quick_server: WorkflowEnvironment) -> None:
    async def watch(window: WindowInput) -> WindowResult:
        return elapsed(window, matches=(match_at(1),)) if window.number == 1 else await forever(window)

    client = quick_server.client
    world = World(watch, gates={signals.RECORD: asyncio.Event(), screening.CHECK: asyncio.Event()})
    market = Worker(client, task_queue=ids.MARKET_QUEUE, activities=[world.watch, world.check])
    async with market, world.stores_worker(client):
        async with workflows_worker(client):
            handle = await start_trader(client, max_open_monitors=0)
            await eventually(lambda: signals.RECORD in world.begun)
            update = await handle.start_update(
                TraderWorkflow.update_config, _next_version(handle.id), wait_for_stage=WorkflowUpdateStage.ACCEPTED
            )
            await eventually(lambda: screening.CHECK in world.begun)
        # Both answers wait for the next workflow task: the first lets the next window begin, the second ends it.
        for name in (signals.RECORD, screening.CHECK):
            world.gates[name].set()
            await eventually(lambda name=name: has_answered(handle, name))
        async with workflows_worker(client):
            version = await update.result()
            await eventually(lambda: bool(world.windows) and world.windows[-1].version == 2)
            await handle.signal(TraderWorkflow.stop)
            report = await handle.result()

    assert (version, report.version, report.status) == (2, 2, TraderStatus.STOPPED)


async def has_answered(handle: WorkflowHandle, name: str) -> bool:
    history = await handle.fetch_history()
    scheduled = {event.event_id for event in history.events if event.activity_task_scheduled_event_attributes.activity_type.name == name}
    return any(event.activity_task_completed_event_attributes.scheduled_event_id in scheduled for event in history.events)
