"""Between a look's question and its answer the market goes on, and the answer may be that the filter failed: each candle still once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from domain.filters import FailureKind, FilterFailure
from domain.market import HISTORY_BLOCK, MINIMUM_HISTORY, Interval
from domain.screening import Progress
from filters.frames import Frame
from filters.javascript.contract import JavaScriptFilter
from filters.outcome import Evaluation
from tests.unit.filters.memory_market import MemorySnapshot, MemoryTickers, random_market
from workers import newly_closed
from workers.looking import Found, Question, Watched, advance

M1 = Interval.M1
LAST = 256 * 113_000 + 200
SYMBOLS = 4
ROWS = np.arange(SYMBOLS)
MARKET = random_market(M1, LAST, rows=SYMBOLS, blocks=4)
FRAME = MARKET.frames[M1]
BEGIN = LAST - 40
FILTER = JavaScriptFilter(code="", interval=M1)
THROWN = FilterFailure(kind=FailureKind.RUNTIME, message="x is not defined", line=3, symbol="S0USDT")

Answer = Callable[[Question], Evaluation]


class OneFrame:
    """The market's candles in one frame that changes in place, as a replica's do."""

    symbols, seq, tickers = MARKET.symbols, MARKET.seq, MARKET.tickers

    def __init__(self, through: np.ndarray) -> None:
        self.interval, self.first_index, self.columns = M1, FRAME.first_index, FRAME.columns
        self.closed_from, self.closed_through = FRAME.closed_from, through
        self.version = 1

    def frame(self, _interval: Interval) -> Frame:
        return self

    def lose(self, row: int) -> None:
        self.closed_through[row], self.version = -1, self.version + 1

    def restore(self, row: int) -> None:
        self.closed_through[row], self.version = LAST, self.version + 1


class LivingMarket:
    """A snapshot that goes on: what it shows is replaced as a whole."""

    def __init__(self, now: MemorySnapshot | OneFrame = MARKET) -> None:
        self.now = now

    @property
    def symbols(self) -> tuple[str, ...]:
        return self.now.symbols

    @property
    def seq(self) -> int:
        return self.now.seq

    @property
    def tickers(self) -> MemoryTickers:
        return self.now.tickers

    def frame(self, interval: Interval) -> Frame:
        return self.now.frame(interval)

    def becomes(self, **changes: object) -> None:
        self.now = replace(self.now, frames={M1: replace(self.now.frames[M1], **changes)})


def green(question: Question, failing: tuple[int, ...] = (), kind: FailureKind = FailureKind.RUNTIME) -> Evaluation:
    """Matches where the candle is green; fails for some rows."""
    column = question.index - FRAME.first_index
    close, opened = FRAME.columns["close"][:, column], FRAME.columns["open"][:, column]
    asked = np.isin(ROWS, question.rows)
    failed = asked & np.isin(ROWS, failing)
    return Evaluation(
        ready=asked,
        failed=failed,
        matched=asked & ~failed & (close > opened),
        close=close,
        quote_volume_24h=np.zeros(SYMBOLS),
        failures=(replace(THROWN, kind=kind, symbols=int(failed.sum())),) if failed.any() else (),
    )


class Trader:
    """Looks again and again; counts at which candle each symbol was asked for."""

    def __init__(self, market: LivingMarket | None = None, progress: Progress | None = None) -> None:
        self.market = market or LivingMarket()
        self.progress = progress or Progress(baseline=BEGIN, evaluated=BEGIN)
        self.asked: list[tuple[int, int]] = []
        self.signals: list[tuple[str, int]] = []

    def look(self, answer: Answer = green, *, meanwhile: Callable[[int], None] = lambda _index: None) -> Found:
        """`meanwhile` is called with the candle asked for, before the answer comes."""
        watched = Watched(rows=ROWS, names=MARKET.symbols, max_matches=100, late_after=timedelta(seconds=15))
        look = newly_closed.newly_closed(FILTER, self.market, watched, self.progress, (LAST + 1) * M1.milliseconds)
        said = advance(look)
        while isinstance(said, Question):
            self.asked += [(row, said.index) for row in said.rows.tolist()]
            evaluation = answer(said)
            meanwhile(said.index)
            said = advance(look, evaluation)
        self.progress = said.progress
        self.signals += [(match.symbol, match.candle_index) for match in said.matches]
        return said


def each_once(first: int, through: int = LAST) -> list[tuple[int, int]]:
    return [(row, index) for row in range(SYMBOLS) for index in range(first, through + 1)]


EXPECTED = Trader()
EXPECTED.look()


def test_new_matches_are_what_rises() -> None:
    green_now = FRAME.columns["close"] > FRAME.columns["open"]
    places = range(BEGIN + 1 - FRAME.first_index, LAST + 1 - FRAME.first_index)
    first = (BEGIN + 1 - FRAME.first_index, False)
    rises = [
        (f"S{row}USDT", place + FRAME.first_index)
        for row in ROWS
        for place in places
        if green_now[row, place] and (place == first[0] or not green_now[row, place - 1])
    ]

    assert sorted(rises) == sorted(EXPECTED.signals)


def test_a_look_that_takes_long_comes_back_after_a_candle_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newly_closed, "CATCH_UP_SECONDS", 0.0)
    trader = Trader()
    candles = [trader.look().candles for _ in range(40)]

    assert [1] * 40 == candles
    assert (LAST, {}) == (trader.progress.evaluated, trader.progress.behind)
    assert each_once(BEGIN + 1) == sorted(trader.asked)
    assert EXPECTED.signals == trader.signals


def test_a_store_that_rolls_on_ends_the_look_and_what_it_dropped_is_counted_as_missed() -> None:
    first = FRAME.first_index + MINIMUM_HISTORY - 1
    trader = Trader(progress=Progress(baseline=first - 1, evaluated=first - 1))

    def roll(index: int) -> None:
        if index == first + 2:
            trader.market.now = replace(MARKET, frames={M1: replace(FRAME.kept_from(FRAME.first_index + HISTORY_BLOCK), version=2)})

    rolled = trader.look(meanwhile=roll)
    after = trader.look()
    trader.look()

    assert (3, 0, first + 2) == (rolled.candles, rolled.missed, rolled.progress.evaluated)
    assert HISTORY_BLOCK - 3 == after.missed
    assert each_once(first, first + 2) + each_once(first + HISTORY_BLOCK) == sorted(trader.asked, key=lambda one: (one[1] > first + 2, one))


def test_a_candle_that_went_away_before_it_was_looked_at_is_missed_and_not_taken_for_not_ready() -> None:
    first = FRAME.first_index + MINIMUM_HISTORY - 1
    trader = Trader(progress=Progress(baseline=first - 1, evaluated=first - 1))

    def too_late(question: Question) -> Evaluation:
        trader.market.now = replace(MARKET, frames={M1: replace(FRAME.kept_from(FRAME.first_index + HISTORY_BLOCK), version=2)})
        return replace(green(question), ready=np.zeros(SYMBOLS, np.bool_))

    gone = trader.look(too_late)
    after = trader.look()

    assert (0, first - 1) == (gone.candles, gone.progress.evaluated)
    assert HISTORY_BLOCK == after.missed


@pytest.mark.parametrize("is_seen_by_the_answer", [False, True])
def test_a_history_that_is_lost_meanwhile_is_looked_at_when_it_is_back(is_seen_by_the_answer: bool) -> None:
    """A view for JavaScript was packed before; an expression may be evaluated after."""
    trader = Trader(LivingMarket(kept := OneFrame(FRAME.closed_through.copy())))

    def lose(question: Question) -> Evaluation:
        evaluation = green(question)
        if question.index != BEGIN + 5:
            return evaluation
        kept.lose(2)
        return replace(evaluation, ready=evaluation.ready & (ROWS != 2)) if is_seen_by_the_answer else evaluation

    trader.look(lose)
    while_lost = trader.progress
    trader.look()
    still_lost = trader.progress
    kept.restore(2)
    trader.look()

    assert {"S2USDT": BEGIN + 4} == while_lost.behind == still_lost.behind
    assert (LAST, {}) == (trader.progress.evaluated, trader.progress.behind)
    assert sorted([*each_once(BEGIN + 1), (2, BEGIN + 5)]) == sorted(trader.asked), "asked again for the one it was lost at"
    assert sorted(EXPECTED.signals) == sorted(trader.signals)


def test_a_snapshot_taken_anew_meanwhile_ends_the_look() -> None:
    trader = Trader()
    anew = trader.look(meanwhile=lambda index: trader.market.becomes(version=index))
    trader.market.now = MARKET
    trader.look()

    assert 1 == anew.candles
    assert each_once(BEGIN + 1) == sorted(trader.asked)
    assert EXPECTED.signals == trader.signals


def test_symbols_listed_meanwhile_do_not_disturb() -> None:
    trader = Trader()
    more = random_market(M1, LAST, rows=SYMBOLS + 2, blocks=4)
    trader.look(meanwhile=lambda _index: setattr(trader.market, "now", replace(MARKET, symbols=more.symbols)))

    assert each_once(BEGIN + 1) == sorted(trader.asked)
    assert EXPECTED.signals == trader.signals


def test_a_symbol_for_which_the_filter_fails_keeps_its_state_and_the_others_go_on() -> None:
    trader = Trader(progress=Progress(matching=("S0USDT",), baseline=LAST - 1, evaluated=LAST - 1))
    found = trader.look(lambda question: green(question, failing=(0,)))
    others = {f"S{row}USDT" for row in ROWS[1:] if FRAME.columns["close"][row, -1] > FRAME.columns["open"][row, -1]}

    assert (1, 1, False) == (found.candles, found.failed, found.is_stuck)
    assert (THROWN,) == found.failures
    assert {"S0USDT", *others} == set(found.progress.matching)
    assert others == {match.symbol for match in found.matches}
    assert LAST == found.progress.evaluated


def test_a_candle_at_which_the_filter_fails_for_every_symbol_is_looked_at_again() -> None:
    trader = Trader()

    def fail(question: Question) -> Evaluation:
        return green(question, failing=tuple(ROWS) if question.index == BEGIN + 4 else (), kind=FailureKind.TIMEOUT)

    stuck, again = trader.look(fail), trader.look(fail)
    place = trader.progress.evaluated
    trader.look()

    assert (3, True, SYMBOLS) == (stuck.candles, stuck.is_stuck, stuck.failed)
    assert (0, True, SYMBOLS, None) == (again.candles, again.is_stuck, again.failed, again.newest)
    assert [FailureKind.TIMEOUT] == [failure.kind for failure in again.failures]
    assert BEGIN + 3 == place
    assert EXPECTED.signals == trader.signals


def test_a_filter_that_fails_at_its_first_candle_has_no_baseline_yet() -> None:
    trader = Trader(progress=Progress())
    trader.look(lambda question: green(question, failing=tuple(ROWS)))
    before = trader.progress
    found = trader.look()

    assert Progress() == before
    assert (LAST, LAST) == (found.progress.baseline, found.progress.evaluated)
    assert {True} == {match.initial for match in found.matches}


def test_stragglers_for_which_the_filter_fails_do_not_hold_up_those_that_are_past() -> None:
    trader = Trader(progress=Progress(baseline=BEGIN, evaluated=LAST, behind={"S1USDT": LAST - 2}))
    found = trader.look(lambda question: green(question, failing=(1,)))

    assert (2, 1, False) == (found.candles, found.failed, found.is_stuck)
    assert (LAST, {}) == (found.progress.evaluated, found.progress.behind)
    assert [(1, LAST - 1), (1, LAST)] == trader.asked
