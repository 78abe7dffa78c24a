"""Recorded candles as an engine sees them: 5m as they were in July 2024, and longer intervals made of them."""

import numpy as np
import pytest

from domain.market import Interval
from tests.recorded_candles import JULY_2024, NO_RECORD, read_recorded
from tests.unit.filters.memory_market import MemoryFrame, MemorySnapshot

needs_recorded_candles = pytest.mark.skipif(not JULY_2024.exists(), reason=NO_RECORD)


def recorded_market(symbols: int, *others: Interval) -> MemorySnapshot:
    """The first symbols, by name, that were recorded over the same time."""
    candles = read_recorded(JULY_2024, Interval.M5, symbols)
    first, columns = candles.first_index, candles.columns
    frames = {Interval.M5: _frame(Interval.M5, columns, first)}
    return MemorySnapshot(candles.symbols, frames | {other: _frame(other, *_joined(columns, first, other)) for other in others})


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
