"""Times in which nothing trades: a market with holes, and larger candles that contain a part of one made of what traded."""

from dataclasses import dataclass

import numpy as np

from domain.market import Interval, Market
from local.exchange.candles import Candles, Integers, Listing, aggregate
from local.exchange.market import SimulatedMarket
from local.exchange.noise import Bits, Floats

_EVER = 2**62


@dataclass(frozen=True, kw_only=True)
class _Hole:
    row: int | None
    """None for every row."""
    begins: int
    ends: int

    def hits(self, row: int) -> bool:
        return self.row is None or self.row == row


class InterruptedMarket:
    """A SimulatedMarket without the candles of some times: in a hole they are zero, which is to say that there are none."""

    def __init__(self, market: SimulatedMarket) -> None:
        self._market = market
        self.kind: Market = market.kind
        self.listings: tuple[Listing, ...] = market.listings
        self.keys: Bits = market.keys
        self.units: Floats = market.units
        self.intervals: tuple[Interval, ...] = market.intervals
        self.begins: int = market.begins
        self.ends: int | None = market.ends
        self.listed_since: Integers = market.listed_since
        self.version = 0
        """Grows with every change of what is in the future."""
        late = np.flatnonzero(market.listed_since > market.begins).tolist()
        self._holes = [_Hole(row=row, begins=-_EVER, ends=int(market.listed_since[row])) for row in late]

    def first_index(self, interval: Interval) -> int:
        """Index of the interval's first whole candle."""
        return self._market.first_index(interval)

    def boundary_after(self, moment: int) -> int:
        """When the base candle after this moment opens; epoch milliseconds."""
        width = self.intervals[0].milliseconds
        return (moment // width + 1) * width

    def interrupt(self, row: int | None, begins: int = -_EVER, ends: int = _EVER) -> None:
        """No candles of a row, or of any, from `begins` until before `ends`. Raises ValueError unless both are where base candles open."""
        width = self.intervals[0].milliseconds
        if any(moment % width for moment in (begins, ends) if abs(moment) < _EVER) or begins >= ends:
            raise ValueError(f"a hole begins and ends, later, where {self.intervals[0]} candles open")
        self._holes.append(_Hole(row=row, begins=begins, ends=ends))
        self.version += 1

    def resume(self, row: int, at: int) -> None:
        """Let the row trade again from then on."""
        endless = [hole for hole in self._holes if hole.row == row and hole.ends == _EVER]
        self._holes = [hole for hole in self._holes if hole not in endless]
        self._holes += [_Hole(row=row, begins=hole.begins, ends=at) for hole in endless if hole.begins < at]
        self.version += 1

    def candles(self, rows: Integers, interval: Interval, first: int, count: int) -> Candles:
        """The whole candles [first, first + count), shape [row, count]. What lies in a hole or outside the market is zero."""
        found = self._market.candles(rows, interval, first, count)
        width = interval.milliseconds
        for hole in self._holes:
            if hole.begins < (first + count) * width and hole.ends > first * width:
                self._cut(found, np.flatnonzero([hole.hits(row) for row in rows.tolist()]), rows, interval, first, hole)
        return found

    def stretches(self, row: int, interval: Interval, first: int, last: int) -> list[range]:
        """The indices from `first` to `last` of which there are candles, as ranges in order."""
        found, width = [range(first, last + 1)], interval.milliseconds
        for begins, ends in self._merged(row):
            gone = range(-(-begins // width), ends // width)
            found = (
                [
                    rest
                    for stretch in found
                    for rest in (range(stretch.start, min(stretch.stop, gone.start)), range(max(stretch.start, gone.stop), stretch.stop))
                ]
                if gone
                else found
            )
        return [stretch for stretch in found if stretch]

    def _cut(self, found: Candles, hit: Integers, rows: Integers, interval: Interval, first: int, hole: _Hole) -> None:
        if not len(hit):
            return
        width, count = interval.milliseconds, found.shape[-1]
        inside = range(max(-(-hole.begins // width) - first, 0), min(hole.ends // width - first, count))
        found.values[:, hit, inside.start : max(inside.start, inside.stop)] = 0
        for edge in {hole.begins // width, hole.ends // width}:
            if 0 <= edge - first < count and edge - first not in inside and interval is not self.intervals[0]:
                found.values[:, hit, edge - first] = self._remade(rows[hit], interval, edge).values[..., 0]

    def _remade(self, rows: Integers, interval: Interval, index: int) -> Candles:
        smaller = self.intervals[self.intervals.index(interval) - 1]
        size = interval.milliseconds // smaller.milliseconds
        return aggregate(self.candles(rows, smaller, index * size, size), size)

    def _merged(self, row: int) -> list[tuple[int, int]]:
        merged: list[tuple[int, int]] = []
        for begins, ends in sorted((hole.begins, hole.ends) for hole in self._holes if hole.hits(row)):
            if merged and begins <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(ends, merged[-1][1]))
            else:
                merged.append((begins, ends))
        return merged
