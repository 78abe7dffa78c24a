"""Every closed candle once per symbol, in order, whenever and in whatever order candles arrive."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.filters import FilterSpec
from domain.market import MINIMUM_HISTORY, Interval, history_anchor
from domain.screening import Match, Progress
from filters.evaluation import Evaluator
from filters.expression import compile_filter
from tests.unit.filters.memory_market import MemorySnapshot, random_market
from workers import newly_closed
from workers.looking import Found, Watched
from workers.passes import answered, evaluation_at

LAST = 29_000_100
SYMBOLS = 5
CANDLES = 12
FIRST = LAST - CANDLES
"""The candle everybody starts from; CANDLES follow it."""
GREEN = "match = close > open"
MARKET = random_market(Interval.M1, LAST, Interval.M5, rows=SYMBOLS)


def market_when(market: MemorySnapshot, through: list[int], seq: int) -> MemorySnapshot:
    """The market when each symbol's candles had closed up to its own index; later ones are not known."""
    frame = market.frame(Interval.M1)
    known = np.arange(frame.first_index, LAST + 1) <= np.array(through)[:, np.newaxis]
    columns = {name: np.where(known, values, np.nan) for name, values in frame.columns.items()}
    one = replace(frame, columns=columns, closed_through=np.array(through), version=seq)
    other = market.frame(Interval.M5)
    closed = [Interval.M5.last_closed_within(Interval.M1, index) for index in through]
    return replace(market, seq=seq, frames={Interval.M1: one, Interval.M5: replace(other, closed_through=np.array(closed), version=seq)})


def watched(market: MemorySnapshot, max_matches: int = 1_000) -> Watched:
    rows = np.arange(len(market.symbols))
    return Watched(rows=rows, names=market.symbols, max_matches=max_matches, late_after=timedelta(seconds=15))


class Trader:
    """Looks at the market again and again; keeps what it found."""

    def __init__(self, code: str = GREEN, *, progress: Progress | None = None, max_matches: int = 1_000) -> None:
        self.compiled = compile_filter(FilterSpec(code=code, interval=Interval.M1))
        self.evaluator = Evaluator()
        self.progress = progress or Progress()
        self.max_matches = max_matches
        self.matches: list[Match] = []

    def look(self, market: MemorySnapshot, *, as_of: int = LAST + 1, settling: int | None = None, is_restoring: bool = False) -> Found:
        before = self.progress
        look = newly_closed.newly_closed(
            self.compiled,
            market,
            watched(market, self.max_matches),
            before,
            as_of * Interval.M1.milliseconds,
            settling=settling,
            is_restoring=is_restoring,
        )
        found = answered(look, lambda question: evaluation_at(question, self.evaluator, self.compiled, market))
        for match in found.matches:
            if before.evaluated is not None:
                assert place(before, match.symbol) < match.candle_index <= place(found.progress, match.symbol), "evaluated twice"
        self.progress = found.progress
        self.matches += found.matches
        return found

    def restarted(self) -> "Trader":
        """Goes on elsewhere with nothing but its progress."""
        other = Trader(progress=self.progress, max_matches=self.max_matches)
        other.compiled, other.matches = self.compiled, self.matches
        return other

    def signals(self) -> set[tuple[str, int]]:
        return {(match.symbol, match.candle_index) for match in self.matches if not match.initial}


def place(progress: Progress, symbol: str) -> int:
    assert progress.evaluated is not None
    return progress.behind.get(symbol, progress.evaluated)


def candle_by_candle(code: str) -> Trader:
    trader = Trader(code)
    for index in range(FIRST, LAST + 1):
        trader.look(market_when(MARKET, [index] * SYMBOLS, index))
    return trader


def rises(market: MemorySnapshot) -> set[tuple[str, int]]:
    """Where a symbol's candle is green after one that was not."""
    frame = market.frame(Interval.M1)
    green = (frame.columns["close"] > frame.columns["open"])[:, FIRST - frame.first_index :]
    return {
        (market.symbols[row], FIRST + step)
        for row in range(SYMBOLS)
        for step in range(1, CANDLES + 1)
        if green[row, step] and not green[row, step - 1]
    }


arrivals = st.lists(st.lists(st.integers(0, CANDLES), min_size=SYMBOLS, max_size=SYMBOLS), max_size=8)


def test_looking_at_every_close_finds_each_rise_once() -> None:
    trader = candle_by_candle(GREEN)

    assert rises(MARKET) == trader.signals()
    assert len(trader.signals()) == sum(not match.initial for match in trader.matches)


@settings(max_examples=60, deadline=None)
@given(arrivals, st.sampled_from([GREEN, "match = close > sma(close, 20)"]), st.booleans())
def test_however_candles_arrive_and_workers_restart_the_signals_are_the_same(seen: list[list[int]], code: str, restarts: bool) -> None:
    expected = candle_by_candle(code)
    trader = Trader(code)
    trader.look(market_when(MARKET, [FIRST] * SYMBOLS, 0))
    reached = [FIRST] * SYMBOLS
    for seq, steps in enumerate([*seen, [CANDLES] * SYMBOLS], start=1):
        reached = [max(before, FIRST + step) for before, step in zip(reached, steps, strict=True)]
        if restarts:
            trader = trader.restarted()
        trader.look(market_when(MARKET, reached, seq))
        assert reached == [place(trader.progress, symbol) for symbol in MARKET.symbols], "each as far as its own candles reach"

    assert expected.signals() == trader.signals()
    assert len(trader.signals()) == sum(not match.initial for match in trader.matches)
    assert set(expected.progress.matching) == set(trader.progress.matching)


def test_what_matches_at_the_first_look_is_initial_and_the_baseline() -> None:
    trader = Trader("match = close > 0")
    found = trader.look(market_when(MARKET, [FIRST] * SYMBOLS, 1))
    after = trader.look(market_when(MARKET, [FIRST + 1] * SYMBOLS, 2))

    assert (found.progress.baseline, found.candles) == (FIRST, 1)
    assert [True] * SYMBOLS == [match.initial for match in found.matches]
    assert (after.matches, after.candles) == ((), 1)


def test_with_nothing_newly_closed_there_is_nothing_to_do() -> None:
    trader = Trader()
    market = market_when(MARKET, [FIRST] * SYMBOLS, 1)
    trader.look(market)

    assert trader.look(market) == Found(progress=trader.progress)


def test_a_late_symbol_is_named_until_it_has_caught_up() -> None:
    trader = Trader()
    trader.look(market_when(MARKET, [FIRST] * SYMBOLS, 1))
    trader.look(market_when(MARKET, [FIRST + 3, *[FIRST + 5] * (SYMBOLS - 1)], 2))
    while_late = trader.progress
    trader.look(market_when(MARKET, [FIRST + 5] * SYMBOLS, 3))

    assert (while_late.evaluated, while_late.behind) == (FIRST + 5, {MARKET.symbols[0]: FIRST + 3})
    assert (trader.progress.evaluated, trader.progress.behind) == (FIRST + 5, {})


def test_a_candle_that_only_some_symbols_have_waits_for_the_others() -> None:
    trader = Trader()
    trader.look(market_when(MARKET, [FIRST] * SYMBOLS, 1))
    some = market_when(MARKET, [FIRST + 2, *[FIRST + 1] * (SYMBOLS - 1)], 2)
    trader.look(some, settling=FIRST + 2)
    settled = trader.progress.evaluated
    trader.look(some)

    assert (settled, trader.progress.evaluated) == (FIRST + 1, FIRST + 2)


def test_while_histories_are_restored_nothing_is_skipped() -> None:
    trader = Trader()
    trader.look(market_when(MARKET, [FIRST] * SYMBOLS, 1))
    lost = market_when(MARKET, [-1, *[FIRST + 4] * (SYMBOLS - 1)], 2)
    found = trader.look(lost, is_restoring=True)
    trader.look(market_when(MARKET, [FIRST + 4] * SYMBOLS, 3))

    assert (found.candles, found.waiting_for) == (0, 1)
    assert {one for one in rises(MARKET) if one[1] <= FIRST + 4} == trader.signals()


def test_a_symbol_that_is_not_ready_keeps_its_state_and_is_counted() -> None:
    frame = MARKET.frame(Interval.M1)
    young = frame.closed_from.copy()
    young[0] = LAST - 10
    market = replace(MARKET, frames={**MARKET.frames, Interval.M1: replace(frame, closed_from=young)})
    name, other = market.symbols[:2]
    progress = Progress(matching=(name, other), baseline=FIRST, evaluated=LAST - 1)
    found = Trader("match = close < 0 and close < sma(close, 50)", progress=progress).look(market)

    assert (found.not_ready, found.processed) == (1, SYMBOLS)
    assert found.progress.matching == (name,), "the one that is ready no longer matches"


def test_of_too_many_matches_those_with_the_greatest_volume_are_kept_and_the_rest_counted() -> None:
    progress = Progress(baseline=FIRST, evaluated=LAST - 1)
    found = Trader("match = close > 0", progress=progress, max_matches=2).look(MARKET)
    frame = MARKET.frame(Interval.M1)
    volumes = frame.columns["quote_volume"][:, history_anchor(LAST) - frame.first_index :].sum(axis=1)
    ranked = [MARKET.symbols[row] for row in np.argsort(-volumes)]

    assert ranked[:2] == [match.symbol for match in found.matches]
    assert found.dropped == SYMBOLS - 2
    assert set(MARKET.symbols) == set(found.progress.matching), "what was dropped is not reported later either"


def test_equal_volumes_are_ordered_by_name() -> None:
    frame = MARKET.frame(Interval.M1)
    columns = {**frame.columns, "quote_volume": np.ones_like(frame.columns["quote_volume"])}
    market = replace(MARKET, frames={**MARKET.frames, Interval.M1: replace(frame, columns=columns)})
    found = Trader("match = close > 0", progress=Progress(baseline=FIRST, evaluated=LAST - 1), max_matches=3).look(market)

    assert sorted(MARKET.symbols)[:3] == [match.symbol for match in found.matches]


def test_a_tick_with_many_matches_comes_back_early_and_the_next_goes_on(monkeypatch) -> None:
    monkeypatch.setattr(newly_closed, "MATCHES_PER_TICK", 3)
    trader, looks = Trader(progress=Progress(baseline=FIRST, evaluated=FIRST)), 0
    complete = market_when(MARKET, [LAST] * SYMBOLS, 1)
    most = 0
    while trader.progress.evaluated != LAST:
        most, looks = max(most, len(trader.look(complete).matches)), looks + 1

    unlimited = Trader(progress=Progress(baseline=FIRST, evaluated=FIRST))
    monkeypatch.setattr(newly_closed, "MATCHES_PER_TICK", 10_000)
    unlimited.look(complete)
    assert looks > 1
    assert most < 3 + SYMBOLS, "at most one candle's matches beyond the limit"
    assert unlimited.signals() == trader.signals()


def test_after_an_outage_longer_than_the_history_kept_the_missed_candles_are_counted() -> None:
    frame = MARKET.frame(Interval.M1)
    first_evaluable = frame.first_index + MINIMUM_HISTORY - 1
    trader = Trader("match = close < 0", progress=Progress(baseline=LAST - 5_000, evaluated=LAST - 3_000))
    found = trader.look(MARKET)

    assert found.missed == first_evaluable - (LAST - 3_000) - 1
    assert found.candles == LAST - first_evaluable + 1
    assert (found.progress.evaluated, found.progress.behind) == (LAST, {})


def test_candles_that_never_existed_are_neither_evaluated_nor_missed() -> None:
    began = LAST - 20
    frame = replace(MARKET.frame(Interval.M1), closed_from=np.full(SYMBOLS, began))
    market = replace(MARKET, frames={**MARKET.frames, Interval.M1: frame})
    found = Trader(progress=Progress(baseline=LAST - 400, evaluated=LAST - 305)).look(market)

    assert (0, 21) == (found.missed, found.candles)
    assert LAST == found.progress.evaluated


def test_a_candle_that_closed_long_ago_is_late() -> None:
    progress = Progress(baseline=FIRST, evaluated=LAST - 1)
    matches = {as_of: Trader("match = close > 0", progress=progress).look(MARKET, as_of=as_of).matches for as_of in (LAST + 1, LAST + 3)}

    assert {LAST + 1: {False}, LAST + 3: {True}} == {as_of: {match.late for match in found} for as_of, found in matches.items()}
    assert {timedelta(minutes=2)} == {match.data_age for match in matches[LAST + 3]}


def test_a_filter_that_reads_a_longer_interval_waits_for_that_candle_to_close() -> None:
    code = 'fives = candles("5m")\nmatch = close > sma(fives.close, 3)'
    index = next(index for index in range(LAST - 10, LAST) if (index + 1) % 5 == 0)
    market = market_when(MARKET, [index] * SYMBOLS, 1)
    open_five = replace(market.frame(Interval.M5), closed_through=np.full(SYMBOLS, index // 5 - 1))
    waiting = replace(market, frames={**market.frames, Interval.M5: open_five})
    trader = Trader(code, progress=Progress(baseline=FIRST, evaluated=index - 1))
    before = trader.look(waiting).candles
    after = trader.look(market).candles

    assert (before, after) == (0, 1)
