"""Past candles as matrices, and what of them a candle sees."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from domain.errors import RefusedError
from domain.market import Interval
from filters.frames import Matrix

Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class PastInterval:
    """The closed candles of one interval. Column j is the candle with grid index `first_index + j`, for every symbol alike."""

    interval: Interval
    first_index: int
    known_from: int
    """From this grid index on a candle that is not here never was; of what was before it nothing is known. 0: there was nothing before."""
    columns: Mapping[str, Matrix]
    """By the names of a Frame's columns, each [symbol, candle], float64; NaN where a symbol has no such candle."""

    @property
    def end_index(self) -> int:
        """Grid index behind the last column."""
        return self.first_index + int(self.columns["close"].shape[1])

    def window(self, rows: slice | NDArray[np.intp], first: int, last: int) -> dict[str, Matrix]:
        """Every column from candle `first` to `last`, NaN where there are none. Not to be written to."""
        begin, end = max(first, self.first_index), min(last + 1, self.end_index)
        inside = {
            name: values[rows, begin - self.first_index : max(begin, end) - self.first_index] for name, values in self.columns.items()
        }
        before, after = min(begin, last + 1) - first, last + 1 - max(begin, end)
        if not before and not after:
            return inside
        return {name: _padded(values, before, after) for name, values in inside.items()}

    def at(self, column: str, rows: NDArray[np.intp], indices: Indices) -> NDArray[np.float64]:
        """The column at pairs of row and grid index; NaN where there is no candle."""
        places = indices - self.first_index
        inside = (places >= 0) & (places < self.end_index - self.first_index)
        found = np.full(len(rows), np.nan)
        found[inside] = self.columns[column][rows[inside], places[inside]]
        return found

    def through(self, index: int) -> "PastInterval":
        """What was there when candle `index` had just closed."""
        width = max(0, index + 1 - self.first_index)
        return replace(self, columns={name: values[:, :width] for name, values in self.columns.items()})

    def of_rows(self, rows: NDArray[np.intp]) -> "PastInterval":
        """The candles of some symbols."""
        return replace(self, columns={name: values[rows] for name, values in self.columns.items()})


@dataclass(frozen=True, kw_only=True, eq=False)
class PastCandles:
    """The past of a market: rows of every matrix are `symbols`."""

    symbols: tuple[str, ...]
    intervals: Mapping[Interval, PastInterval]
    notes: tuple[str, ...] = ()
    """What whoever reads results computed from them must know."""

    def of(self, interval: Interval) -> PastInterval:
        """Raises RefusedError for an interval that is not there."""
        if interval not in self.intervals:
            there = ", ".join(self.intervals)
            raise RefusedError(f"The filter reads candles of {interval}, and there are only those of {there}.")
        return self.intervals[interval]

    def at_close(self, base: Interval, index: int) -> "PastCandles":
        """What was there when candle `index` of `base` had just closed: nothing of the future."""
        then = {interval: past.through(interval.last_closed_within(base, index)) for interval, past in self.intervals.items()}
        return replace(self, intervals=then)

    def of_symbols(self, symbols: Sequence[str]) -> "PastCandles":
        """The past of some symbols. Raises RefusedError for one that is not there."""
        places = {symbol: row for row, symbol in enumerate(self.symbols)}
        if missing := [symbol for symbol in symbols if symbol not in places]:
            raise RefusedError(f"There are no candles of {', '.join(missing)}.")
        rows = np.array([places[symbol] for symbol in symbols], dtype=np.intp)
        return replace(self, symbols=tuple(symbols), intervals={interval: past.of_rows(rows) for interval, past in self.intervals.items()})


def seen_at(interval: Interval, base: Interval, indices: Indices) -> Indices:
    """Index on the grid of `interval` of the newest candle that had closed when each of these candles of `base` closed."""
    return indices if interval is base else (indices + 1) * base.milliseconds // interval.milliseconds - 1


def first_to_see(interval: Interval, base: Interval, index: int) -> int:
    """The first candle of `base` that sees candle `index` of `interval` closed."""
    return index if interval is base else -(-(index + 1) * interval.milliseconds // base.milliseconds) - 1


def _padded(values: Matrix, before: int, after: int) -> Matrix:
    return np.pad(values, ((0, 0), (before, after)), constant_values=np.nan)
