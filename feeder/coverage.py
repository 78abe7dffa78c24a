"""How complete the candles are: per interval, and which histories are worst. Everything in market time."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from adapters.candle_store import CandleStore, IntervalCandles
from domain.market import Interval, from_epoch_milliseconds
from feeder.repairs import closed_through, rows_behind

WORST_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The histories of one interval: how many there are, how many have their past, how many lack a candle that has closed."""

    rows: int
    complete: int
    behind: int


@dataclass(frozen=True, kw_only=True)
class Laggard:
    """A history that lacks candles that have closed."""

    symbol: str
    interval: Interval
    closed_through: datetime | None
    """Open time of the last candle of its unbroken history; `None` before the exchange has told its past."""
    behind: timedelta | None
    """How long ago the first candle that it lacks closed; `None` where its past is not known."""


def coverage(frame: IntervalCandles, as_of: int) -> Coverage:
    """Of one interval when the exchange's clock shows `as_of`, epoch milliseconds."""
    return Coverage(rows=len(frame.begin), complete=int((frame.begin >= 0).sum()), behind=len(rows_behind(frame, as_of)))


def worst(store: CandleStore, as_of: int, count: int = WORST_SHOWN) -> list[Laggard]:
    """The histories that are furthest behind: first those without a past, then by how long they have lacked a candle."""
    found = [laggard for frame in store.frames.values() for laggard in _worst_of(frame, store.symbols, as_of, count)]
    return sorted(found, key=_rank)[:count]


def _worst_of(frame: IntervalCandles, symbols: tuple[str, ...], as_of: int, count: int) -> list[Laggard]:
    rows = rows_behind(frame, as_of)
    through = np.where(frame.begin[rows] < 0, -1, closed_through(frame)[rows])
    chosen = np.argsort(through, kind="stable")[:count]
    return [_laggard(symbols[row], frame.interval, index, as_of) for row, index in zip(rows[chosen], through[chosen].tolist(), strict=True)]


def _laggard(symbol: str, interval: Interval, through: int, as_of: int) -> Laggard:
    if through < 0:
        return Laggard(symbol=symbol, interval=interval, closed_through=None, behind=None)
    behind = from_epoch_milliseconds(as_of) - interval.close_time(through + 1)
    return Laggard(symbol=symbol, interval=interval, closed_through=interval.open_time(through), behind=behind)


def _rank(laggard: Laggard) -> tuple[bool, timedelta]:
    return laggard.behind is not None, -(laggard.behind or timedelta())
