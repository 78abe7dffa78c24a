"""Recorded candles as an engine sees them: 5m as they were in July 2024, and longer intervals made of them."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from domain.market import Interval
from tests.unit.filters.memory_market import MemoryFrame, MemorySnapshot

KLINES = Path(__file__).parents[4] / "shared" / "data" / "klines" / "5m_379usdt_2024-07-22_2024-07-30.parquet"
COLUMNS = ("open", "high", "low", "close", "volume")
needs_recorded_candles = pytest.mark.skipif(not KLINES.exists(), reason="the recorded candles are not on this machine")


def recorded_market(symbols: int, *others: Interval) -> MemorySnapshot:
    """The first symbols, by name, that were recorded over the same time."""
    table = pl.read_parquet(KLINES).with_columns(pl.col("symbol").cast(pl.String)).sort("symbol", "open_time")
    counts = table.group_by("symbol").len()
    whole = counts.filter(pl.col("len") == counts["len"].mode()[0])["symbol"].sort().to_list()[:symbols]
    table = table.filter(pl.col("symbol").is_in(whole))
    columns = {name: table[name].to_numpy().reshape(len(whole), -1) for name in COLUMNS}
    columns["quote_volume"] = columns["close"] * columns["volume"]
    first = int(table["open_time"][0] // Interval.M5.milliseconds)
    frames = {Interval.M5: _frame(Interval.M5, columns, first)}
    return MemorySnapshot(tuple(whole), frames | {other: _frame(other, *_joined(columns, first, other)) for other in others})


def _frame(interval: Interval, columns: dict[str, np.ndarray], first_open: int) -> MemoryFrame:
    first = first_open // 256 * 256 - 3 * 256  # a frame always spans whole blocks, whether or not there was anything to keep
    rows, width = columns["close"].shape
    padded = {name: np.concatenate([np.full((rows, first_open - first), np.nan), values], axis=1) for name, values in columns.items()}
    return MemoryFrame(interval, first, padded, np.full(rows, first_open), np.full(rows, first_open + width - 1))


def _joined(columns: dict[str, np.ndarray], first_open: int, other: Interval) -> tuple[dict[str, np.ndarray], int]:
    each = other.milliseconds // Interval.M5.milliseconds
    skip = -first_open % each
    rows = columns["close"].shape[0]
    width = (columns["close"].shape[1] - skip) // each
    grouped = {name: values[:, skip : skip + width * each].reshape(rows, width, each) for name, values in columns.items()}
    longer = {
        "open": grouped["open"][..., 0],
        "high": grouped["high"].max(axis=2),
        "low": grouped["low"].min(axis=2),
        "close": grouped["close"][..., -1],
        "volume": grouped["volume"].sum(axis=2),
        "quote_volume": grouped["quote_volume"].sum(axis=2),
    }
    return longer, (first_open + skip) // each
