"""Signal monitors: they outlive their trader's runs and end, and always free their place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from activities import signals
from activities.screening import WindowInput, WindowResult
from domain.market import Interval
from domain.signals import SignalStatus
from tests.workflows.world import USER, World, brief, elapsed, eventually, forever, match_at, monitor_id, start_trader
from workflows import ids
from workflows.contracts import SignalMonitorInput
from workflows.signal_monitor import SignalMonitorWorkflow
from workflows.trader import TraderWorkflow

Monitor = WorkflowHandle[SignalMonitorWorkflow, SignalStatus]


async def start_monitor(client: Client, expires_at: datetime) -> Monitor:
    signal = SignalMonitorInput(
        signal_id=uuid4(), trader_id=uuid4(), user_id=USER, symbol="BTCUSDT", interval=Interval.M1, expires_at=expires_at
    )
    workflow_id = ids.signal_monitor_workflow_id(signal.signal_id)
    return await client.start_workflow(SignalMonitorWorkflow.run, signal, id=workflow_id, task_queue=ids.TRADERS_QUEUE)


def said_of(world: World, monitor: Monitor) -> list[str]:
    signal = UUID(monitor.id.removeprefix("monitor:"))
    return [status for held, status in world.signal_statuses if held == signal]


@asynccontextmanager
async def followed(env: WorkflowEnvironment, world: World) -> AsyncIterator[tuple[WorkflowHandle, Monitor]]:
    """A trader whose first window matches, and the monitor of that signal."""
    async with world.workers(env.client):
        trader = await start_trader(env.client)
        await eventually(lambda: bool(world.signal_statuses))
        monitor = env.client.get_workflow_handle_for(SignalMonitorWorkflow.run, monitor_id(trader.id, match_at(1)))
        yield trader, monitor
        await trader.signal(TraderWorkflow.stop)
        await trader.result()


def matching_once(then: object = forever) -> World:
    async def watch(window: WindowInput) -> WindowResult:
        return elapsed(window, matches=(match_at(1),)) if window.number == 1 else await then(window)

    return World(watch)


async def test_a_signal_that_is_not_closed_expires(own_time_skipping: WorkflowEnvironment) -> None:
    world = World(forever)
    async with world.workers(own_time_skipping.client):
        began = await own_time_skipping.get_current_time()
        monitor = await start_monitor(own_time_skipping.client, began + timedelta(hours=2))
        status = await monitor.result()
        described = await monitor.describe()

    assert described.close_time
    assert status == SignalStatus.EXPIRED
    assert timedelta(hours=2) <= described.close_time - began < timedelta(hours=2, minutes=1)
    assert ["monitoring", "expired"] == said_of(world, monitor)


async def test_a_signal_that_has_expired_already_ends_soon(quick_server: WorkflowEnvironment) -> None:
    world = World(forever)
    async with world.workers(quick_server.client):
        monitor = await start_monitor(quick_server.client, datetime(2020, 1, 1, tzinfo=UTC))
        status = await monitor.result()

    assert status == SignalStatus.EXPIRED


async def test_a_stopped_monitor_closes_its_signal_and_frees_its_place_at_the_trader(quick_server: WorkflowEnvironment) -> None:
    world = matching_once()
    async with followed(quick_server, world) as (trader, monitor):
        before = (await trader.query(TraderWorkflow.status)).open_monitors
        await monitor.signal(SignalMonitorWorkflow.stop)
        status = await monitor.result()
        await eventually(lambda: has_open_monitors(trader, 0))

    assert (before, status) == (1, SignalStatus.CLOSED)
    assert ["monitoring", "closed"] == said_of(world, monitor)


async def test_a_canceled_monitor_closes_its_signal_and_frees_its_place_too(dev_server: WorkflowEnvironment) -> None:
    world = matching_once()
    async with followed(dev_server, world) as (trader, monitor):
        await monitor.cancel()
        await eventually(lambda: has_open_monitors(trader, 0))
        await eventually(lambda: has_status(monitor, WorkflowExecutionStatus.CANCELED))

    assert ["monitoring", "closed"] == said_of(world, monitor)


async def test_a_signal_whose_row_is_gone_is_no_longer_followed(quick_server: WorkflowEnvironment) -> None:
    world = World(forever, errors={signals.SET_STATUS: ApplicationError("no such signal", type="NotFoundError", non_retryable=True)})
    async with world.workers(quick_server.client):
        monitor = await start_monitor(quick_server.client, await quick_server.get_current_time() + timedelta(days=300))
        status = await monitor.result()

    assert status == SignalStatus.CLOSED


async def test_a_monitor_outlives_its_traders_runs_and_the_trader(dev_server: WorkflowEnvironment) -> None:
    world = matching_once(then=brief)
    async with followed(dev_server, world) as (trader, monitor):
        first = (await trader.describe()).run_id
        await eventually(lambda: len(world.windows) > 30)
        last, held = (await trader.describe()).run_id, (await trader.query(TraderWorkflow.status)).open_monitors
        while_running = (await monitor.describe()).status
    async with world.workers(dev_server.client):
        after_stop = (await monitor.describe()).status
        await monitor.signal(SignalMonitorWorkflow.stop)
        status = await monitor.result()

    assert (first != last, held) == (True, 1)
    assert [WorkflowExecutionStatus.RUNNING] * 2 == [while_running, after_stop]
    assert (status, said_of(world, monitor)) == (SignalStatus.CLOSED, ["monitoring", "closed"])


async def test_signals_beyond_the_tiers_monitors_are_counted_and_a_freed_place_is_used(dev_server: WorkflowEnvironment) -> None:
    freed = False

    async def watch(window: WindowInput) -> WindowResult:
        if window.number == 1:
            return elapsed(window, matches=tuple(match_at(1, symbol) for symbol in ("AUSDT", "BUSDT", "CUSDT")))
        await eventually(lambda: freed)
        return elapsed(window, matches=(match_at(2, "DUSDT"),)) if window.number == 2 else await forever(window)

    world = World(watch)
    async with world.workers(dev_server.client):
        trader = await start_trader(dev_server.client, max_open_monitors=2)
        await eventually(lambda: len(world.signal_statuses) == 2)
        full = await trader.query(TraderWorkflow.status)
        first = dev_server.client.get_workflow_handle(monitor_id(trader.id, match_at(1, "AUSDT")))
        await first.signal("stop")
        await eventually(lambda: has_open_monitors(trader, 1))
        freed = True
        await eventually(lambda: has_open_monitors(trader, 2))
        await trader.signal(TraderWorkflow.stop)
        report = await trader.result()
        described = {
            symbol: await status_of(dev_server.client, monitor_id(trader.id, match))
            for symbol, match in {
                "AUSDT": match_at(1, "AUSDT"),
                "BUSDT": match_at(1, "BUSDT"),
                "CUSDT": match_at(1, "CUSDT"),
                "DUSDT": match_at(2, "DUSDT"),
            }.items()
        }
        for symbol, index in (("BUSDT", 1), ("DUSDT", 2)):
            await dev_server.client.get_workflow_handle(monitor_id(trader.id, match_at(index, symbol))).terminate()

    assert (full.open_monitors, full.totals.unmonitored_signals, full.totals.signals) == (2, 1, 3)
    assert {"AUSDT": "COMPLETED", "BUSDT": "RUNNING", "CUSDT": "none", "DUSDT": "RUNNING"} == described
    assert (report.totals.signals, report.totals.unmonitored_signals) == (4, 1)


async def has_open_monitors(trader: WorkflowHandle, expected: int) -> bool:
    return expected == (await trader.query(TraderWorkflow.status)).open_monitors


async def has_status(monitor: Monitor, expected: WorkflowExecutionStatus) -> bool:
    return expected == (await monitor.describe()).status


async def status_of(client: Client, workflow_id: str) -> str:
    try:
        described = await client.get_workflow_handle(workflow_id).describe()
    except RPCError:
        return "none"
    assert described.status
    return described.status.name
