"""Browser filters over the worker's replica: they find what an expression finds, and whatever they do is an outcome of their own trader."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
import pytest

from activities.ports import Outcome, ScreenRequest, TickResult
from adapters.candle_store import CANDLE, CLOSED, INTERVAL_CODES, VALUES
from adapters.feeder_client import MarketReplica
from domain.errors import FilterRefusedError, RefusedError, UnavailableError
from domain.filters import FailureKind, FilterProblem, FilterSpec, Language, Trigger
from domain.market import EPOCH, HISTORY_BLOCK, Interval, Market
from domain.screening import Match, Progress
from domain.tiers import LIMITS, Tier
from domain.traders import TraderSettings
from filters.evaluation import Evaluator
from filters.javascript.contract import JavaScriptEngine, JavaScriptFilter, Verdicts, View
from filters.javascript.in_process import InProcessEngine
from workers import newly_closed
from workers.screen import ReplicaScreen
from workers.screens import ReplicaScreens

M1, M5 = Interval.M1, Interval.M5
SYMBOLS = tuple(f"S{number:02}USDT" for number in range(12))
START = M1.index_at(datetime(2026, 1, 5, 12, 0, tzinfo=UTC))
"""The candle that forms at first."""
MINUTES = 3_000
COMING = 400
"""Minutes after START whose candles are known here."""
OWNER, OTHER = UUID(int=7), UUID(int=8)

RISING = """
const k = timeframes['1m'];
const last = k[k.length - 1], before = k[k.length - 2];
return parseFloat(last[4]) > parseFloat(before[4]);
"""
ABOVE_AVERAGE = """
const fives = timeframes['5m'];
const average = helpers.calculateMA(klines, 20), slow = helpers.calculateMA(fives, 5);
return parseFloat(klines[klines.length - 1][4]) > average && average > slow;
"""
PAIRS = [
    (RISING, "match = close > close[1]", ()),
    (ABOVE_AVERAGE, 'fives = candles("5m")\nmatch = close > sma(close, 20) and sma(close, 20) > sma(fives.close, 5)', (M5,)),
]


def walks() -> dict[str, np.ndarray]:
    """Minutes of random walks in steps of a quarter, so that sums are exact."""
    random = np.random.default_rng(4)
    close = 1_000 + np.cumsum(random.integers(-8, 9, (len(SYMBOLS), MINUTES + COMING)), axis=1) / 4
    opened = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    volume = random.integers(1, 100, close.shape).astype(float)
    known = {"open": opened, "high": np.maximum(opened, close), "low": np.minimum(opened, close), "close": close, "volume": volume}
    return known | dict.fromkeys(("quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume"), volume)


def joined(minutes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same in candles of five minutes."""
    whole = {name: values.reshape(len(SYMBOLS), -1, 5) for name, values in minutes.items()}
    ends = {"open": whole["open"][:, :, 0], "close": whole["close"][:, :, -1], "high": whole["high"].max(2), "low": whole["low"].min(2)}
    return {name: ends.get(name, values.sum(2)) for name, values in whole.items()}


WALKS = {M1: walks(), M5: joined(walks())}
FIRST = {M1: START - MINUTES, M5: (START - MINUTES) // 5}


@dataclass
class WatchedEngine:
    """The engine, and who asked it for what; `meanwhile` happens while a pass is under way."""

    engine: JavaScriptEngine
    users: list[str] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    meanwhile: Callable[[], Awaitable[None]] | None = None
    is_away: bool = False

    async def evaluate(self, user: str, compiled: JavaScriptFilter, view: View) -> Verdicts:
        if self.is_away:
            raise UnavailableError("No filter process can be had.")
        self.users.append(user)
        self.views.append(view)
        if self.meanwhile:
            await self.meanwhile()
        return await self.engine.evaluate(user, compiled, view)

    async def check(self, compiled: JavaScriptFilter) -> tuple[FilterProblem, ...]:
        return await self.engine.check(compiled)


class Stage:
    """A replica that is told its market by hand, minute by minute, and traders over it."""

    def __init__(self, engine: JavaScriptEngine) -> None:
        self.replica = MarketReplica("ws://127.0.0.1:1", "not used")
        self.replica.market = Market.SIMULATED
        self.store = self.replica.store
        self.store.append(SYMBOLS)
        self.engine = WatchedEngine(engine)
        self.screens = ReplicaScreens(self.replica, Evaluator(), self.engine)
        self.minute = START
        for interval, end in ((M1, START), (M5, START // 5)):
            self._tell(interval, FIRST[interval], end - 1)
            for row in range(len(SYMBOLS)):
                self.store.frame(interval).confirm(row, FIRST[interval], end - 1)
        self._show()

    def close_minutes(self, count: int = 1) -> None:
        """That many minutes go by."""
        begin, self.minute = self.minute, self.minute + count
        self._tell(M1, begin, self.minute - 1)
        if self.minute // 5 > begin // 5:
            self._tell(M5, begin // 5, self.minute // 5 - 1)
        self._show()

    def form(self) -> None:
        """The minute that forms is heard of, with the values it will close with."""
        self._tell(M1, self.minute, self.minute, flags=0)
        self._show()

    def _show(self) -> None:
        self.replica.as_of = EPOCH + self.minute * M1.duration + timedelta(seconds=1)
        self.store.seq += 1

    def _tell(self, interval: Interval, first: int, last: int, flags: int = CLOSED) -> None:
        count = last + 1 - first
        records = np.zeros((len(SYMBOLS), count), CANDLE)
        records["row"], records["interval"], records["flags"] = np.arange(len(SYMBOLS))[:, None], INTERVAL_CODES[interval], flags
        records["index"], records["event_time"] = np.arange(first, last + 1), (last + flags) * interval.milliseconds
        for name in VALUES:
            start = first - FIRST[interval]
            records[name] = WALKS[interval][name][:, start : start + count]
        self.store.frame(interval).apply(records.ravel())

    async def open(
        self,
        code: str,
        language: Language = Language.JAVASCRIPT,
        *,
        others: tuple[Interval, ...] = (),
        trigger: Trigger = Trigger.CLOSE,
        symbols: tuple[str, ...] = (),
        user: UUID = OWNER,
    ) -> ReplicaScreen:
        spec = FilterSpec(code=code, interval=M1, language=language, trigger=trigger, required_intervals=others)
        settings = TraderSettings(filter=spec, cadence=timedelta(seconds=5), symbols=symbols)
        return await self.screens.open(ScreenRequest(trader_id=UUID(int=1), user_id=user, settings=settings, limits=LIMITS[Tier.ELITE]))

    async def tick(self, code: str, progress: Progress | None = None, **settings: object) -> TickResult:
        return await (await self.open(code, **settings)).tick(progress or Progress())


@pytest.fixture(scope="module")
def engine() -> Iterator[InProcessEngine]:
    with InProcessEngine() as engine:
        yield engine


@pytest.fixture
def stage(engine: InProcessEngine) -> Iterator[Stage]:
    made = Stage(engine)
    yield made
    made.replica.close()


async def caught_up(screen: ReplicaScreen, progress: Progress) -> list[TickResult]:
    """Ticks until nothing is left."""
    results = [await screen.tick(progress)]
    while results[-1].evaluated:
        results.append(await screen.tick(results[-1].progress))
    return results


def found_in(results: list[TickResult]) -> list[tuple[str, int, object, bool]]:
    return [one for result in results for one in found(result.matches)]


def found(matches: tuple[Match, ...]) -> list[tuple[str, int, object, bool]]:
    return [(match.symbol, match.candle_index, match.price, match.initial) for match in matches]


@pytest.mark.parametrize(("javascript", "expression", "others"), PAIRS)
async def test_both_languages_find_the_same_candle_by_candle(
    stage: Stage, javascript: str, expression: str, others: tuple[Interval, ...]
) -> None:
    screens = [await stage.open(javascript, others=others), await stage.open(expression, Language.EXPRESSION)]
    places, signals = [Progress(), Progress()], [[], []]
    for _ in range(30):
        for one, screen in enumerate(screens):
            result = await screen.tick(places[one])
            assert (Outcome.EVALUATED, 1, 12, 0, 0) == (
                result.outcome,
                result.candles,
                result.symbols_processed,
                result.symbols_not_ready,
                result.symbols_failed,
            )
            places[one] = result.progress
            signals[one] += found(result.matches)
        stage.close_minutes()

    assert places[0] == places[1]
    assert signals[0] == signals[1]
    assert sum(not initial for *_, initial in signals[0]) > 10


@pytest.mark.parametrize(("javascript", "expression", "others"), PAIRS)
async def test_both_languages_find_the_same_when_they_catch_up(
    stage: Stage, javascript: str, expression: str, others: tuple[Interval, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newly_closed, "CATCH_UP_SECONDS", 60.0)
    stage.close_minutes(40)
    since = Progress(baseline=START - 1, evaluated=START - 1)
    results = [
        await stage.tick(javascript, since, others=others),
        await stage.tick(expression, since, language=Language.EXPRESSION),
    ]

    assert [40, 40] == [result.candles for result in results]
    assert found(results[0].matches) == found(results[1].matches)
    assert results[0].progress == results[1].progress


async def test_both_languages_find_the_same_at_the_forming_candle(stage: Stage) -> None:
    stage.form()
    results = [
        await stage.tick(RISING, trigger=Trigger.TICK),
        await stage.tick("match = close > close[1]", language=Language.EXPRESSION, trigger=Trigger.TICK),
    ]

    assert found(results[0].matches) == found(results[1].matches)
    assert {START} == {match.candle_index for match in results[0].matches}
    assert results[0].progress == results[1].progress


async def test_a_catch_up_is_bounded_and_the_next_tick_goes_on(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newly_closed, "CATCH_UP_SECONDS", 0.0)
    stage.close_minutes(5)
    screen = await stage.open(RISING)
    progress, candles = Progress(baseline=START - 1, evaluated=START - 1), []
    for _ in range(6):
        result = await screen.tick(progress)
        candles.append(result.candles)
        progress = result.progress

    assert [1, 1, 1, 1, 1, 0] == candles
    assert START + 4 == progress.evaluated


async def test_the_market_rolls_on_while_javascript_runs(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newly_closed, "CATCH_UP_SECONDS", 60.0)
    to_the_roll = HISTORY_BLOCK - START % HISTORY_BLOCK
    stage.close_minutes(3)

    async def roll() -> None:
        if len(stage.engine.users) == 2:
            await asyncio.get_running_loop().run_in_executor(stage.replica.thread, stage.close_minutes, to_the_roll + 5)

    stage.engine.meanwhile = roll
    first_index = stage.store.frame(M1).first_index
    since = Progress(baseline=START - 1, evaluated=START - 1)
    screen = await stage.open(RISING)
    rolled = await screen.tick(since)
    rest = await caught_up(screen, rolled.progress)
    expected = await caught_up(await stage.open("match = close > close[1]", Language.EXPRESSION), since)

    assert first_index + HISTORY_BLOCK == stage.store.frame(M1).first_index
    assert (2, START + 1) == (rolled.candles, rolled.progress.evaluated)
    assert (START + to_the_roll + 7, 0) == (rest[-1].progress.evaluated, sum(one.missed_candles for one in rest))
    assert found_in(expected) == found_in([rolled, *rest])


async def test_a_filter_that_throws_for_some_symbols_goes_on_for_the_others(stage: Stage) -> None:
    code = "if (ticker.s === 'S03USDT' || ticker.s === 'S05USDT')\n  throw new Error('no ' + 'data');\nreturn true;"
    result = await stage.tick(code)

    assert (Outcome.EVALUATED, True, 2, "") == (result.outcome, result.evaluated, result.symbols_failed, result.error)
    assert [(FailureKind.RUNTIME, 2, 2)] == [(failure.kind, failure.line, failure.symbols) for failure in result.failures]
    assert "no data" in result.failures[0].message
    assert set(SYMBOLS) - {"S03USDT", "S05USDT"} == {match.symbol for match in result.matches}


async def test_a_filter_that_throws_for_every_symbol_has_failed_and_says_where(stage: Stage) -> None:
    result = await stage.tick("const k = klines;\nreturn helpers.calculateATR(k) > 1;")

    assert (Outcome.FAILED, False, 12, Progress()) == (result.outcome, result.evaluated, result.symbols_failed, result.progress)
    assert "line 2: " in result.error
    assert "calculateATR" in result.error


async def test_a_filter_that_never_ends_harms_its_own_trader_alone(stage: Stage) -> None:
    endless = asyncio.create_task(stage.tick("while (true) {}"))
    await asyncio.sleep(0.05)
    began = asyncio.get_running_loop().time()
    other = await stage.tick("match = close > 0", language=Language.EXPRESSION, user=OTHER)
    took = asyncio.get_running_loop().time() - began
    result = await endless
    after = await stage.tick(RISING)

    assert (12, True) == (len(other.matches), took < 1.5)
    assert (Outcome.FAILED, [FailureKind.TIMEOUT]) == (result.outcome, [failure.kind for failure in result.failures])
    assert Outcome.EVALUATED == after.outcome


async def test_conditions_a_filter_gives_come_with_its_matches(stage: Stage) -> None:
    result = await stage.tick("return {match: ticker.s < 'S02', conditions: ['early', ticker.s]};")

    assert [("S00USDT", ("early", "S00USDT")), ("S01USDT", ("early", "S01USDT"))] == [
        (match.symbol, match.conditions) for match in result.matches
    ]
    assert {"early": 2, "S00USDT": 1, "S01USDT": 1} == result.conditions


async def test_only_the_traders_own_symbols_are_run(stage: Stage) -> None:
    result = await stage.tick("return true;", symbols=("S02USDT", "S07USDT"))

    assert [("S02USDT", "S07USDT")] == [view.symbols for view in stage.engine.views]
    assert (2, 2) == (result.symbols_processed, len(result.matches))


async def test_traders_that_look_at_the_same_candle_share_a_view_and_run_as_their_owners(stage: Stage) -> None:
    await stage.tick("return true;", user=OWNER)
    await stage.tick("return false;", user=OTHER)

    assert [str(OWNER), str(OTHER)] == stage.engine.users
    assert stage.engine.views[0] is stage.engine.views[1]


async def test_with_no_symbol_ready_nothing_is_run(stage: Stage) -> None:
    everything = np.arange(len(SYMBOLS))
    frame = stage.store.frame(M1)
    frame.set_begin(everything, np.full(len(SYMBOLS), START - 100))
    result = await stage.tick("return true;")

    assert ([], 12, 0) == (stage.engine.users, result.symbols_not_ready, len(result.matches))
    assert START - 1 == result.progress.evaluated


async def test_while_no_filter_process_can_be_had_the_tick_says_so_and_blames_nobody(stage: Stage) -> None:
    screen = await stage.open("return true;")
    stage.engine.is_away = True

    with pytest.raises(UnavailableError, match="No filter process"):
        await screen.tick(Progress())


async def test_a_worker_without_a_sandbox_says_so(stage: Stage) -> None:
    stage.screens = ReplicaScreens(stage.replica, Evaluator())

    with pytest.raises(UnavailableError, match="no sandbox"):
        await stage.open("return true;")


async def test_javascript_that_does_not_compile_is_refused_with_its_place(stage: Stage) -> None:
    with pytest.raises(FilterRefusedError) as refused:
        await stage.open("const a = 1;\nreturn a +;")

    assert [2] == [problem.line for problem in refused.value.problems]


async def test_go_is_refused_with_what_to_do(stage: Stage) -> None:
    with pytest.raises(RefusedError, match="cloudtrader trader update"):
        await stage.open("package main", Language.GO)


async def test_a_filter_found_good_is_not_checked_again(stage: Stage) -> None:
    first, second = await stage.open("return 1 < 2;"), await stage.open("return 1 < 2;", user=OTHER)

    assert first._passes.reads is second._passes.reads
