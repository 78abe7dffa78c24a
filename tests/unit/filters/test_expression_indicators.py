"""What indicators read: which candles, which day, which interval."""

import json
from pathlib import Path

import numpy as np
import pytest
import talib

from domain.errors import FilterRefusedError
from domain.filters import FilterSpec
from domain.market import Interval, history_anchor
from filters.evaluation import Evaluator
from filters.expression import compile_filter
from tests.unit.filters import naive_indicators as naive
from tests.unit.filters.memory_market import MemorySnapshot, random_market

M5, H1, D1 = Interval.M5, Interval.H1, Interval.D1
LAST = 288 * 20_000 + 130
GOLDEN = Path(__file__).parents[4] / "shared" / "data" / "golden" / "javascript_helpers.json"


def shown(expression: str, market: MemorySnapshot, index: int = LAST, interval: Interval = M5) -> list[float]:
    program = compile_filter(FilterSpec(code=f'plot("x", {expression})\nmatch = close > 0', interval=interval))
    return Evaluator().evaluate_closed(program, market, index).series["x"].tolist()


def holds(condition: str, market: MemorySnapshot, index: int) -> bool:
    return bool(Evaluator().evaluate_closed(compile_filter(FilterSpec(code=f"match = {condition}", interval=M5)), market, index).matched[0])


@pytest.fixture
def market() -> MemorySnapshot:
    return random_market(M5, LAST, H1, D1)


def test_levels_of_the_day_change_with_the_candle_that_ends_it(market: MemorySnapshot) -> None:
    midnight = 288 * 20_000
    levels = [shown("classic_pivots().pivot", market, index)[0] for index in (midnight - 2, midnight - 1, midnight, LAST)]
    frame = market.frames[D1]
    day = midnight // 288 - 1 - frame.first_index
    closed, before = (float(sum(frame.columns[name][0, place] for name in ("high", "low", "close")) / 3) for place in (day, day - 1))

    np.testing.assert_allclose(levels, [before, closed, closed, closed], rtol=1e-12)


def test_a_trader_of_days_looks_at_each_by_the_levels_of_the_day_before(market: MemorySnapshot) -> None:
    last = int(market.frames[D1].closed_through[0])
    high, low, close = (market.frames[D1].columns[name][0, -2] for name in ("high", "low", "close"))

    assert [pytest.approx(2 * (high + low + close) / 3 - low)] == shown("classic_pivots().r1", market, last, D1)[:1]


def test_a_series_of_another_interval_is_read_with_the_prices_of_that_interval(market: MemorySnapshot) -> None:
    frame = market.frames[H1]
    last = int(frame.closed_through[0])
    begin = history_anchor(last) - frame.first_index
    expected = talib.VWMA(frame.columns["close"][0, begin:], frame.columns["volume"][0, begin:], 20)[-1]

    assert expected == shown('vwma(candles("1h").close, 20)', market)[0]


def test_crossing_a_line_of_another_interval_compares_the_traders_own_candles() -> None:
    market = random_market(M5, LAST, H1)
    seen = H1.last_closed_within(M5, LAST)
    line = market.frames[H1].columns["close"]
    line[:, seen - market.frames[H1].first_index - 1] = 1  # an hour ago the line was elsewhere
    line[:, seen - market.frames[H1].first_index] = 100
    market.frames[M5].columns["close"][0, -2:] = [99, 101]

    assert H1.last_closed_within(M5, LAST - 1) == seen
    assert holds('crosses_above(close, candles("1h").close)', market, LAST)


def test_sessions_begin_on_the_clock_and_not_with_the_history(market: MemorySnapshot) -> None:
    midnight = 288 * 20_000
    typical = [sum(market.frames[M5].columns[name][0, midnight - LAST - 1] for name in ("high", "low", "close")) / 3]

    assert pytest.approx(typical) == shown("vwap()", market, midnight)[:1]
    assert shown("vwap(hours=4)", market, midnight + 47) == shown("vwap()", market, midnight + 47)
    assert shown("vwap(hours=4)", market, midnight + 48) != shown("vwap()", market, midnight + 48)


def test_candles_of_another_interval_have_the_functions_of_their_prices(market: MemorySnapshot) -> None:
    assert shown('candles("1h").vwap(hours=12)', market) != shown("vwap(hours=12)", market)
    assert shown('candles("1h").heikin_ashi().close', market) == shown('candles("1h").ha().close', market)


@pytest.mark.parametrize("call", ["classic_pivots()", "divergence(close).bullish"])
def test_what_reads_no_prices_of_the_interval_is_no_function_of_candles(call: str) -> None:
    with pytest.raises(FilterRefusedError, match="is not a function of candles"):
        compile_filter(FilterSpec(code=f'match = candles("1h").{call} > 0', interval=M5))


@pytest.mark.skipif(not GOLDEN.exists(), reason="the recorded answers of the browser's library are not on this machine")
def test_volume_nodes_are_the_browsers() -> None:
    golden = json.loads(GOLDEN.read_text())
    standard = {"bins": 30, "threshold": 70, "lookback": 250, "minStrength": 50}
    cases = [(case, standard | dict(*case["args"])) for case in golden["cases"] if case["fn"] == "calculateHighVolumeNodes"]
    compared = [
        (case, options)
        for case, options in cases
        if case["r"] and options["threshold"] < 100 and "peakTolerance" not in options and case["set"] != "nanClose60"
    ]
    for case, options in compared:
        klines = golden["sets"][case["set"]]
        columns = {
            name: [float(kline[place]) for kline in klines] for place, name in enumerate(("open", "high", "low", "close", "volume"), 1)
        }
        count = min(options["lookback"], len(klines))
        found = naive.volume_nodes(columns, count, options["bins"], options["threshold"], options["minStrength"])
        prices = [node["price"] for node in case["r"]]
        close = columns["close"][-1]

        assert pytest.approx(prices[0], rel=1e-9) == found["strongest"]
        assert pytest.approx(min(abs(price - close) for price in prices) / close * 100, abs=1e-9) == found["distance"]

    assert len(compared) > 3
