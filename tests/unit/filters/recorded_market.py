"""Recorded candles as an engine sees them: 5m as they were in July 2024, and longer intervals made of them."""

import numpy as np
import pytest

from domain.market import Interval
from tests.recorded_candles import JULY_2024, NO_RECORD, RecordedCandles, read_recorded
from tests.unit.filters.memory_market import MemoryFrame, MemorySnapshot

needs_recorded_candles = pytest.mark.skipif(not JULY_2024.exists(), reason=NO_RECORD)


def recorded_market(symbols: int, *others: Interval) -> MemorySnapshot:
    """The first symbols, by name, that were recorded over the same time."""
    candles = read_recorded(JULY_2024, Interval.M5, symbols)
    return MemorySnapshot(candles.symbols, {each.interval: _frame(each) for each in (candles, *map(candles.joined, others))})


def _frame(candles: RecordedCandles) -> MemoryFrame:
    begin = candles.first_index
    first = begin // 256 * 256 - 3 * 256  # a frame always spans whole blocks, whether or not there was anything to keep
    rows, width = candles.columns["close"].shape
    padded = {name: np.concatenate([np.full((rows, begin - first), np.nan), values], axis=1) for name, values in candles.columns.items()}
    return MemoryFrame(candles.interval, first, padded, np.full(rows, begin), np.full(rows, begin + width - 1))
