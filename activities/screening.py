"""The screening window: watch the market for one trader, and come back when a symbol newly matches or the window ends."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from temporalio import activity

from activities import filter_trouble
from activities.bounds import bounded
from activities.executions import GroupCommit
from activities.failures import as_activity_failure
from activities.heartbeat import heartbeating
from activities.ports import Evaluation, Outcome, Screen, ScreenFactory, ScreenRequest, TickResult
from domain.cadence import next_due, phase_of
from domain.errors import UnavailableError
from domain.filter_failures import FilterCondition
from domain.filters import FilterFailure, Trigger
from domain.market import Market
from domain.screening import Match, Progress
from domain.tiers import TierLimits
from domain.traders import TraderSettings

WATCH = "screening.watch"
CHECK = "screening.check"

FAILURES_UNTIL_ERROR = 3
"""A filter that fails for every symbol on this many evaluations in a row puts its trader in error."""
FAILURES_BROUGHT_BACK = 3
"""So many kinds of failure travel in a window's result; the database has all."""
CADENCE_TOLERANCE = 0.9
"""Evaluations of one trader keep at least this part of a cadence apart; a little less than one, so that jitter does not add up."""


class Ended(StrEnum):
    """Why a window came back."""

    MATCHED = "matched"
    ELAPSED = "elapsed"
    HANDED_OVER = "handed over"
    """The worker shuts down; the next window starts elsewhere."""
    FAILED = "failed"
    """The filter failed on several evaluations in a row."""


@dataclass(frozen=True, kw_only=True)
class WindowInput:
    """What to watch for, and where the trader stands."""

    number: int
    trader_id: UUID
    instance_id: UUID
    version: int
    settings: TraderSettings
    limits: TierLimits
    duration: timedelta
    """Zero: tick once, now, and come back."""
    progress: Progress = field(default_factory=Progress)
    failures_in_a_row: int = 0
    """Evaluations before this window that failed for every symbol, without a good one after them."""
    user_id: UUID | None = None
    """`None` in windows that an older worker scheduled: then the trader stands for its owner."""


@dataclass(frozen=True, kw_only=True)
class WindowCounts:
    """What happened during a window."""

    ticks: int = 0
    evaluations: int = 0
    skipped: int = 0
    stale: int = 0
    failed: int = 0
    """Evaluations that failed for every symbol, and those that could not be made."""
    candles: int = 0
    missed_candles: int = 0
    dropped_matches: int = 0
    symbols: int = 0
    not_ready: int = 0
    busy: timedelta = timedelta()
    latest: timedelta = timedelta()
    """The greatest lateness of a tick."""
    symbols_failed: int = 0
    """Of the last evaluation, like `symbols` and `not_ready`."""
    failed_in_part: int = 0
    """Evaluations that failed for some symbols only."""


@dataclass(frozen=True, kw_only=True)
class WindowResult:
    """What a window brings back. Everything before `progress` is committed and done with."""

    ended: Ended
    progress: Progress
    market: Market
    matches: tuple[Match, ...] = ()
    counts: WindowCounts = field(default_factory=WindowCounts)
    conditions: dict[str, int] = field(default_factory=dict)
    newest_candle: datetime | None = None
    last_tick: datetime | None = None
    as_of: datetime | None = None
    data_age: timedelta = timedelta()
    snapshot_seq: int = 0
    error: str = ""
    symbols_stale: int = 0
    """Of the last tick: symbols that trade and whose candles are further behind than the tier allows."""
    stale_symbols: tuple[str, ...] = ()
    """The first few of them."""
    failures: tuple[FilterFailure, ...] = ()
    """Of the last evaluation: the first few, grouped."""
    condition: FilterCondition | None = None
    """Of the last evaluation: what keeps the filter from working."""
    failures_in_a_row: int = 0


@dataclass(frozen=True, kw_only=True)
class CheckInput:
    """Settings that want to be deployed."""

    trader_id: UUID
    settings: TraderSettings
    limits: TierLimits
    user_id: UUID | None = None
    """`None` where an older worker asks: then the trader stands for its owner."""


class ScreeningActivities:
    """Windows over the worker's replica of the market."""

    def __init__(self, screens: ScreenFactory, evaluations: GroupCommit, on_tick: Callable[[timedelta, TickResult], None]) -> None:
        self._screens = screens
        self._evaluations = evaluations
        self._on_tick = on_tick

    @activity.defn(name=CHECK)
    async def check(self, request: CheckInput) -> None:
        """Refuse settings that this market and this engine cannot run."""
        with as_activity_failure():
            await self._screens.open(_screen_of(request))

    @activity.defn(name=WATCH)
    async def watch(self, window: WindowInput) -> WindowResult:
        """Tick at the trader's cadence until a symbol newly matches, the window ends or the worker shuts down.

        A retry carries on from the heartbeat's progress. Returns only after every evaluation's row is committed.
        """
        with as_activity_failure():
            screen = await self._screens.open(_screen_of(window))
        watching = _Window(window, screen, self._evaluations, self._on_tick, _progress_of_earlier_attempt() or window.progress)
        async with heartbeating(lambda: watching.committed_progress):
            with as_activity_failure():
                return await watching.run()


def _screen_of(asked: WindowInput | CheckInput) -> ScreenRequest:
    return ScreenRequest(trader_id=asked.trader_id, user_id=asked.user_id or asked.trader_id, settings=asked.settings, limits=asked.limits)


def _progress_of_earlier_attempt() -> Progress | None:
    # The converter hands heartbeat details over untyped.
    details = activity.info().heartbeat_details
    return Progress(**{**details[0], "matching": tuple(details[0]["matching"])}) if details and details[0] else None


class _Window:
    """One window while it runs."""

    def __init__(
        self,
        window: WindowInput,
        screen: Screen,
        evaluations: GroupCommit,
        on_tick: Callable[[timedelta, TickResult], None],
        progress: Progress,
    ) -> None:
        self.committed_progress = progress
        self._window = window
        self._screen = screen
        self._evaluations = evaluations
        self._on_tick = on_tick
        self._progress = progress
        self._counts = WindowCounts()
        self._last: TickResult | None = None
        self._last_tick: datetime | None = None
        self._last_evaluation: datetime | None = None
        self._looked: TickResult | None = None
        """The last tick that evaluated or tried to."""
        self._failures = window.failures_in_a_row
        self._waited = False
        self._committed: asyncio.Future[None] | None = None

    async def run(self) -> WindowResult:
        cadence = self._window.settings.cadence
        phase = phase_of(self._window.trader_id, cadence)
        end = _now() + self._window.duration
        shutdown = asyncio.ensure_future(activity.wait_for_worker_shutdown())
        changed = asyncio.ensure_future(self._screen.changed())
        due = _now()
        try:
            while True:
                if not self._must_wait_for_grid():
                    if changed.done():  # listen before looking, so that no candle slips between the two
                        changed = asyncio.ensure_future(self._screen.changed())
                    if ended := self._ended(await self._tick(due)):
                        return await self._result(ended)
                due = await self._until(min(next_due(_now(), cadence, phase), end), changed, shutdown)
                if shutdown.done():
                    return await self._result(Ended.HANDED_OVER)
                if _now() >= end:
                    return await self._result(Ended.ELAPSED)
        finally:
            shutdown.cancel()
            changed.cancel()

    def _must_wait_for_grid(self) -> bool:
        """Whether the window's first tick is not due yet. A `tick` trader's new window must not tick more often than its cadence."""
        is_first = self._counts.ticks == 0 and not self._waited
        self._waited = True
        return is_first and bool(self._window.duration) and self._window.settings.filter.trigger is Trigger.TICK

    async def _until(self, due: datetime, changed: asyncio.Future[None], shutdown: asyncio.Future[None]) -> datetime:
        """Sleep until the tick is due: at the grid point, or earlier when candles settled and a cadence has passed. The due moment."""
        await asyncio.wait({changed, shutdown}, timeout=(due - _now()).total_seconds(), return_when=asyncio.FIRST_COMPLETED)
        if not changed.done() or shutdown.done():
            return due
        settled = _now()
        earliest = settled
        if self._last_evaluation is not None:
            earliest = max(settled, self._last_evaluation + self._window.settings.cadence * CADENCE_TOLERANCE)
        if earliest > settled:
            await asyncio.wait({shutdown}, timeout=(earliest - settled).total_seconds())
        return earliest

    async def _tick(self, due: datetime) -> TickResult:
        started = _now()
        result = bounded(await self._look())
        self._on_tick(started - due, result)
        self._count(result, started - due)
        self._last, self._last_tick = result, started
        if result.evaluated:
            self._last_evaluation = started
        if result.evaluated or result.outcome is Outcome.FAILED:
            self._looked = result
        self._progress = result.progress
        if self._is_worth_a_row(result):
            self._committed = self._evaluations.add(self._row(result, started))
            if not self._reportable(result):  # a retry must find again what was not yet reported
                self._committed.add_done_callback(self._advance(result.progress))
        elif self._committed is None or self._committed.done():
            self.committed_progress = result.progress
        return result

    async def _look(self) -> TickResult:
        try:
            return await self._screen.tick(self._progress)
        except UnavailableError as error:
            freshness = self._screen.freshness()
            return TickResult(evaluated=False, outcome=Outcome.FAILED, progress=self._progress, freshness=freshness, error=str(error))

    def _advance(self, progress: Progress) -> Callable[[asyncio.Future[None]], None]:
        def advance(committed: asyncio.Future[None]) -> None:
            if not committed.cancelled():
                self.committed_progress = progress

        return advance

    def _is_worth_a_row(self, result: TickResult) -> bool:
        """Evaluations and failures always; staleness when it begins, not at every tick while it lasts."""
        return result.evaluated or result.outcome is Outcome.FAILED or (result.outcome is Outcome.STALE and self._counts.stale == 1)

    def _reportable(self, result: TickResult) -> tuple[Match, ...]:
        return tuple(match for match in result.matches if not match.initial or self._window.settings.signal_initial)

    def _ended(self, result: TickResult) -> Ended | None:
        before, self._failures = self._failures, filter_trouble.failures_in_a_row(self._failures, result)
        if self._reportable(result):
            return Ended.MATCHED
        if self._failures > before and self._failures >= FAILURES_UNTIL_ERROR:
            return Ended.FAILED
        return Ended.ELAPSED if not self._window.duration else None

    def _count(self, result: TickResult, lateness: timedelta) -> None:
        counts = self._counts
        self._counts = WindowCounts(
            ticks=counts.ticks + 1,
            evaluations=counts.evaluations + result.evaluated,
            skipped=counts.skipped + (not result.evaluated and result.outcome is Outcome.EVALUATED),
            stale=counts.stale + (result.outcome is Outcome.STALE),
            failed=counts.failed + filter_trouble.is_entire(result),
            candles=counts.candles + result.candles,
            missed_candles=counts.missed_candles + result.missed_candles,
            dropped_matches=counts.dropped_matches + result.dropped_matches,
            symbols=result.symbols_processed if result.evaluated else counts.symbols,
            not_ready=result.symbols_not_ready if result.evaluated else counts.not_ready,
            busy=counts.busy + result.duration,
            latest=max(counts.latest, lateness),
            symbols_failed=result.symbols_failed if result.evaluated else counts.symbols_failed,
            failed_in_part=counts.failed_in_part + (bool(result.symbols_failed) and not filter_trouble.is_entire(result)),
        )

    def _row(self, result: TickResult, started: datetime) -> Evaluation:
        return Evaluation(
            instance_id=self._window.instance_id,
            trader_id=self._window.trader_id,
            trader_version=self._window.version,
            interval=self._window.settings.filter.interval,
            started_at=started,
            duration=result.duration,
            outcome=result.outcome,
            market=result.freshness.market,
            symbols_processed=result.symbols_processed,
            symbols_not_ready=result.symbols_not_ready,
            signals_generated=len(result.matches),
            candle_open_time=result.newest_candle,
            candles=result.candles,
            snapshot_seq=result.freshness.seq,
            data_age=result.freshness.age,
            symbols_stale=result.symbols_stale,
            symbols_failed=result.symbols_failed,
            error=result.error,
            failures=result.failures,
            condition=filter_trouble.condition_of(result),
        )

    async def _result(self, ended: Ended) -> WindowResult:
        if self._committed is not None:
            await self._committed
        last, looked = self._last, self._looked
        freshness = last.freshness if last else self._screen.freshness()
        return WindowResult(
            ended=ended,
            progress=self._progress,
            market=freshness.market,
            matches=self._reportable(last) if last and ended is Ended.MATCHED else (),
            counts=replace(self._counts),
            conditions=last.conditions if last else {},
            newest_candle=last.newest_candle if last else None,
            last_tick=self._last_tick,
            as_of=freshness.as_of,
            data_age=freshness.age,
            snapshot_seq=freshness.seq,
            error=looked.error if looked else "",
            symbols_stale=last.symbols_stale if last else 0,
            stale_symbols=last.stale_symbols if last else (),
            failures=looked.failures[:FAILURES_BROUGHT_BACK] if looked else (),
            condition=filter_trouble.condition_of(looked) if looked else None,
            failures_in_a_row=self._failures,
        )


def _now() -> datetime:
    return datetime.now(UTC)
