"""Filters over real candles, against TA-Lib itself and against themselves."""

from dataclasses import replace

import pytest
import talib

from domain.filters import FilterSpec
from domain.market import Interval, history_anchor
from filters.evaluation import Evaluator
from filters.expression import compile_filter
from tests.unit.filters.memory_market import MemorySnapshot
from tests.unit.filters.recorded_market import needs_recorded_candles, recorded_market

M5, H1 = Interval.M5, Interval.H1

pytestmark = needs_recorded_candles

GOLDEN_CROSS = """
hourly = candles("1h")
condition("cross", crosses_above(sma(close, 50), sma(close, 200)))
condition("trend", hourly.close > ema(hourly.close, 20))
match = crosses_above(sma(close, 50), sma(close, 200)) and hourly.close > ema(hourly.close, 20)
plot("rsi", rsi(close, 14))
plot("hourly", rsi(hourly.close, 14))
"""


@pytest.fixture(scope="module")
def market() -> MemorySnapshot:
    return recorded_market(120, H1)


def test_matches_are_those_talib_gives(market: MemorySnapshot) -> None:
    compiled = compile_filter(FilterSpec(code=GOLDEN_CROSS, interval=M5))
    evaluator, frame = Evaluator(), market.frames[M5]
    last = int(frame.closed_through[0])
    crosses = 0
    for index in range(last - 300, last + 1):
        evaluation = evaluator.evaluate_closed(compiled, market, index)
        assert evaluation.ready.all()
        begin = history_anchor(index) - frame.first_index
        for row in range(0, len(market.symbols), 10):
            closes = frame.columns["close"][row, begin : index + 1 - frame.first_index]
            fast, slow = talib.SMA(closes, 50), talib.SMA(closes, 200)
            expected = bool(fast[-1] > slow[-1] and fast[-2] <= slow[-2])
            crosses += expected

            assert expected == ("cross" in evaluation.conditions(row))
            assert talib.RSI(closes, 14)[-1] == evaluation.values(row)["rsi"]

    assert crosses > 0


def test_live_and_catch_up_agree_on_real_candles(market: MemorySnapshot) -> None:
    compiled = compile_filter(FilterSpec(code=GOLDEN_CROSS, interval=M5))
    last = int(market.frames[M5].closed_through[0])
    live, catching_up = Evaluator(), Evaluator()
    for version, index in enumerate(range(last - 30, last + 1)):
        then = market.at_close(M5, index)
        then = replace(then, frames={interval: replace(frame, version=version) for interval, frame in then.frames.items()})
        now, later = live.evaluate_closed(compiled, then, index), catching_up.evaluate_closed(compiled, market, index)

        assert now.matched.tolist() == later.matched.tolist()
        assert all(now.series[name].tobytes() == later.series[name].tobytes() for name in compiled.series)
