"""The one place where activities meet the adapters they need."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from activities.executions import GroupCommit
from activities.instances import InstanceActivities
from activities.ports import Outcome, TickResult
from activities.screening import ScreeningActivities
from activities.signals import SignalActivities
from activities.traders import TraderActivities
from adapters.feeder_client import MarketReplica
from adapters.settings import Settings
from adapters.supabase.client import connect
from adapters.supabase.executions import SupabaseExecutionLog
from adapters.supabase.instances import SupabaseInstances
from adapters.supabase.signals import SupabaseSignals
from adapters.supabase.traders import SupabaseTraders
from adapters.telemetry import Instruments
from adapters.telemetry.instruments import Levels
from filters.evaluation import Evaluator
from workers.filter_sandbox import FilterSandbox
from workers.launcher import TemporalTraderLauncher
from workers.registry import market_activities, store_activities
from workers.runner import market_worker, traders_worker
from workers.screens import ReplicaScreens
from workers.upkeep import keep_execution_days


@dataclass(frozen=True)
class Wired:
    """The workers of one process, and what must run beside them."""

    workers: list[Worker]
    """In the order they start; they end in reverse. What a window handed over must be decided in another process: a workflow task that
    reaches a worker which is ending would stay there until it times out, 10 s."""
    beside: list[Coroutine[Any, Any, None]]


@asynccontextmanager
async def wired(settings: Settings, client: Client, instruments: Instruments) -> AsyncIterator[Wired]:
    """Connect the adapters to the activities; on leaving, close what was opened."""
    async with (
        connect(settings.supabase_url, settings.supabase_secret_key.get_secret_value()) as database,
        # From the start and not with the first JavaScript trader: it takes 57 MB, and a machine that cannot jail filters says so at once.
        FilterSandbox(at_once=settings.filter_processes or None, allow_weak=settings.allow_weak_jail) as sandbox,
    ):
        replica = MarketReplica(
            settings.feeder_url,
            settings.feeder_token.get_secret_value(),
            ca=settings.feeder_ca,
            measure_delay=instruments.replica_delay,
        )
        log = SupabaseExecutionLog(database)
        evaluations = GroupCommit(log)
        instruments.observe_data_age(lambda: replica.age() if replica.as_of else None)
        instruments.observe_synchronisations(lambda: replica.statistics.synchronisations)
        instruments.observe_execution_rows(lambda: evaluations.waiting)
        instruments.observe_sandbox(lambda: levels_of(sandbox))
        screening = ScreeningActivities(ReplicaScreens(replica, Evaluator(), sandbox), evaluations, _measured(instruments))
        traders = TraderActivities(SupabaseTraders(database), TemporalTraderLauncher(client))
        stores = store_activities(
            traders, SignalActivities(SupabaseSignals(database), instruments.signals), InstanceActivities(SupabaseInstances(database))
        )
        workers = [
            market_worker(client, market_activities(screening), max_windows=settings.max_windows),
            traders_worker(client, stores, max_cached_traders=settings.max_cached_traders),
        ]
        try:
            yield Wired(workers, [replica.run(), evaluations.run(), keep_execution_days(log)])
        finally:
            replica.close()


def _measured(instruments: Instruments) -> Callable[[timedelta, TickResult], None]:
    """Turns ticks into metrics."""

    def measure(lateness: timedelta, result: TickResult) -> None:
        skipped = result.outcome is Outcome.EVALUATED and not result.evaluated
        instruments.tick(lateness, "skipped" if skipped else result.outcome, result.duration)
        instruments.filter_failures({failure.kind for failure in result.failures})

    return measure


def levels_of(sandbox: FilterSandbox) -> Levels:
    """What the sandbox did, for a scrape: called in a thread of its own."""
    statistics, report = sandbox.statistics(), sandbox.report
    return {
        "passes": {ending.value: float(count) for ending, count in list(statistics.endings.items())},
        "busy": sum(list(statistics.busy.values())),
        "running": statistics.running,
        "waiting": statistics.waiting,
        "suspended": statistics.suspended,
        "replaced": statistics.replaced,
        "weak": None if report is None else not report.is_sufficient,
    }
