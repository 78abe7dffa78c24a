"""The candle of the last 24 hours, for tickers."""

import numpy as np

from domain.market import Interval
from local.exchange.candles import Candles, merge
from local.exchange.market import SimulatedMarket, every_row


class LastDay:
    """Every row's candle over the 24 hours that end with the base candle now forming."""

    def __init__(self, market: SimulatedMarket, base_index: int) -> None:
        base = market.intervals[0]
        self._length = Interval.D1.milliseconds // base.milliseconds - 1
        self._next = base_index
        recent = market.candles(every_row(market), base, base_index - self._length, self._length)
        self._ring = np.roll(recent.values, (base_index - self._length) % self._length, axis=-1)
        self._closed: Candles | None = None

    def append(self, base: Candles) -> None:
        """The next base candle (shape [row]) has closed."""
        self._ring[..., self._next % self._length] = base.values
        self._next += 1
        self._closed = None

    def candle(self, forming: Candles | None) -> Candles:
        """The last 24 hours including the base candle that is forming, if one is; shape [row]."""
        if self._closed is None:
            self._closed = _whole(Candles(self._ring), self._next % self._length)
        return self._closed if forming is None else merge(self._closed, forming)


def _whole(ring: Candles, oldest: int) -> Candles:
    # The same rules as `merge`: a candle without volume counts for nothing but the close, one that is zero for nothing.
    order = np.concatenate([np.arange(oldest, ring.shape[1]), np.arange(oldest)])
    traded = ring.volume > 0
    first = order[np.argmax(traded[:, order], axis=1)]
    rows = np.arange(ring.shape[0])
    values = ring.values.sum(axis=-1)
    values[0] = ring.open[rows, first]
    values[1] = np.where(traded, ring.high, 0).max(axis=1)
    values[2] = np.where(traded, ring.low, np.iinfo(np.int64).max).min(axis=1)
    values[3] = ring.close[rows, order[-1 - np.argmax(ring.close[:, order[::-1]] > 0, axis=1)]]
    values[9] = ring.first_trade[rows, first]
    silent = ~traded.any(axis=1)
    values[0:3] = np.where(silent, values[3], values[0:3])
    return Candles(values)
