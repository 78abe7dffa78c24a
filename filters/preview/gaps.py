"""What the candles of a preview cover, and what is missing in them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from domain.market import Interval
from filters.preview.past_candles import PastCandles

NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The candles of one interval that a preview saw, from the oldest history to the newest candle evaluated."""

    interval: Interval
    begin: datetime
    end: datetime
    """Close of the last one."""
    candles: int
    """Of all symbols."""
    missing: int
    """Between the first and the last candle of their symbol."""
    symbols_with_gaps: int
    worst: tuple[tuple[str, int], ...]
    """The symbols with most missing, and how many."""
    young: int
    """Symbols whose candles begin later than those of most."""
    ended: int
    """Symbols whose candles end earlier than those of most."""
    absent: int
    """Symbols without any."""


def coverage(candles: PastCandles, intervals: Iterable[Interval]) -> tuple[Coverage, ...]:
    """Of each interval."""
    return tuple(_coverage(candles, interval) for interval in intervals)


def _coverage(candles: PastCandles, interval: Interval) -> Coverage:
    past = candles.of(interval)
    there = ~np.isnan(past.columns["close"])
    count = there.sum(axis=1)
    begins = np.where(count > 0, there.argmax(axis=1), there.shape[1])
    ends = there.shape[1] - there[:, ::-1].argmax(axis=1)
    missing = np.where(count > 0, ends - begins - count, 0)
    earliest, latest = int(begins.min(initial=there.shape[1])), int(np.where(count > 0, ends, 0).max(initial=0))
    order = np.argsort(-missing, kind="stable")[:NAMED]
    return Coverage(
        interval=interval,
        begin=interval.open_time(past.first_index + min(earliest, latest)),
        end=interval.open_time(past.first_index + latest),
        candles=int(count.sum()),
        missing=int(missing.sum()),
        symbols_with_gaps=int(np.count_nonzero(missing)),
        worst=tuple((candles.symbols[row], int(missing[row])) for row in order if missing[row]),
        young=int(np.count_nonzero(begins[count > 0] > _usual(begins[count > 0]))),
        ended=int(np.count_nonzero(ends[count > 0] < _usual(ends[count > 0]))),
        absent=int(np.count_nonzero(count == 0)),
    )


def _usual(places: NDArray[np.int64]) -> int:
    """The most frequent of them."""
    return int(np.bincount(places).argmax()) if len(places) else 0
