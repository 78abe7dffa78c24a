"""What a filter found at one candle, whichever language it is written in."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from domain.filters import FilterFailure
from filters.expression.kernels import Condition, Values

HOLDS = 1
SAID_COUNTED = 32


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Rows are the snapshot's symbols. Each symbol is not ready, failed, matched or not matched. Not to be written to."""

    ready: NDArray[np.bool_]
    """Whether the symbol's history is complete; where not, nothing is said about it."""
    failed: NDArray[np.bool_]
    """Ready symbols for which the filter failed: nothing is known of them but the failure."""
    matched: NDArray[np.bool_]
    close: NDArray[np.float64]
    """The candle's close."""
    quote_volume_24h: NDArray[np.float64]
    """Quote volume of the last 24 h of candles, as far as the history goes: the order of matches when there are too many."""
    labelled: Mapping[str, Condition] = field(default_factory=dict)
    """An expression's conditions."""
    series: Mapping[str, Values] = field(default_factory=dict)
    """An expression's plotted values and score."""
    said: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """By row of a matching symbol: the conditions a JavaScript filter gave with its match."""
    failures: tuple[FilterFailure, ...] = ()

    def conditions(self, row: int) -> tuple[str, ...]:
        """What holds for the symbol, in the filter's words."""
        held = (label for label, values in self.labelled.items() if self.ready[row] and values[row] == HOLDS)
        return (*held, *self.said.get(row, ()))

    def values(self, row: int) -> dict[str, float]:
        """What is plotted and the score, where finite; nothing for a symbol that is not ready."""
        values = {name: float(series[row]) for name, series in self.series.items() if self.ready[row]}
        return {name: value for name, value in values.items() if np.isfinite(value)}

    def condition_counts(self, rows: NDArray[np.intp]) -> dict[str, int]:
        """How many ready symbols of these rows meet each condition. Of those that a JavaScript filter words anew for each symbol, the
        SAID_COUNTED most frequent."""
        labelled = {label: int(np.count_nonzero((values == HOLDS)[rows] & self.ready[rows])) for label, values in self.labelled.items()}
        said = Counter(condition for row in rows.tolist() for condition in self.said.get(row, ())) if self.said else Counter[str]()
        return labelled | dict(said.most_common(SAID_COUNTED))
