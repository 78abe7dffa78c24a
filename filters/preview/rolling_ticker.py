"""The rolling 24 h statistics as past candles tell them: the ticker itself has no past."""

from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from domain.market import Interval
from filters.expression.kernels import WINDOWED
from filters.frames import Matrix
from filters.preview.past_candles import PastInterval

_DAY = Interval.D1.milliseconds


class RollingTicker:
    """Fields of the ticker at candles `first` to `last` of some rows: over the last 24 hours of candles, or as many as there are.

    The value at a candle is the same bits whatever the range it is computed in.
    """

    def __init__(self, past: PastInterval, rows: slice | NDArray[np.intp], first: int, last: int) -> None:
        self._candles = max(1, _DAY // past.interval.milliseconds)
        self._first = first
        self._columns = past.window(rows, first - self._candles + 1, last)
        self._fields: dict[str, Matrix] = {}

    def over(self, field: str, first: int, last: int) -> Matrix:
        """The field from candle `first` to `last`."""
        if field not in self._fields:
            with np.errstate(all="ignore"):
                self._fields[field] = _FIELDS[field](self)
        return self._fields[field][:, first - self._first : last + 1 - self._first]

    def at(self, index: int) -> dict[str, NDArray[np.float64]]:
        """Every field at one candle."""
        return {field: self.over(field, index, index)[:, 0] for field in _FIELDS}

    @cached_property
    def last(self) -> Matrix:
        return self._columns["close"][:, self._candles - 1 :]

    @cached_property
    def open(self) -> Matrix:
        """The open of the oldest candle there is within the 24 hours."""
        opens = self._columns["open"]
        places = np.where(np.isnan(opens), opens.shape[1] - 1, np.arange(opens.shape[1]))
        following = np.minimum.accumulate(places[:, ::-1], axis=1)[:, ::-1]
        return np.take_along_axis(opens, following[:, : self.last.shape[1]], axis=1)

    def extreme(self, column: str, kernel: str, absent: float) -> Matrix:
        values = self._columns[column]
        found = WINDOWED[kernel](np.where(np.isnan(values), absent, values), self._candles)
        return np.where(np.isinf(found), np.nan, found)

    def total(self, column: str) -> Matrix:
        return _sums(np.nan_to_num(self._columns[column]), self._candles)

    @cached_property
    def change(self) -> Matrix:
        return self.last - self.open


def _sums(values: Matrix, candles: int) -> Matrix:
    """The sum of every `candles` neighbours, put together from sums over powers of two."""
    width = values.shape[1] - candles + 1
    total = np.zeros((values.shape[0], width))
    done, size = 0, 1
    while True:
        if candles & size:
            total += values[:, done : done + width]
            done += size
        size *= 2
        if size > candles:
            return total
        values = values[:, : -size // 2] + values[:, size // 2 :]


_FIELDS: Mapping[str, Callable[[RollingTicker], Matrix]] = {
    "last": lambda ticker: ticker.last,
    "open": lambda ticker: ticker.open,
    "high": lambda ticker: ticker.extreme("high", "highest", -np.inf),
    "low": lambda ticker: ticker.extreme("low", "lowest", np.inf),
    "volume": lambda ticker: ticker.total("volume"),
    "quote_volume": lambda ticker: ticker.total("quote_volume"),
    "change": lambda ticker: ticker.change,
    "change_percent": lambda ticker: ticker.change / ticker.open * 100,
    "weighted_average": lambda ticker: ticker.total("quote_volume") / ticker.total("volume"),
}
