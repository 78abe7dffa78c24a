"""A screening window, in an activity's own environment, over a screen that follows a script."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import executions
from activities.executions import GroupCommit
from activities.ports import Evaluation, Freshness, Outcome, ScreenRequest, TickResult
from activities.screening import Ended, ScreeningActivities, WindowInput, WindowResult
from domain.cadence import phase_of
from domain.errors import FilterRefusedError, UnavailableError
from domain.filters import FailureKind, FilterFailure, FilterProblem, FilterSpec, Trigger
from domain.market import EPOCH, Interval, Market
from domain.screening import Match, Progress
from domain.tiers import LIMITS, Tier
from domain.traders import TraderSettings

MS = timedelta(milliseconds=1)
CADENCE = 40 * MS
TRADER = UUID(int=12_345_678_901)
OPEN = datetime(2026, 1, 1, tzinfo=UTC)
FRESH = Freshness(market=Market.SIMULATED, as_of=OPEN, age=timedelta(), seq=7)

Look = Callable[[int, Progress], TickResult]
"""What the n-th tick (from 1) finds."""


def nothing_new(number: int, progress: Progress) -> TickResult:
    return TickResult(evaluated=False, outcome=Outcome.EVALUATED, progress=progress, freshness=FRESH)


def one_candle(number: int, progress: Progress) -> TickResult:
    return TickResult(
        evaluated=True,
        outcome=Outcome.EVALUATED,
        progress=Progress(baseline=0, evaluated=number),
        freshness=FRESH,
        candles=1,
        newest_candle=Interval.M1.open_time(number),
        symbols_processed=3,
    )


def match_at(number: int, *, initial: bool = False) -> Match:
    return Match(
        symbol="BTCUSDT",
        candle_index=number,
        candle_open_time=Interval.M1.open_time(number),
        price=Decimal(1),
        change_percent=0.0,
        quote_volume=1.0,
        initial=initial,
    )


OVERFLOW = FilterFailure(kind=FailureKind.RUNTIME, message="overflow", line=3, symbols=3)


def failing(number: int, progress: Progress) -> TickResult:
    return TickResult(evaluated=False, outcome=Outcome.FAILED, progress=progress, freshness=FRESH, failures=(OVERFLOW,))


def failing_for(symbols: int, *failures: FilterFailure) -> Look:
    """Of three symbols, one of which is not ready."""

    def look(number: int, progress: Progress) -> TickResult:
        return replace(one_candle(number, progress), symbols_not_ready=1, symbols_failed=symbols, failures=failures or (OVERFLOW,))

    return look


def stale(number: int, progress: Progress) -> TickResult:
    return TickResult(evaluated=False, outcome=Outcome.STALE, progress=progress, freshness=replace(FRESH, age=timedelta(minutes=3)))


@dataclass
class ScriptedScreen:
    """Each tick finds what `look` says; `news` is set when candles settle."""

    look: Look
    ticks: list[tuple[datetime, Progress]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    refusal: Exception | None = None

    async def open(self, request: ScreenRequest) -> "ScriptedScreen":
        if self.refusal:
            raise self.refusal
        return self

    async def changed(self) -> None:
        await self.news.wait()
        self.news.clear()

    async def tick(self, progress: Progress) -> TickResult:
        self.ticks.append((datetime.now(UTC), progress))
        return self.look(len(self.ticks), progress)

    def freshness(self) -> Freshness:
        return FRESH

    def gaps(self) -> list[timedelta]:
        moments = [moment for moment, _ in self.ticks]
        return [later - earlier for earlier, later in pairwise(moments)]


@dataclass
class Log:
    """Keeps rows; writes nothing before `open` is set."""

    rows: list[Evaluation] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def append(self, evaluations: Sequence[Evaluation]) -> None:
        await self.open.wait()
        self.rows.extend(evaluations)


@dataclass
class Watching:
    """A window that runs."""

    env: ActivityEnvironment
    task: asyncio.Task[WindowResult]
    heartbeats: list[Progress]

    async def result(self) -> WindowResult:
        async with asyncio.timeout(10):
            return await self.task


@asynccontextmanager
async def watching(
    screen: ScriptedScreen,
    log: Log | None = None,
    *,
    duration: timedelta = 200 * MS,
    trigger: Trigger = Trigger.CLOSE,
    signal_initial: bool = False,
    cadence: timedelta = CADENCE,
    failures_in_a_row: int = 0,
    earlier_details: tuple[object, ...] = (),
) -> AsyncIterator[Watching]:
    if log is None:
        log = Log()
        log.open.set()
    commit = GroupCommit(log)
    env, heartbeats = ActivityEnvironment(), []
    env.info = replace(env.info, heartbeat_timeout=20 * MS, heartbeat_details=earlier_details)
    env.on_heartbeat = lambda *details: heartbeats.append(details[0])
    window = WindowInput(
        number=1,
        trader_id=TRADER,
        instance_id=UUID(int=2),
        version=4,
        settings=TraderSettings(
            filter=FilterSpec(code="match = close > 0", interval=Interval.M1, trigger=trigger),
            cadence=cadence,
            signal_initial=signal_initial,
        ),
        limits=LIMITS[Tier.ELITE],
        duration=duration,
        progress=Progress(baseline=0, evaluated=0),
        failures_in_a_row=failures_in_a_row,
    )
    activities = ScreeningActivities(screen, commit, lambda lateness, result: None)
    committing = asyncio.create_task(commit.run())
    task = asyncio.create_task(env.run(activities.watch, window))
    try:
        yield Watching(env, task, heartbeats)
    finally:
        task.cancel()
        committing.cancel()


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executions, "GATHER", MS)


async def has_ticked(screen: ScriptedScreen, times: int) -> None:
    async with asyncio.timeout(5):
        while len(screen.ticks) < times:  # noqa: ASYNC110  (the script is the window's)
            await asyncio.sleep(0.001)


async def test_a_window_ticks_on_the_grid_of_its_cadence_until_it_ends() -> None:
    screen = ScriptedScreen(nothing_new)
    async with watching(screen) as window:
        result = await window.result()

    late = [(moment - EPOCH - phase_of(TRADER, CADENCE)) % CADENCE for moment, _ in screen.ticks[1:]]
    assert result.ended is Ended.ELAPSED
    assert 3 <= len(screen.ticks) <= 6
    assert (result.counts.ticks, result.counts.skipped) == (len(screen.ticks), len(screen.ticks))
    assert sorted(late)[len(late) // 2] < CADENCE / 2, "a busy machine is late, never early"


async def test_candles_that_settle_wake_a_window_before_its_tick_is_due() -> None:
    screen = ScriptedScreen(lambda number, progress: one_candle(number, progress) if number > 1 else nothing_new(number, progress))
    async with watching(screen, duration=timedelta(seconds=60), cadence=timedelta(seconds=30)):
        await has_ticked(screen, 1)
        screen.news.set()
        await has_ticked(screen, 2)

    assert screen.gaps()[0] < timedelta(seconds=2)


async def test_however_often_candles_settle_they_bring_no_tick_within_a_cadence_of_the_last_evaluation() -> None:
    screen = ScriptedScreen(one_candle)
    async with watching(screen, duration=timedelta(seconds=60)):
        while len(screen.ticks) < 12:
            screen.news.set()
            await asyncio.sleep(0.001)

    # The grid may bring the next tick sooner than a cadence after an early one; never two in a row.
    assert min(one + other for one, other in pairwise(screen.gaps())) > CADENCE * 0.85


async def test_a_new_match_ends_the_window_at_once_with_the_progress_that_found_it() -> None:
    screen = ScriptedScreen(
        lambda number, progress: replace(one_candle(number, progress), matches=(match_at(number),) if number == 2 else ())
    )
    async with watching(screen, duration=timedelta(seconds=60)) as window:
        result = await window.result()

    assert (result.ended, result.matches, result.progress.evaluated) == (Ended.MATCHED, (match_at(2),), 2)
    assert (result.counts.ticks, result.counts.evaluations, result.counts.candles) == (2, 2, 2)


@pytest.mark.parametrize(("signal_initial", "ended"), [(False, Ended.ELAPSED), (True, Ended.MATCHED)])
async def test_what_matched_before_the_trader_looked_is_reported_only_if_wanted(signal_initial: bool, ended: Ended) -> None:
    screen = ScriptedScreen(lambda number, progress: replace(one_candle(number, progress), matches=(match_at(number, initial=True),)))
    async with watching(screen, signal_initial=signal_initial) as window:
        result = await window.result()

    assert result.ended is ended
    assert len(result.matches) == signal_initial


async def test_staleness_is_recorded_when_it_begins_and_counted_while_it_lasts() -> None:
    screen, log = ScriptedScreen(stale), Log()
    log.open.set()
    async with watching(screen, log) as window:
        result = await window.result()

    assert [Outcome.STALE] == [row.outcome for row in log.rows]
    assert result.counts.stale == result.counts.ticks > 2
    assert result.matches == ()


async def test_a_window_tells_which_symbols_were_stale_at_its_last_tick_even_if_it_evaluated_nothing() -> None:
    def one_behind(number: int, progress: Progress) -> TickResult:
        return replace(nothing_new(number, progress), symbols_stale=min(number, 2), stale_symbols=("ADAUSDT", "BTCUSDT")[:number])

    async with watching(ScriptedScreen(one_behind)) as window:
        result = await window.result()

    assert (2, ("ADAUSDT", "BTCUSDT"), 0) == (result.symbols_stale, result.stale_symbols, result.counts.evaluations)


async def test_a_filter_that_fails_three_times_in_a_row_ends_the_window_with_the_reason() -> None:
    screen, log = ScriptedScreen(failing), Log()
    log.open.set()
    async with watching(screen, log, duration=timedelta(seconds=60)) as window:
        result = await window.result()

    assert (result.ended, result.error, result.counts.failed) == (Ended.FAILED, "runtime: line 3: overflow", 3)
    assert [("runtime: line 3: overflow", (OVERFLOW,))] * 3 == [(row.error, row.failures) for row in log.rows]
    assert ("filter_failing", (OVERFLOW,)) == (result.condition and result.condition.code, result.failures)


async def test_a_filter_that_fails_for_every_symbol_that_is_ready_fails_though_the_candle_is_evaluated() -> None:
    screen, log = ScriptedScreen(failing_for(2)), Log()
    log.open.set()
    async with watching(screen, log, duration=timedelta(seconds=60)) as window:
        result = await window.result()

    assert (Ended.FAILED, 3, 2, 3) == (result.ended, result.counts.failed, result.counts.symbols_failed, result.progress.evaluated)
    assert ["filter_failing"] * 3 == [row.condition and row.condition.code for row in log.rows]


async def test_failures_count_on_across_windows_and_ticks_without_news_do_not_end_the_row() -> None:
    screen = ScriptedScreen(lambda number, progress: (failing_for(2) if number == 3 else nothing_new)(number, progress))
    async with watching(screen, failures_in_a_row=1) as window:
        second = await window.result()
    async with watching(ScriptedScreen(failing_for(2)), failures_in_a_row=second.failures_in_a_row) as window:
        third = await window.result()

    assert (Ended.ELAPSED, 2) == (second.ended, second.failures_in_a_row)
    assert (Ended.FAILED, 3, 1) == (third.ended, third.failures_in_a_row, third.counts.evaluations)


async def test_a_filter_that_fails_for_some_symbols_only_goes_on_and_says_so() -> None:
    screen, log = ScriptedScreen(failing_for(1)), Log()
    log.open.set()
    async with watching(screen, log, failures_in_a_row=2) as window:
        result = await window.result()

    assert (Ended.ELAPSED, 0, 0) == (result.ended, result.counts.failed, result.failures_in_a_row)
    assert result.counts.failed_in_part == len(log.rows) > 1
    assert {"it fails for 1 of 2 symbols: runtime: line 3: overflow"} == {row.condition and row.condition.message for row in log.rows}


async def test_a_filter_that_is_suspended_is_not_blamed_for_it_and_not_absolved() -> None:
    suspended = FilterFailure(kind=FailureKind.SUSPENDED, message="until 12:00", symbols=2)
    screen = ScriptedScreen(failing_for(2, suspended))
    async with watching(screen, failures_in_a_row=2) as window:
        result = await window.result()

    assert (Ended.ELAPSED, 2) == (result.ended, result.failures_in_a_row)
    assert ("filter_suspended", "it is not run for now: until 12:00") == (
        result.condition and result.condition.code,
        result.condition and result.condition.message,
    )


async def test_a_filter_that_cannot_be_run_is_tried_again_and_not_blamed() -> None:
    def away(number: int, progress: Progress) -> TickResult:
        if number < 5:
            raise UnavailableError("no filter process can be had")
        return one_candle(number, progress)

    screen, log = ScriptedScreen(away), Log()
    log.open.set()
    async with watching(screen, log, duration=timedelta(seconds=60)) as window:
        await has_ticked(screen, 6)
        window.env.worker_shutdown()
        result = await window.result()

    assert [(Outcome.FAILED, "filter_unavailable", "no filter process can be had")] * 4 == [
        (row.outcome, row.condition and row.condition.code, row.error) for row in log.rows[:4]
    ]
    assert (None, 0, Ended.HANDED_OVER) == (result.condition, result.failures_in_a_row, result.ended)


async def test_a_match_found_before_the_filter_failed_is_reported_first() -> None:
    def look(number: int, progress: Progress) -> TickResult:
        return replace(failing_for(2)(number, progress), matches=(match_at(number),))

    async with watching(ScriptedScreen(look), failures_in_a_row=2) as window:
        result = await window.result()

    assert (Ended.MATCHED, 3, (match_at(1),)) == (result.ended, result.failures_in_a_row, result.matches)


async def test_a_window_that_begins_beyond_the_limit_ends_when_its_filter_fails_again_not_before() -> None:
    screen = ScriptedScreen(lambda number, progress: (failing_for(2) if number == 3 else nothing_new)(number, progress))
    async with watching(screen, failures_in_a_row=3, duration=timedelta(seconds=60)) as window:
        result = await window.result()

    assert (Ended.FAILED, 3, "runtime: line 3: overflow") == (result.ended, len(screen.ticks), result.error)


async def test_what_users_write_in_a_failure_is_bounded_and_printable() -> None:
    hostile = [replace(OVERFLOW, message=f"\x00a\ud800 {chr(97 + number)}" + "x\n" * 9_000, symbols=1) for number in range(20)]
    async with watching(ScriptedScreen(failing_for(2, *hostile))) as window:
        result = await window.result()

    assert 3 == len(result.failures)
    assert [] == [one for one in result.failures if not one.message.isprintable() or len(one.message) > 300]
    assert result.error.isprintable()


async def test_a_filter_that_fails_now_and_then_goes_on() -> None:
    screen = ScriptedScreen(lambda number, progress: (one_candle if number % 3 == 0 else failing)(number, progress))
    async with watching(screen) as window:
        result = await window.result()

    assert result.ended is Ended.ELAPSED
    assert result.counts.failed > 1


async def test_a_worker_that_shuts_down_hands_over_what_was_done() -> None:
    screen, log = ScriptedScreen(one_candle), Log()
    log.open.set()
    async with watching(screen, log, duration=timedelta(seconds=60)) as window:
        await has_ticked(screen, 3)
        window.env.worker_shutdown()
        result = await window.result()

    assert result.ended is Ended.HANDED_OVER
    assert result.progress.evaluated == len(log.rows) == len(screen.ticks)


async def test_a_cancelled_window_ends_and_leaves_nothing_behind() -> None:
    screen = ScriptedScreen(one_candle)
    before = asyncio.all_tasks()
    async with watching(screen, duration=timedelta(seconds=60)) as window:
        await has_ticked(screen, 1)
        window.env.cancel()
        with pytest.raises(asyncio.CancelledError):
            await window.result()
    ticks = len(screen.ticks)
    await asyncio.sleep(2 * CADENCE.total_seconds())

    assert len(screen.ticks) == ticks
    assert {task for task in asyncio.all_tasks() if not task.done()} <= before


async def test_heartbeats_say_only_what_is_committed() -> None:
    screen, log = ScriptedScreen(one_candle), Log()
    async with watching(screen, log, duration=timedelta(seconds=60)) as window:
        await has_ticked(screen, 3)
        await asyncio.sleep(0.03)
        while_away = {beat.evaluated for beat in window.heartbeats}
        log.open.set()
        await has_ticked(screen, 5)
        await asyncio.sleep(0.03)

    assert while_away == {0}
    assert window.heartbeats[-1].evaluated >= 3
    assert [beat.evaluated for beat in window.heartbeats] == sorted(beat.evaluated for beat in window.heartbeats)


async def test_a_match_that_was_not_reported_is_in_no_heartbeat() -> None:
    screen, log = ScriptedScreen(lambda number, progress: replace(one_candle(number, progress), matches=(match_at(number),))), Log()
    async with watching(screen, log, duration=timedelta(seconds=60)) as window:
        await has_ticked(screen, 1)
        log.open.set()
        result = await window.result()

    assert result.progress.evaluated == 1
    assert {0} == {beat.evaluated for beat in window.heartbeats}


async def test_a_window_comes_back_only_after_its_rows_are_committed() -> None:
    screen, log = ScriptedScreen(lambda number, progress: replace(one_candle(number, progress), matches=(match_at(number),))), Log()
    async with watching(screen, log) as window:
        await has_ticked(screen, 1)
        await asyncio.sleep(0.03)
        came_back_early = window.task.done()
        log.open.set()
        await window.result()

    assert not came_back_early
    assert [(1, 4, 1, Interval.M1.open_time(1), 7)] == [
        (row.candles, row.trader_version, row.signals_generated, row.candle_open_time, row.snapshot_seq) for row in log.rows
    ]


async def test_a_retry_goes_on_where_the_last_heartbeat_was() -> None:
    screen = ScriptedScreen(nothing_new)
    earlier = Progress(matching=("ETHUSDT",), baseline=0, evaluated=41, behind={"XRPUSDT": 39})
    as_json = {**asdict(earlier), "matching": ["ETHUSDT"]}
    async with watching(screen, earlier_details=(as_json,)) as window:
        result = await window.result()

    assert screen.ticks[0][1] == earlier
    assert result.progress == earlier


async def test_a_window_without_duration_ticks_once_now() -> None:
    for trigger in Trigger:
        screen = ScriptedScreen(nothing_new)
        async with watching(screen, duration=timedelta(), trigger=trigger, cadence=timedelta(seconds=60)) as window:
            result = await window.result()

        assert (result.ended, len(screen.ticks)) == (Ended.ELAPSED, 1)


async def test_a_tick_trader_does_not_tick_more_often_because_its_windows_end_sooner() -> None:
    screen = ScriptedScreen(lambda number, progress: replace(one_candle(number, progress), matches=(match_at(number),)))
    cadence = 60 * MS
    for _ in range(4):
        async with watching(screen, trigger=Trigger.TICK, cadence=cadence, duration=timedelta(seconds=60)) as window:
            await window.result()

    assert len(screen.ticks) == 4
    assert min(screen.gaps()) > cadence / 2


@pytest.mark.parametrize(
    ("refusal", "kind", "is_final"),
    [
        (FilterRefusedError((FilterProblem(message="there is no rsj", line=1, column=9, suggestion="rsi"),)), "FilterRefusedError", True),
        (UnavailableError("No market data has arrived yet."), "UnavailableError", False),
    ],
)
async def test_what_no_retry_can_help_is_final_and_an_outage_is_not(refusal: Exception, kind: str, is_final: bool) -> None:
    screen = ScriptedScreen(nothing_new, refusal=refusal)
    async with watching(screen) as window:
        with pytest.raises(ApplicationError) as failed:
            await window.result()

    assert (kind, is_final, str(refusal)) == (failed.value.type, failed.value.non_retryable, failed.value.message)
