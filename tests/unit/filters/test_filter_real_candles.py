"""Filters over real candles, against TA-Lib itself and against themselves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import talib

from domain.filters import FilterSpec
from domain.market import Interval, history_anchor
from filters.evaluation import Evaluator
from filters.expression import compile_filter
from tests.unit.filters.memory_market import MemoryFrame, MemorySnapshot

KLINES = Path(__file__).parents[4] / "shared" / "data" / "klines" / "5m_379usdt_2024-07-22_2024-07-30.parquet"
M5, H1 = Interval.M5, Interval.H1
COLUMNS = ("open", "high", "low", "close", "volume")

pytestmark = pytest.mark.skipif(not KLINES.exists(), reason="the recorded candles are not on this machine")

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
    """Symbols recorded over the same time: 5m as they were, 1h made of them."""
    table = pl.read_parquet(KLINES).with_columns(pl.col("symbol").cast(pl.String)).sort("symbol", "open_time")
    counts = table.group_by("symbol").len()
    whole = counts.filter(pl.col("len") == counts["len"].mode()[0])["symbol"].sort().to_list()[:120]
    table = table.filter(pl.col("symbol").is_in(whole))
    columns = {name: table[name].to_numpy().reshape(len(whole), -1) for name in COLUMNS}
    columns["quote_volume"] = columns["close"] * columns["volume"]
    first_open = int(table["open_time"][0] // M5.milliseconds)
    return MemorySnapshot(tuple(whole), {M5: _frame(M5, columns, first_open), H1: _frame(H1, *_hours(columns, first_open))})


def _frame(interval: Interval, columns: dict[str, np.ndarray], first_open: int) -> MemoryFrame:
    first = first_open // 256 * 256 - 3 * 256  # a frame always spans whole blocks, whether or not there was anything to keep
    rows, width = columns["close"].shape
    padded = {name: np.concatenate([np.full((rows, first_open - first), np.nan), values], axis=1) for name, values in columns.items()}
    return MemoryFrame(interval, first, padded, np.full(rows, first_open), np.full(rows, first_open + width - 1))


def _hours(columns: dict[str, np.ndarray], first_open: int) -> tuple[dict[str, np.ndarray], int]:
    skip = -first_open % 12
    rows = columns["close"].shape[0]
    width = (columns["close"].shape[1] - skip) // 12
    grouped = {name: values[:, skip : skip + width * 12].reshape(rows, width, 12) for name, values in columns.items()}
    hours = {
        "open": grouped["open"][..., 0],
        "high": grouped["high"].max(axis=2),
        "low": grouped["low"].min(axis=2),
        "close": grouped["close"][..., -1],
        "volume": grouped["volume"].sum(axis=2),
        "quote_volume": grouped["quote_volume"].sum(axis=2),
    }
    return hours, (first_open + skip) // 12


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
