"""What an evaluation sees: for each interval the anchored history that ends with one candle.

Candle i is evaluated on the candles from history_anchor(i) to i, other intervals on theirs up to the newest candle j(i) that had
closed when i closed. All candles of a block share an anchor, so one computation from the anchor serves every candle of the block.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from domain.market import HISTORY_BLOCK, MINIMUM_HISTORY, Interval, history_anchor
from filters.frames import Frame, MarketSnapshot, Matrix

_DAY = Interval.D1.milliseconds
_BLOCK_END = MINIMUM_HISTORY - 1 + HISTORY_BLOCK - 1
"""The last candle that shares an anchor comes this many after it."""


class Reads(Protocol):
    """What a filter reads, in whichever language it is written."""

    @property
    def interval(self) -> Interval:
        """The trader's."""

    @property
    def required(self) -> Mapping[Interval, int]:
        """Candles of history without which nothing can be said, per interval, the trader's own included."""


class Stamp(NamedTuple):
    """With equal stamps, all columns computed from the anchor to the end are equal."""

    interval: Interval
    is_forming: bool
    version: int
    """The frame's version; where the forming candle is seen, the snapshot's sequence number."""
    anchor: int
    end: int
    rows: int


@dataclass(frozen=True)
class History:
    """One interval's candles from `anchor` to `last`, the newest the evaluation may see; computing to `end` serves later candles too."""

    frame: Frame
    anchor: int
    last: int
    end: int
    stamp: Stamp

    @property
    def is_kept(self) -> bool:
        """Whether the frame still holds, and already holds, all of it."""
        beyond = self.frame.first_index + self.frame.columns["close"].shape[1]
        return self.frame.first_index <= self.anchor and self.last <= self.end and self.last < beyond

    def vector(self, column: str, index: int) -> NDArray[np.float64]:
        """The column at one candle; NaN outside the history. Of no meaning for a symbol that is not ready."""
        if not self.anchor <= index <= self.end:
            return np.full(self.frame.closed_from.shape, np.nan)
        return self.frame.columns[column][:, index - self.frame.first_index].copy()

    def matrix(self, column: str, first: int, last: int) -> Matrix:
        """The column from `first` to `last`, both within the history. Not to be written to."""
        begin = self.frame.first_index
        values = self.frame.columns[column][:, first - begin : last + 1 - begin]
        young = np.flatnonzero(self.frame.closed_from > first)
        if young.size:
            values = values.copy()
            values[young] = np.where(np.arange(first, last + 1) < self.frame.closed_from[young, np.newaxis], np.nan, values[young])
        return values

    def is_complete(self, needed: int, *, is_forming: bool) -> NDArray[np.bool_]:
        """Per symbol: unbroken from the anchor, or from its own first candle with at least `needed` candles, to the last one."""
        frame = self.frame
        closed_last = self.last - is_forming
        reached = (frame.closed_through >= closed_last) & (frame.closed_through >= 0)
        return reached & ((frame.closed_from <= self.anchor) | (self.last - frame.closed_from + 1 >= needed))


@dataclass(frozen=True)
class Moment:
    """Everything one evaluation sees: candle `index` of the trader's interval, and its surroundings."""

    base: Interval
    index: int
    histories: Mapping[Interval, History]
    tickers: Mapping[str, NDArray[np.float64]]
    rows: int
    is_forming: bool

    @property
    def is_kept(self) -> bool:
        """Whether the frames hold every history."""
        return all(history.is_kept for history in self.histories.values())

    def stamp(self, intervals: Iterable[Interval]) -> tuple[Stamp, ...]:
        """Identifies the data of these intervals as this moment sees it."""
        return tuple(self.histories[interval].stamp for interval in intervals)

    def aligned(self, other: Interval, index: int) -> int:
        """Index on the other grid that the trader's candle `index` sees."""
        return self.histories[other].last if index == self.index else other.last_closed_within(self.base, index)

    def ready(self, required: Mapping[Interval, int]) -> NDArray[np.bool_]:
        """Per symbol: whether every history is complete."""
        ready = np.ones(self.rows, dtype=np.bool_)
        for interval, needed in required.items():
            history = self.histories[interval]
            ready &= history.is_complete(needed, is_forming=self.is_forming)
            ready &= ~np.isnan(history.vector("close", history.last))
        return ready

    def close(self) -> NDArray[np.float64]:
        """Per symbol: the candle's close."""
        return self.histories[self.base].vector("close", self.index)

    def quote_volume_24h(self) -> NDArray[np.float64]:
        """Per symbol: quote volume of the last 24 h of the trader's candles, as far as its history goes."""
        history = self.histories[self.base]
        first = max(history.anchor, history.last + 1 - max(1, _DAY // self.base.milliseconds))
        volumes = history.matrix("quote_volume", first, history.last)
        total: NDArray[np.float64] = volumes.sum(axis=1)
        young = np.isnan(total)
        total[young] = np.nansum(volumes[young], axis=1)
        return total


def evaluable_through(reads: Reads, snapshot: MarketSnapshot) -> NDArray[np.int64]:
    """Per symbol: the newest candle of the filter's interval for which every interval it reads has closed; -1 when there is none."""
    through = snapshot.frame(reads.interval).closed_through.copy()
    for interval in reads.required:
        closed = snapshot.frame(interval).closed_through
        # the last base candle that closes before the next candle of the other interval does
        limit = ((closed + 2) * interval.milliseconds - 1) // reads.interval.milliseconds - 1
        np.minimum(through, np.where(closed < 0, -1, limit), out=through)
    return through


def closed_moment(snapshot: MarketSnapshot, base: Interval, intervals: Iterable[Interval], index: int) -> Moment:
    """What closed candle `index` sees."""

    def history(interval: Interval) -> History:
        frame = snapshot.frame(interval)
        last = index if interval is base else interval.last_closed_within(base, index)
        anchor = history_anchor(last)
        end = min(anchor + _BLOCK_END, int(frame.closed_through.max(initial=-1)))
        return History(
            frame,
            anchor,
            last,
            end,
            Stamp(interval, is_forming=False, version=frame.version, anchor=anchor, end=end, rows=len(snapshot.symbols)),
        )

    return _moment(snapshot, base, index, {interval: history(interval) for interval in intervals}, is_forming=False)


def forming_moment(snapshot: MarketSnapshot, base: Interval, intervals: Iterable[Interval], as_of: int) -> Moment:
    """What the trader sees when the exchange's clock shows `as_of` (epoch milliseconds): of each interval the candle that contains it."""

    def history(interval: Interval) -> History:
        frame = snapshot.frame(interval)
        last = as_of // interval.milliseconds
        anchor = history_anchor(last)
        return History(
            frame,
            anchor,
            last,
            last,
            Stamp(interval, is_forming=True, version=snapshot.seq, anchor=anchor, end=last, rows=len(snapshot.symbols)),
        )

    index = as_of // base.milliseconds
    return _moment(snapshot, base, index, {interval: history(interval) for interval in intervals}, is_forming=True)


def _moment(snapshot: MarketSnapshot, base: Interval, index: int, histories: Mapping[Interval, History], *, is_forming: bool) -> Moment:
    return Moment(base, index, histories, snapshot.tickers.columns, len(snapshot.symbols), is_forming)
