"""The average true range at past signals, as the expression language computes it."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from domain.filters import FilterSpec
from filters.expression import compile_filter
from filters.preview.expression_steps import expression_steps
from filters.preview.past_candles import PastCandles
from filters.preview.signals import SignalTable

ATR_CANDLES = 14
_NAME = "atr"
_CODE = f'plot("{_NAME}", atr({ATR_CANDLES}))\nmatch = close > 0'


def true_ranges(signals: SignalTable, candles: PastCandles) -> NDArray[np.float64]:
    """Of each signal, at its candle; NaN where the history is too short."""
    found = np.full(len(signals), np.nan)
    if not len(signals):
        return found
    base = replace(candles.of(signals.interval), known_from=0)
    compiled = compile_filter(FilterSpec(code=_CODE, interval=signals.interval))
    past = replace(candles, intervals={signals.interval: base})
    rows_at = np.full(len(candles.symbols), -1)
    for step in expression_steps(compiled, past, int(signals.indices[0]), int(signals.indices[-1])):
        rows_at[:] = -1
        rows_at[step.rows] = np.arange(len(step.rows))
        last = step.first + step.outcome.shape[1] - 1
        inside = np.flatnonzero((signals.indices >= step.first) & (signals.indices <= last) & (rows_at[signals.rows] >= 0))
        cells = rows_at[signals.rows[inside]], signals.indices[inside] - step.first
        ready = step.outcome[cells] > 0
        if ready.any():
            found[inside[ready]] = step.describe((cells[0][ready], cells[1][ready])).series[_NAME]
    return found
