"""What a filter plots for one symbol, candle by candle, for a chart."""

import numpy as np
from numpy.typing import NDArray

from domain.filters import FilterSpec, Language
from filters.expression import compile_filter
from filters.preview.expression_steps import expression_steps
from filters.preview.outcomes import Outcome
from filters.preview.past_candles import PastCandles


def plotted(spec: FilterSpec, candles: PastCandles, symbol: str, first: int, last: int) -> dict[str, NDArray[np.float64]]:
    """Each plotted series at candles `first` to `last`, NaN where there is no value; nothing for a browser filter, which plots nothing."""
    if spec.language is not Language.EXPRESSION:
        return {}
    compiled = compile_filter(spec)
    found = {name: np.full(last - first + 1, np.nan) for name in compiled.plots}
    for step in expression_steps(compiled, candles.of_symbols([symbol]), first, last):
        cells = np.nonzero(step.outcome != Outcome.NOT_READY)
        if len(cells[0]):
            described = step.describe((cells[0], cells[1]))
            for name, values in found.items():
                values[cells[1] + step.first - first] = described.series[name]
    return found
