"""The world as the workflows see it: fakes for the activities, by their names, and things to feed them with."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities import instances, screening, signals
from activities import traders as trader_activities
from activities.screening import Ended, WindowCounts, WindowInput, WindowResult
from domain.filters import FilterSpec
from domain.market import Interval, Market
from domain.screening import Match, Progress
from domain.signals import signal_id
from domain.tiers import LIMITS, Tier
from domain.traders import Mode, Trader, TraderSettings
from workers.launcher import TemporalTraderLauncher
from workers.registry import WORKFLOWS
from workers.runner import sandbox
from workflows import ids
from workflows.contracts import TraderConfig
from workflows.trader import TraderWorkflow

USER = UUID("00000000-0000-0000-0000-0000000000aa")
INSTANCE = UUID("00000000-0000-0000-0000-0000000000bb")
OPEN = datetime(2026, 1, 1, tzinfo=UTC)


def config_of(
    trader_id: UUID,
    *,
    version: int = 1,
    tier: Tier = Tier.ELITE,
    interval: Interval = Interval.M1,
    heartbeat_timeout: timedelta | None = None,
    cadence: timedelta | None = None,
    max_open_monitors: int | None = None,
    user_id: UUID = USER,
) -> TraderConfig:
    limits = LIMITS[tier]
    return TraderConfig(
        trader_id=trader_id,
        user_id=user_id,
        instance_id=INSTANCE,
        name="Oversold bounce",
        version=version,
        mode=Mode.DEMO,
        tier=tier,
        settings=TraderSettings(filter=FilterSpec(code="match = close > 0", interval=interval), cadence=cadence or limits.default_cadence),
        limits=replace(
            limits,
            heartbeat_timeout=heartbeat_timeout or limits.heartbeat_timeout,
            max_open_monitors=limits.max_open_monitors if max_open_monitors is None else max_open_monitors,
        ),
    )


def match_at(index: int, symbol: str = "BTCUSDT") -> Match:
    return Match(
        symbol=symbol,
        candle_index=index,
        candle_open_time=OPEN + timedelta(minutes=index),
        price=Decimal("50000.10"),
        change_percent=1.5,
        quote_volume=1e9,
        conditions=("oversold",),
    )


def elapsed(window: WindowInput, *, matches: tuple[Match, ...] = (), ended: Ended | None = None, **changes: object) -> WindowResult:
    evaluated = (window.progress.evaluated or 0) + 5
    return WindowResult(
        ended=ended or (Ended.MATCHED if matches else Ended.ELAPSED),
        progress=changes.pop("progress", None)
        or Progress(matching=tuple(match.symbol for match in matches), baseline=0, evaluated=evaluated),
        market=Market.SIMULATED,
        matches=matches,
        counts=WindowCounts(ticks=60, evaluations=5, candles=5, symbols=400),
        last_tick=OPEN,
        as_of=OPEN,
        **changes,
    )


async def forever(window: WindowInput) -> WindowResult:
    """A window in which nothing happens, until it is cancelled."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(0.05)


async def eventually(condition: Callable[[], bool | Awaitable[bool]], within: timedelta = timedelta(seconds=20)) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(within.total_seconds()):
        while not (await holds if isinstance(holds := condition(), Awaitable) else holds):  # noqa: ASYNC110  (the world is far away)
            await asyncio.sleep(0.02)


Look = Callable[[WindowInput], Awaitable[WindowResult]]


@dataclass
class World:
    """Fakes of all activities, with what they were asked."""

    look: Look
    """What happens in a window."""
    traders: dict[UUID, Trader] = field(default_factory=dict)
    tier: Tier = Tier.ELITE
    windows: list[WindowInput] = field(default_factory=list)
    recorded: list[UUID] = field(default_factory=list)
    statuses: list[tuple[str, str]] = field(default_factory=list)
    signal_statuses: list[tuple[UUID, str]] = field(default_factory=list)
    sent: list[tuple[UUID, str]] = field(default_factory=list)
    started: list[trader_activities.StartTraderInput] = field(default_factory=list)
    saved: list[instances.SaveInstanceInput] = field(default_factory=list)
    errors: dict[str, Exception] = field(default_factory=dict)
    """What an activity fails with, by its type, as long as it stands here."""
    failed: list[str] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    """What an activity waits for before it does anything, by its type."""
    begun: list[str] = field(default_factory=list)

    @activity.defn(name=screening.WATCH)
    async def watch(self, window: WindowInput) -> WindowResult:
        self.windows.append(window)
        return await self.look(window)

    @activity.defn(name=screening.CHECK)
    async def check(self, request: screening.CheckInput) -> None:
        await self._meet(screening.CHECK)

    @activity.defn(name=signals.RECORD)
    async def record(self, request: signals.RecordSignalsInput) -> signals.RecordSignalsResult:
        await self._meet(signals.RECORD)
        found = [signal_id(request.trader_id, m.symbol, request.interval, m.candle_open_time) for m in request.matches]
        new = tuple(one for one in found if one not in self.recorded)
        self.recorded.extend(new)
        return signals.RecordSignalsResult(recorded=new)

    @activity.defn(name=signals.SET_STATUS)
    async def set_signal_status(self, request: signals.SetSignalStatusInput) -> None:
        await self._meet(signals.SET_STATUS)
        self.signal_statuses.append((request.signal_id, request.status))

    @activity.defn(name=trader_activities.SET_STATUS)
    async def set_status(self, request: trader_activities.SetTraderStatusInput) -> None:
        self.statuses.append((request.status, request.reason))

    @activity.defn(name=trader_activities.LOAD)
    async def load(self, request: trader_activities.LoadTraderInput) -> trader_activities.LoadTraderResult:
        trader = self.traders.get(request.trader_id)
        if trader is None or trader.user_id != request.user_id:
            raise ApplicationError("There is no such trader.", type="NotFoundError", non_retryable=True)
        return trader_activities.LoadTraderResult(trader=trader, limits=LIMITS[trader.tier])

    @activity.defn(name=trader_activities.START)
    async def start(self, request: trader_activities.StartTraderInput) -> None:
        await self._meet(trader_activities.START)
        self.started.append(request)

    @activity.defn(name=trader_activities.SIGNAL)
    async def signal(self, request: trader_activities.SignalTraderInput) -> trader_activities.SignalTraderResult:
        await self._meet(trader_activities.SIGNAL)
        self.sent.append((request.trader_id, request.name))
        return trader_activities.SignalTraderResult(delivered=True)

    @activity.defn(name=instances.SAVE)
    async def save(self, request: instances.SaveInstanceInput) -> None:
        self.saved.append(request)

    async def _meet(self, name: str) -> None:
        self.begun.append(name)
        if gate := self.gates.get(name):
            await gate.wait()
        if error := self.errors.get(name):
            self.failed.append(name)
            raise error

    @asynccontextmanager
    async def workers(self, client: Client, *, cached: int = 1_000) -> AsyncIterator[None]:
        """Workers for both queues. With `cached=0` every workflow task replays the whole history."""
        async with (
            self.traders_worker(client, cached=cached),
            Worker(client, task_queue=ids.MARKET_QUEUE, activities=[self.watch, self.check]),
        ):
            yield

    def traders_worker(self, client: Client, *, cached: int = 1_000) -> Worker:
        """Workflow tasks and everything but the market."""
        return Worker(
            client,
            task_queue=ids.TRADERS_QUEUE,
            workflows=WORKFLOWS,
            activities=self._stores(),
            workflow_runner=sandbox(),
            max_cached_workflows=cached,
        )

    def stores_worker(self, client: Client) -> Worker:
        """Everything but workflow tasks and the market."""
        return Worker(client, task_queue=ids.TRADERS_QUEUE, activities=self._stores())

    def _stores(self) -> list[Callable[..., Awaitable[object]]]:
        return [self.load, self.start, self.signal, self.set_status, self.record, self.set_signal_status, self.save]


def workflows_worker(client: Client) -> Worker:
    """Workflow tasks only, each replayed from the start, so that no worker needs to be asked for what it remembers."""
    return Worker(client, task_queue=ids.TRADERS_QUEUE, workflows=WORKFLOWS, workflow_runner=sandbox(), max_cached_workflows=0)


async def start_trader(client: Client, **config: object) -> WorkflowHandle[TraderWorkflow, object]:
    """Start a trader of its own, as `config_of` makes it, by the real launcher."""
    made = config_of(uuid4(), **config)
    trader = Trader(
        id=made.trader_id,
        user_id=made.user_id,
        name=made.name,
        version=made.version,
        mode=made.mode,
        tier=made.tier,
        settings=made.settings,
    )
    await TemporalTraderLauncher(client).start(trader, made.instance_id, made.limits)
    return client.get_workflow_handle_for(TraderWorkflow.run, ids.trader_workflow_id(made.trader_id))


def monitor_id(handle_id: str, match: Match) -> str:
    trader_id = UUID(handle_id.removeprefix("trader:"))
    return ids.signal_monitor_workflow_id(signal_id(trader_id, match.symbol, Interval.M1, match.candle_open_time))


def trader_of(tier: Tier, user_id: UUID = USER) -> Trader:
    """A stored trader that was never deployed."""
    trader_id = uuid4()
    return Trader(
        id=trader_id,
        user_id=user_id,
        name="Oversold bounce",
        version=1,
        mode=Mode.DEMO,
        tier=tier,
        settings=config_of(trader_id, tier=tier).settings,
    )


async def brief(window: WindowInput) -> WindowResult:
    """A window in which nothing happens and that is soon over."""
    await asyncio.sleep(0.02)
    return elapsed(window)
