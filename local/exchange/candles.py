"""Candles as integers, so that sums and comparisons are exact: prices in the symbol's tick size, volumes in its lot size."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

QUOTE_DECIMALS = 8
"""Quote volumes count hundred-millionths of the quote asset."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A symbol and the decimals of its prices and volumes (its tick size is 10^-price_decimals, its lot size 10^-volume_decimals)."""

    symbol: str
    base_asset: str
    quote_asset: str
    price_decimals: int
    volume_decimals: int


@dataclass(frozen=True)
class Candles:
    """Candles of any shape; `values` has shape [10, *shape], one plane per property below."""

    values: Integers

    @property
    def open(self) -> Integers:
        """First price, in ticks."""
        return self._plane(0)

    @property
    def high(self) -> Integers:
        """Highest price, in ticks."""
        return self._plane(1)

    @property
    def low(self) -> Integers:
        """Lowest price, in ticks."""
        return self._plane(2)

    @property
    def close(self) -> Integers:
        """Last price, in ticks."""
        return self._plane(3)

    @property
    def volume(self) -> Integers:
        """Traded base asset, in lots."""
        return self._plane(4)

    @property
    def quote_volume(self) -> Integers:
        """Traded quote asset, in 10^-8."""
        return self._plane(5)

    @property
    def trades(self) -> Integers:
        """Number of trades."""
        return self._plane(6)

    @property
    def taker_volume(self) -> Integers:
        """Base asset bought by takers, in lots."""
        return self._plane(7)

    @property
    def taker_quote(self) -> Integers:
        """Quote asset spent by takers, in 10^-8."""
        return self._plane(8)

    @property
    def first_trade(self) -> Integers:
        """Id of the first trade; the next candle's first trade where there was none."""
        return self._plane(9)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape without the plane axis."""
        return self.values.shape[1:]

    def _plane(self, plane: int) -> Integers:
        values: Integers = self.values[plane]
        return values

    def columns(self, start: int, stop: int) -> "Candles":
        """The part [start, stop) of the last axis."""
        return Candles(self.values[..., start:stop])

    def at(self, column: int) -> "Candles":
        """One element of the last axis, which goes away."""
        return Candles(self.values[..., column])

    def rows(self, rows: Integers) -> "Candles":
        """Some elements of the first axis."""
        return Candles(self.values[:, rows])


def empty(shape: tuple[int, ...]) -> Candles:
    """Candles in which everything is zero."""
    return Candles(np.zeros((10, *shape), dtype=np.int64))


def merge(earlier: Candles | None, later: Candles) -> Candles:
    """The candle that covers both. One without volume only repeats the close before it, so it counts for nothing but the close; one
    that is zero, where there is no candle, counts for nothing."""
    if earlier is None:
        return later
    gone, still = later.close == 0, later.volume == 0
    blank = (earlier.volume == 0) & ~gone
    values = earlier.values + later.values
    values[0] = np.where(blank, later.open, earlier.open)
    values[1] = np.where(blank, later.high, np.where(still, earlier.high, np.maximum(earlier.high, later.high)))
    values[2] = np.where(blank, later.low, np.where(still, earlier.low, np.minimum(earlier.low, later.low)))
    values[3] = np.where(gone, earlier.close, later.close)
    values[9] = np.where(blank, later.first_trade, earlier.first_trade)
    return Candles(values)


def aggregate(candles: Candles, size: int) -> Candles:
    """Every `size` neighbours on the last axis as one candle. The axis must be a multiple of `size` long."""
    grouped = Candles(candles.values.reshape(*candles.values.shape[:-1], -1, size))
    whole: Candles | None = None
    for column in range(size):
        whole = merge(whole, grouped.at(column))
    assert whole is not None
    return whole


def running(candles: Candles) -> Candles:
    """What each candle's predecessors on the last axis and itself make together: a candle as it forms. Nothing moves before a trade."""
    values = np.cumsum(candles.values, axis=-1)
    values[0] = candles.open[..., :1]
    values[1] = np.maximum.accumulate(candles.high, axis=-1)
    values[2] = np.minimum.accumulate(candles.low, axis=-1)
    values[3] = candles.close
    values[9] = candles.first_trade[..., :1]
    untraded = values[4] == 0
    values[1:4] = np.where(untraded, values[0], values[1:4])
    values[5:9] = np.where(untraded, 0, values[5:9])
    return Candles(values)
