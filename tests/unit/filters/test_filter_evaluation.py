"""What an evaluation sees and says: anchored histories, other intervals, unknown values, readiness, shared work."""

from dataclasses import replace

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.filters import FailureKind, FilterFailure, FilterSpec
from domain.market import Interval, history_anchor
from filters.evaluation import Evaluator
from filters.expression import CompiledFilter, compile_filter
from filters.expression.nodes import Column
from filters.history import evaluable_through
from filters.outcome import Evaluation
from tests.unit.filters.memory_market import MemorySnapshot, random_frame, random_market

M1, M5, H1 = Interval.M1, Interval.M5, Interval.H1
LAST = 256 * 23_000 + 130


def compiled(code: str, interval: Interval = M5) -> CompiledFilter:
    return compile_filter(FilterSpec(code=code, interval=interval))


def shown(expression: str, market: MemorySnapshot, index: int = LAST, interval: Interval = M5) -> list[float]:
    """The expression's value per symbol."""
    program = compiled(f'plot("x", {expression})\nmatch = close > 0', interval)
    return Evaluator().evaluate_closed(program, market, index).series["x"].tolist()


def holds(condition: str, market: MemorySnapshot, index: int = LAST) -> list[bool]:
    return Evaluator().evaluate_closed(compiled(f"match = {condition}"), market, index).matched.tolist()


def column(market: MemorySnapshot, interval: Interval, name: str, last: int, row: int = 0) -> np.ndarray:
    """The anchored history that ends with candle `last`."""
    frame = market.frames[interval]
    return frame.columns[name][row, history_anchor(last) - frame.first_index : last + 1 - frame.first_index]


def set_close(market: MemorySnapshot, *newest: float) -> MemorySnapshot:
    """The market with these closes as the newest of its first symbol."""
    market.frames[M5].columns["close"][0, -len(newest) :] = newest
    return market


# Anchors


@pytest.mark.parametrize("back", [0, 130, 131, 132, 386, 387, 388])
def test_recursive_indicator_starts_at_the_anchor_of_its_candle(back: int) -> None:
    market = random_market(M5, LAST)
    index = LAST - back
    frame = market.frames[M5]
    history = frame.columns["close"][0, history_anchor(index) - frame.first_index : index + 1 - frame.first_index]

    assert talib.EMA(history, 200)[-1] == shown("ema(close, 200)", market, index)[0]


def test_other_interval_has_an_anchor_of_its_own() -> None:
    last = 12 * 256 * 1_000 + 12 * 255 + 5
    market = random_market(M5, last, H1)
    evaluator = Evaluator()
    program = compiled('h = candles("1h")\nplot("x", ema(h.close, 200))\nmatch = close > 0')
    for index in range(last - 40, last + 1):
        hour = H1.last_closed_within(M5, index)
        expected = talib.EMA(column(market, H1, "close", hour), 200)[-1]

        assert expected == evaluator.evaluate_closed(program, market, index).series["x"][0]


def test_older_candles_than_the_anchor_change_nothing() -> None:
    market = random_market(M5, LAST, H1)
    program = compiled('match = ema(close, 50) > candles("1h").ema(50)\nplot("x", obv() + cumsum(candles("1h").close))')
    frames = {interval: frame.kept_from(history_anchor(frame.closed_through[0].item())) for interval, frame in market.frames.items()}
    whole, rolled = (Evaluator().evaluate_closed(program, each, LAST) for each in (market, replace(market, frames=frames)))

    assert whole.series["x"].tobytes() == rolled.series["x"].tobytes()
    assert whole.ready.all()
    assert rolled.ready.all()


def test_candle_whose_history_is_no_longer_kept_is_not_ready() -> None:
    market = random_market(M5, LAST)
    market = replace(market, frames={M5: market.frames[M5].kept_from(history_anchor(LAST) + 256)})

    assert not Evaluator().evaluate_closed(compiled("match = close > 0"), market, LAST).ready.any()


# Other intervals


def test_base_candle_sees_the_newest_hour_that_had_closed() -> None:
    market = random_market(M5, LAST, H1)
    frame = market.frames[H1]
    for index in range(LAST - 30, LAST + 1):
        hour = ((index + 1) * 5) // 60 - 1

        assert frame.columns["close"][0, hour - frame.first_index] == shown('candles("1h").close', market, index)[0]


def test_history_of_another_interval_counts_its_own_candles() -> None:
    market = random_market(M5, LAST, H1)
    frame = market.frames[H1]
    hour = H1.last_closed_within(M5, LAST)

    assert frame.columns["close"][0, hour - 2 - frame.first_index] == shown('candles("1h").close[2]', market)[0]
    assert talib.RSI(column(market, H1, "close", hour), 14)[-1] == shown('rsi(candles("1h").close, 14)', market)[0]
    assert shown('candles("1h").atr(14)', market) == shown("atr(h.high, h.low, h.close, 14)".replace("h.", 'candles("1h").'), market)


def test_lower_interval_shows_its_last_candle_within_the_base_candle() -> None:
    last = 256 * 2_000 + 100
    market = random_market(H1, last, M5)
    frame = market.frames[M5]

    assert frame.columns["close"][0, last * 12 + 11 - frame.first_index] == shown('candles("5m").close', market, last, H1)[0]


def test_combined_intervals_meet_on_the_traders_candles() -> None:
    market = random_market(M5, LAST, H1, Interval.M15)
    base = column(market, M5, "close", LAST)
    hourly = market.frames[H1]
    seen = [
        hourly.columns["close"][0, H1.last_closed_within(M5, index) - hourly.first_index] for index in range(history_anchor(LAST), LAST + 1)
    ]

    assert talib.SMA(base / np.array(seen), 20)[-1] == shown('sma(close / candles("1h").close, 20)', market)[0]
    quarter = market.frames[Interval.M15]
    last_quarter = Interval.M15.last_closed_within(M5, LAST)
    difference = quarter.columns["close"][0, last_quarter - quarter.first_index] - seen[-1]
    assert difference == shown('candles("15m").close - candles("1h").close', market)[0]


# The language's own functions against plain loops


def naive(expression: str, closes: list[float], opens: list[float]) -> float:
    ups = [close > opened for close, opened in zip(closes, opens, strict=True)]
    found = {
        "highest(close, 7)": lambda: max(closes[-7:]),
        "lowest(close, 13)": lambda: min(closes[-13:]),
        "highest(close, 20)[1]": lambda: max(closes[-21:-1]),
        "count(close > open, 30)": lambda: sum(ups[-30:]),
        "change(close, 3)": lambda: closes[-1] - closes[-4],
        "percent_change(close)": lambda: (closes[-1] - closes[-2]) / closes[-2] * 100,
        "bars_since(close > open)": lambda: ups[::-1].index(True),
        "value_when(close > open, close)": lambda: closes[len(ups) - 1 - ups[::-1].index(True)],
        "sma(highest(close, 7), 5)": lambda: talib.SMA(
            np.array([np.nan] * 6 + [max(closes[k - 6 : k + 1]) for k in range(6, len(closes))]), 5
        )[-1],
        "max(close, open, 101)": lambda: max(closes[-1], opens[-1], 101),
        "abs(close - open)": lambda: abs(closes[-1] - opens[-1]),
        "round(close, 1)": lambda: round(closes[-1], 1),
        "close % 7": lambda: closes[-1] % 7,
        "-close ** 2": lambda: -(closes[-1] ** 2),
    }
    return float(found[expression]())


NAIVE = [
    "highest(close, 7)",
    "lowest(close, 13)",
    "highest(close, 20)[1]",
    "count(close > open, 30)",
    "change(close, 3)",
    "percent_change(close)",
    "bars_since(close > open)",
    "value_when(close > open, close)",
    "sma(highest(close, 7), 5)",
    "max(close, open, 101)",
    "abs(close - open)",
    "round(close, 1)",
    "close % 7",
    "-close ** 2",
]


@pytest.mark.parametrize("expression", NAIVE)
def test_function_agrees_with_a_plain_loop(expression: str) -> None:
    market = random_market(M5, LAST)
    closes, opens = (column(market, M5, name, LAST, row=2).tolist() for name in ("close", "open"))

    assert naive(expression, closes, opens) == shown(expression, market)[2]


@pytest.mark.parametrize(
    ("newest", "condition", "expected"),
    [
        ((9, 11), "crosses_above(close, 10)", True),
        ((10, 11), "crosses_above(close, 10)", True),
        ((11, 12), "crosses_above(close, 10)", False),
        ((11, 9), "crosses_below(close, 10)", True),
        ((9, 8), "crosses_below(close, 10)", False),
        ((1, 2, 3), "rising(close, 2)", True),
        ((1, 3, 3), "rising(close, 2)", False),
        ((3, 2, 1), "falling(close, 2)", True),
        ((5,), "between(close, 5, 6)", True),
        ((5,), "4 < close < 5", False),
        ((5,), "4 < close <= 5 < volume + 10", True),
        ((5, 1, 1), "any_of(close > 4, 3)", True),
        ((5, 1, 1), "any_of(close > 4, 2)", False),
        ((5, 5, 1), "all_of(close > 4, 2)[1]", True),
        ((5,), "not close > 6 and (close == 5 or close == 7)", True),
    ],
)
def test_condition_of_known_candles(newest: tuple[float, ...], condition: str, expected: bool) -> None:
    assert expected == holds(condition, set_close(random_market(M5, LAST), *newest))[0]


# Unknown values


@pytest.mark.parametrize(
    "condition",
    [
        "x > 1",
        "not x > 1",
        "x != 1",
        "not x == 1",
        "x < 1 or x >= 1",
        "not (x > 1 and close > 0)",
        "all_of(x > 1, 2)",
        "not any_of(x > 1, 2)",
        "count(x > 1, 3) == 0",
        "bars_since(x > 1) >= 0",
        "x[1] + 1 > 0",
        "max(x, close) > 0",
        "highest(x, 2) > 0",
        "sma(x, 2) > 0",
        "between(x, 0, 1)",
        "log(x) > 0",
        "abs(x) >= 0",
    ],
)
def test_value_that_does_not_exist_never_matches(condition: str) -> None:
    program = compiled(f"x = close / (close - close)\nmatch = {condition}")

    assert not Evaluator().evaluate_closed(program, random_market(M5, LAST), LAST).matched.any()


def test_unknown_condition_leaves_a_decided_one_decided() -> None:
    market = random_market(M5, LAST)

    assert all(holds("close > 0 or close / 0 / close > 1".replace("/ 0", "/ (close - close)"), market))
    assert all(holds("nz(close / (close - close), 3) == 3", market))
    assert all(holds("not (close < 0 and close / (close - close) > 1)", market))


def test_values_leave_out_what_is_not_finite() -> None:
    program = compiled('plot("none", 1 / (close - close))\nplot("some", close)\nscore = 5\nmatch = close > 0\ncondition("up", close > 0)')
    market = random_market(M5, LAST)
    evaluation = Evaluator().evaluate_closed(program, market, LAST)

    assert {"some": float(market.frames[M5].columns["close"][1, -1]), "score": 5.0} == evaluation.values(1)
    assert evaluation.conditions(1) == ("up",)
    assert evaluation.condition_counts(np.arange(6)) == {"up": 6}


# Readiness


@pytest.mark.parametrize(
    ("expression", "interval", "required"),
    [
        ("close", M5, {M5: 1}),
        ("close[3]", M5, {M5: 4}),
        ("sma(close, 20)[1] + ema(close, 5)", M5, {M5: 21}),
        ("highest(sma(close, 20), 5)", M5, {M5: 24}),
        ('candles("1h").close[3]', M5, {M5: 1, H1: 4}),
        ('(close - candles("1h").close)[1]', M5, {M5: 2, H1: 2}),
        ('(close - candles("1h").close)[12]', M5, {M5: 13, H1: 2}),
        ('(close - candles("1h").close)[13]', M5, {M5: 14, H1: 3}),
        ('sma(close - candles("5m").close, 3)', H1, {H1: 3, M5: 25}),
        ('rsi(candles("1h").close, 14) + candles("15m").adx(14)', M5, {M5: 1, Interval.M15: 28, H1: 15}),
    ],
)
def test_required_history_per_interval(expression: str, interval: Interval, required: dict[Interval, int]) -> None:
    assert required == compiled(f"match = {expression} > 0", interval).required


def test_symbol_that_is_behind_young_or_incomplete_is_not_ready() -> None:
    market = random_market(M5, LAST)
    frame = market.frames[M5]
    frame.closed_through[1] = LAST - 1
    frame.closed_through[2] = -1
    frame.closed_from[3] = LAST - 18
    frame.closed_from[4] = LAST - 19
    program = compiled('match = sma(close, 20) > 0\ncondition("up", close > 0)\nplot("x", close)')
    evaluation = Evaluator().evaluate_closed(program, market, LAST)

    assert evaluation.ready.tolist() == [True, False, False, False, True, True]
    assert evaluation.ready.tolist() == evaluation.matched.tolist()
    assert evaluation.condition_counts(np.arange(6)) == {"up": 3}
    assert (evaluation.conditions(1), evaluation.values(1)) == ((), {})


def test_symbol_waits_for_the_other_interval() -> None:
    last = LAST - LAST % 12 + 11
    market = random_market(M5, last, H1)
    market.frames[H1].closed_through[0] -= 1
    market.frames[H1].closed_through[1] = -1
    program = compiled('match = close > candles("1h").close')

    assert [last - 1, -1, last, last, last, last] == evaluable_through(program, market).tolist()
    assert Evaluator().evaluate_closed(program, market, last).ready.tolist() == [False, False, True, True, True, True]
    assert Evaluator().evaluate_closed(program, market, last - 1).ready.tolist() == [True, False, True, True, True, True]


@pytest.mark.parametrize(("base", "other"), [(M5, H1), (H1, M5), (M1, Interval.D1), (Interval.D1, Interval.M15)])
def test_evaluable_through_is_the_last_candle_whose_other_interval_has_closed(base: Interval, other: Interval) -> None:
    last = 256 * 900 + 77
    market = random_market(base, last, other)
    closed = market.frames[other].closed_through
    closed -= np.array([0, 1, 2, 3, 30, 0])
    through = evaluable_through(compiled(f'match = close > candles("{other}").close', base), market)

    for row in range(6):
        assert other.last_closed_within(base, int(through[row])) <= closed[row]
        assert through[row] == last or other.last_closed_within(base, int(through[row]) + 1) > closed[row]


def test_quote_volume_sums_24_hours_of_candles() -> None:
    market = random_market(M5, LAST)
    evaluation = Evaluator().evaluate_closed(compiled("match = close > 0"), market, LAST)

    assert market.frames[M5].columns["quote_volume"][:, -288:].sum(axis=1) == pytest.approx(evaluation.quote_volume_24h)


# The forming candle

NOW = LAST * M5.milliseconds + 1_000
"""The exchange's clock while candle LAST forms."""


def _with_forming_candle(market: MemorySnapshot, *intervals: Interval) -> MemorySnapshot:
    frames = {
        interval: replace(frame, closed_through=frame.closed_through - 1) if interval in intervals else frame
        for interval, frame in market.frames.items()
    }
    return replace(market, frames=frames)


def test_tick_trader_sees_the_forming_candles_as_the_last_ones() -> None:
    market = random_market(M5, LAST)
    hourly = random_frame(H1, 256 * (LAST // 12 // 256 - 4), 6, LAST // 12 - 256 * (LAST // 12 // 256 - 4) + 1, seed=5)
    market = _with_forming_candle(replace(market, frames={**market.frames, H1: hourly}), M5, H1)
    program = compiled('h = candles("1h")\nplot("x", ema(close, 50))\nplot("h", h.close)\nplot("rsi", rsi(h.close))\nmatch = close > 0')
    evaluation = Evaluator().evaluate_forming(program, market, NOW)

    assert evaluation.ready.all()
    assert talib.EMA(column(market, M5, "close", LAST), 50)[-1] == evaluation.series["x"][0]
    assert hourly.columns["close"][0, -1] == evaluation.series["h"][0]
    assert talib.RSI(column(market, H1, "close", LAST // 12), 14)[-1] == evaluation.series["rsi"][0]


def test_forming_candle_is_computed_anew_for_every_snapshot_and_leaves_closed_ones_alone() -> None:
    market = _with_forming_candle(random_market(M5, LAST), M5)
    program = compiled('plot("x", ema(close, 20))\nmatch = close > 0')
    evaluator = Evaluator()
    first = evaluator.evaluate_forming(program, market, NOW)
    closed = evaluator.evaluate_closed(program, market, LAST - 1).series["x"].tobytes()
    market.frames[M5].columns["close"][:, -1] *= 2
    second = evaluator.evaluate_forming(program, replace(market, seq=2), NOW)

    assert (second.series["x"] > first.series["x"]).all()
    assert second is evaluator.evaluate_forming(program, replace(market, seq=2), NOW)
    assert closed == evaluator.evaluate_closed(program, replace(market, seq=2), LAST - 1).series["x"].tobytes()


def test_symbol_without_a_forming_candle_is_not_ready() -> None:
    market = _with_forming_candle(random_market(M5, LAST), M5)
    for values in market.frames[M5].columns.values():
        values[3, -1] = np.nan

    assert np.flatnonzero(~Evaluator().evaluate_forming(compiled("match = close > 0"), market, NOW).ready).tolist() == [3]


def test_the_forming_candle_is_that_of_the_clock_and_not_the_last_column_of_the_window() -> None:
    market = _with_forming_candle(random_market(M5, LAST), M5)
    frame = market.frames[M5]
    wider = {name: np.pad(values, ((0, 0), (0, 100)), constant_values=np.nan) for name, values in frame.columns.items()}
    program = compiled('plot("x", close)\nmatch = close > 0')
    evaluation = Evaluator().evaluate_forming(program, replace(market, frames={**market.frames, M5: replace(frame, columns=wider)}), NOW)

    assert evaluation.ready.all()
    assert frame.columns["close"][0, -1] == evaluation.series["x"][0]


def test_before_the_window_has_the_forming_candle_nothing_is_ready() -> None:
    market = random_market(M5, LAST)

    assert not Evaluator().evaluate_forming(compiled("match = close > 0"), market, NOW + M5.milliseconds).ready.any()


def test_ticker_is_read_anew_for_every_snapshot() -> None:
    market = random_market(M5, LAST)
    program = compiled('plot("x", ticker.last * 2)\nmatch = ticker.last > -100')
    evaluator = Evaluator()
    first = evaluator.evaluate_closed(program, market, LAST)
    market.tickers.columns["last"][:] = 7.0
    second = evaluator.evaluate_closed(program, replace(market, seq=2), LAST)

    assert 14.0 == second.values(0)["x"] != first.values(0)["x"]


# Shared work


def test_identical_filters_are_evaluated_once_however_they_are_written() -> None:
    market = random_market(M5, LAST)
    evaluator = Evaluator()
    first = compiled("fast = ema(close, 9)\nmatch = fast > 3")
    second = compiled("# the same\nquick = ema( close, timeperiod = 9 )\n\nmatch = (3 < quick)")

    assert first.key == second.key
    assert evaluator.evaluate_closed(first, market, LAST) is evaluator.evaluate_closed(second, market, LAST)


@pytest.mark.parametrize(
    "code",
    [
        "match = ema(close, 10) > 3",
        "match = ema(close, 9) >= 3",
        'match = ema(close, 9) > 3\nplot("a", close)',
        'match = ema(close, 9) > 3\ncondition("a", close > 1)',
        "match = ema(close[1], 9) > 3",
    ],
)
def test_different_filters_have_different_keys(code: str) -> None:
    assert compiled("match = ema(close, 9) > 3").key != compiled(code).key
    assert compiled(code).key != compiled(code, H1).key


def test_corrected_candle_is_seen_under_its_new_version() -> None:
    market = random_market(M5, LAST)
    program = compiled('plot("x", sma(close, 3))\nmatch = close > 0')
    evaluator = Evaluator()
    evaluator.evaluate_closed(program, market, LAST)
    frame = market.frames[M5]
    frame.columns["close"][0, -1] = 1_000_000
    corrected = replace(market, frames={M5: replace(frame, version=2)})

    assert evaluator.evaluate_closed(program, corrected, LAST).series["x"][0] > 300_000


def test_appended_symbol_is_evaluated_without_a_new_version() -> None:
    evaluator = Evaluator()
    program = compiled('plot("x", sma(close, 3))\nmatch = close > 0')
    few, many = (random_market(M5, LAST, rows=rows) for rows in (6, 7))
    evaluator.evaluate_closed(program, few, LAST)

    assert len(evaluator.evaluate_closed(program, many, LAST).matched) == 7


def test_column_serves_every_candle_of_its_block() -> None:
    market = random_market(M5, LAST)
    program = compiled("match = ema(close, 20) > rsi(close, 14)")
    calls = 0
    node = next(argument for argument in program.match.arguments if isinstance(argument, Column))
    compute = node.function.compute

    def counted(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        return compute(*arguments)

    object.__setattr__(node.function, "compute", counted)
    try:
        evaluator = Evaluator()
        for index in range(LAST - 300, LAST + 1):
            evaluator.evaluate_closed(program, market, index)
    finally:
        object.__setattr__(node.function, "compute", compute)

    assert len({history_anchor(index) for index in range(LAST - 300, LAST + 1)}) == calls


def test_memory_stays_within_its_bounds_and_results_stay_right() -> None:
    market = random_market(M5, LAST)
    evaluator = Evaluator(column_bytes=100_000, moment_bytes=20_000)
    for period in range(2, 60):
        program = compiled(f'plot("x", ema(close, {period}))\nmatch = close > 0')
        evaluation = evaluator.evaluate_closed(program, market, LAST - period)
        assert talib.EMA(column(market, M5, "close", LAST - period), period)[-1] == evaluation.series["x"][0]

        assert evaluator._columns.size <= 100_000
        assert evaluator._shelves.size <= 20_000


def test_superseded_data_is_forgotten() -> None:
    market = random_market(M5, LAST)
    evaluator = Evaluator()
    for version in range(5):
        frames = {M5: replace(market.frames[M5], version=version)}
        evaluator.evaluate_closed(compiled("match = ema(close, 9) > sma(close, 9)"), replace(market, frames=frames), LAST)

    whole, newest = 2, 2
    assert (whole + newest, 1) == (len(evaluator._columns), len(evaluator._shelves))


@pytest.mark.parametrize("back", [0, 1, 31, 32, 33, 200])
def test_a_value_is_the_same_from_a_whole_column_and_from_its_newest_candles(back: int) -> None:
    market = random_market(M5, LAST)
    evaluator = Evaluator()
    value, window = f"rsi(close, 14)[{back}]", f"lowest(rsi(close, 14), {back + 1})"
    evaluation = evaluator.evaluate_closed(compiled(f'plot("value", {value})\nplot("window", {window})\nmatch = close > 0'), market, LAST)
    expected = talib.RSI(column(market, M5, "close", LAST), 14)

    assert expected[-1 - back] == evaluation.series["value"][0]
    assert expected[-1 - back :].min() == evaluation.series["window"][0]


def test_the_forming_candle_moves_on_also_where_nothing_was_received_since() -> None:
    market = random_market(M5, LAST)
    program = compiled('plot("x", ema(close, 9))\nmatch = close > 0')
    evaluator = Evaluator()
    for index in (LAST - 1, LAST):
        evaluation = evaluator.evaluate_forming(program, market, index * M5.milliseconds)

        assert talib.EMA(column(market, M5, "close", index), 9)[-1] == evaluation.series["x"][0]


def test_a_function_that_fails_fails_for_every_symbol_and_names_the_line() -> None:
    program = compiled("x = close\nmatch = ema(x, 9) > 1")
    node = next(argument for argument in program.match.arguments if isinstance(argument, Column))

    def fail(*_: object) -> None:
        raise ValueError("out of paper")

    broken = replace(node, function=replace(node.function, compute=fail))
    program = replace(program, match=replace(program.match, arguments=(broken, *program.match.arguments[1:])))
    evaluation = Evaluator().evaluate_closed(program, random_market(M5, LAST), LAST)

    failure = FilterFailure(kind=FailureKind.RUNTIME, message="ema: out of paper", line=2, symbols=6)
    assert (failure,) == evaluation.failures
    assert evaluation.failed.all()
    assert not evaluation.matched.any()


# Live, catch-up and restart agree

PROGRAM = """
hourly = candles("1h")
quarter = candles("15m")
ratio = close / hourly.ema(20)
condition("cross", crosses_above(ema(close, 9), ema(close, 21)))
condition("trend", hourly.close > ema(hourly.close, 50) and quarter.adx(14) > 20)
condition("since", bars_since(close > hourly.high) > 3)
plot("power", (close / open) ** 1.7 + log(volume))
plot("mixed", rsi(ratio, 14) + highest(quarter.close - hourly.close, 9))
plot("macd", macd(hlc3).histogram)
plot("when", value_when(engulfing() > 0, volume / quarter.volume))
score = sma(nz(percent_change(close, 3)), 5) % 3
match = close > sma(close, 20) or rising(close, 3)
"""


def _same(left: Evaluation, right: Evaluation) -> bool:
    rows = left.ready
    arrays = zip(
        [left.ready, left.matched, *left.labelled.values(), *left.series.values()],
        [right.ready, right.matched, *right.labelled.values(), *right.series.values()],
        strict=True,
    )
    return all(one[rows].tobytes() == other[rows].tobytes() for one, other in arrays)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    offset=st.integers(0, 3_000),
    young=st.integers(0, 700),
    rows=st.integers(1, 9),
    order=st.permutations([0, 1, 2, 5, 12, 13, 60, 131, 240]),
)
def test_live_catch_up_and_restart_agree_to_the_last_bit(seed: int, offset: int, young: int, rows: int, order: list[int]) -> None:
    last = 256 * 23_000 + offset
    market = random_market(M5, last, H1, Interval.M15, rows=rows, seed=seed)
    market.frames[M5].closed_from[0] = last - young
    market.frames[H1].closed_from[0] = (last - young) // 12
    market.frames[Interval.M15].closed_from[0] = (last - young) // 3
    program = compiled(PROGRAM)
    living, catching_up = Evaluator(), Evaluator()
    live = {}
    for version, back in enumerate(sorted(order, reverse=True)):
        then = market.at_close(M5, last - back)
        then = replace(then, frames={interval: replace(frame, version=version) for interval, frame in then.frames.items()})
        live[back] = living.evaluate_closed(program, then, last - back)

    for back in order:
        assert _same(live[back], catching_up.evaluate_closed(program, market, last - back))
        assert _same(live[back], Evaluator().evaluate_closed(program, market, last - back))


def test_a_forming_candle_has_the_same_values_whatever_was_computed_for_it_before() -> None:
    """Indicators are computed anew for the symbols that moved only; nothing of that may be seen."""
    program = compiled(
        'h = candles("1h")\nplot("a", rsi(close, 14) + adx(14))\nplot("b", sma(obv(), 20) + ema(hlc3, 9)[1])\n'
        'plot("c", macd(close).histogram - lowest(atr(14), 5))\nplot("d", h.ema(9) + ema(close, 9) - engulfing())\nmatch = close > h.close'
    )
    market = random_market(M5, LAST, H1)
    hour = H1.last_closed_within(M5, LAST) + 1
    random = np.random.default_rng(3)
    for frame, last in ((market.frames[M5], LAST), (market.frames[H1], hour)):
        frame.closed_through[:] = last - 1
        for name, values in frame.columns.items():
            frame.columns[name] = np.concatenate([values, values[:, -1:]], axis=1)[:, : last + 1 - frame.first_index]
    evaluator = Evaluator()
    for seq in range(2, 40):
        moved = random.integers(0, 6, size=seq % 4)
        frames = market.frames.values() if seq % 2 else [market.frames[M5]]
        for frame in frames:
            for values in frame.columns.values():
                values[moved, -1] *= random.normal(loc=1, scale=0.01, size=len(moved))
        if seq == 20:
            market.frames[M5].columns["close"][2, -1] = np.nan
        now = replace(market, seq=seq)
        kept, fresh = (each.evaluate_forming(program, now, LAST * M5.milliseconds) for each in (evaluator, Evaluator()))

        assert fresh.ready.any()
        assert [fresh.series[name].tobytes() for name in "abcd"] == [kept.series[name].tobytes() for name in "abcd"]
        assert fresh.matched.tolist() == kept.matched.tolist()
