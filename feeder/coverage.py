"""How complete the candles are: per interval, for one symbol, and which histories are worst. Everything in market time."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from adapters.candle_store import CORRECTED, FROM_REST, STATUS_CODES, CandleStore, IntervalCandles, is_closed
from domain.market import SYMBOL_STATUSES, Interval, SymbolStatus, from_epoch_milliseconds
from feeder.repairs import closed_through, expected_through, trading_rows_behind

WORST_SHOWN = 10
SOURCES_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The histories of one interval. Nothing is expected of symbols that do not trade."""

    rows: int
    expected: int
    """Of symbols that trade."""
    complete: int
    """Those of them whose past is known."""
    behind: int
    """Those of them that lack a candle that has closed, their whole past included."""


@dataclass(frozen=True, kw_only=True)
class Laggard:
    """A history that lacks candles that have closed."""

    symbol: str
    interval: Interval
    closed_through: datetime | None
    """Open time of the last candle of its unbroken history; `None` before the exchange has told its past."""
    behind: timedelta | None
    """How long ago the first candle that it lacks closed; `None` where its past is not known."""


@dataclass(frozen=True, kw_only=True)
class History:
    """One symbol's candles of one interval."""

    interval: Interval
    begins: datetime | None
    """Open time of the first candle of the unbroken history; `None` before the exchange has told it."""
    closed_through: datetime | None
    """Open time of its last candle."""
    as_of: datetime | None
    """The exchange's time up to which it is known to be true."""
    age: timedelta | None
    """How long ago that was, by the exchange's clock."""
    behind: int
    """Candles that closed more than the grace ago and are not there."""
    streamed: int
    """Of its newest SOURCES_SHOWN closed candles, those that the stream told ..."""
    repaired: int
    """... and those that REST told."""
    corrected: int
    """Of the same candles, those that the exchange changed after they had closed."""


@dataclass(frozen=True, kw_only=True)
class SymbolSummary:
    """One symbol in a line."""

    symbol: str
    status: SymbolStatus
    rank: int
    closed_through: datetime | None
    """Open time of the last 1m candle of its unbroken history."""
    age: timedelta | None
    """Since any of its histories was last known to be true, by the exchange's clock."""
    lacking: tuple[Interval, ...]
    """Intervals of which it lacks candles that have closed; none while it does not trade."""


@dataclass(frozen=True, kw_only=True)
class SymbolCoverage:
    """One symbol as the feeder knows it."""

    symbol: str
    status: SymbolStatus
    rank: int
    histories: tuple[History, ...]


def coverage(store: CandleStore, interval: Interval, as_of: int) -> Coverage:
    """Of one interval when the exchange's clock shows `as_of`, epoch milliseconds."""
    trading = store.status == STATUS_CODES[SymbolStatus.TRADING]
    return Coverage(
        rows=len(trading),
        expected=int(np.count_nonzero(trading)),
        complete=int(np.count_nonzero(trading & (store.frame(interval).begin >= 0))),
        behind=len(trading_rows_behind(store, interval, as_of)),
    )


def not_trading(store: CandleStore) -> dict[str, SymbolStatus]:
    """The status of every symbol that does not trade."""
    rows = np.flatnonzero(store.status != STATUS_CODES[SymbolStatus.TRADING]).tolist()
    return {store.symbols[row]: SYMBOL_STATUSES[store.status[row]] for row in rows}


def worst(store: CandleStore, as_of: int, count: int = WORST_SHOWN) -> list[Laggard]:
    """The histories that are furthest behind: first those without a past, then by how long they have lacked a candle."""
    found = [laggard for interval in Interval for laggard in _worst_of(store, interval, as_of, count)]
    return sorted(found, key=_rank)[:count]


def symbol_summaries(store: CandleStore, as_of: int) -> list[SymbolSummary]:
    """Of every symbol."""
    heard = np.max([frame.as_of for frame in store.frames.values()], axis=0).tolist()
    minutes = store.frame(Interval.M1).closed_through.tolist()
    lacking: dict[int, list[Interval]] = defaultdict(list)
    for interval in Interval:
        for row in trading_rows_behind(store, interval, as_of).tolist():
            lacking[row].append(interval)
    return [
        SymbolSummary(
            symbol=symbol,
            status=SYMBOL_STATUSES[code],
            rank=rank,
            closed_through=Interval.M1.open_time(minutes[row]) if minutes[row] >= 0 else None,
            age=timedelta(milliseconds=max(0, as_of - heard[row])) if heard[row] else None,
            lacking=tuple(lacking[row]),
        )
        for row, (symbol, code, rank) in enumerate(zip(store.symbols, store.status.tolist(), store.rank.tolist(), strict=True))
    ]


def symbol_coverage(store: CandleStore, row: int, as_of: int) -> SymbolCoverage:
    """All of one symbol."""
    return SymbolCoverage(
        symbol=store.symbols[row],
        status=SYMBOL_STATUSES[store.status[row]],
        rank=int(store.rank[row]),
        histories=tuple(_history(frame, row, as_of, behind) for frame, behind in _with_behind(store, row, as_of)),
    )


def _with_behind(store: CandleStore, row: int, as_of: int) -> list[tuple[IntervalCandles, int]]:
    is_trading = store.status[row] == STATUS_CODES[SymbolStatus.TRADING]
    return [
        (frame, max(0, expected_through(interval, as_of) - int(closed_through(frame)[row])) if is_trading else 0)
        for interval, frame in store.frames.items()
    ]


def _history(frame: IntervalCandles, row: int, as_of: int, behind: int) -> History:
    begin, through, heard = (int(values[row]) for values in (frame.begin, frame.closed_through, frame.as_of))
    end = max(through + 1, frame.first_index)
    flags = frame.flags[row, max(0, end - SOURCES_SHOWN - frame.first_index) : end - frame.first_index]
    flags = flags[is_closed(flags)]
    repaired = int(np.count_nonzero(flags & FROM_REST))
    interval = frame.interval
    return History(
        interval=interval,
        begins=interval.open_time(begin) if begin >= 0 else None,
        closed_through=interval.open_time(through) if through >= 0 else None,
        as_of=from_epoch_milliseconds(heard) if heard else None,
        age=timedelta(milliseconds=max(0, as_of - heard)) if heard else None,
        behind=behind if begin >= 0 else 0,
        streamed=len(flags) - repaired,
        repaired=repaired,
        corrected=int(np.count_nonzero(flags & CORRECTED)),
    )


def _worst_of(store: CandleStore, interval: Interval, as_of: int, count: int) -> list[Laggard]:
    frame, rows = store.frame(interval), trading_rows_behind(store, interval, as_of)
    through = np.where(frame.begin[rows] < 0, -1, closed_through(frame)[rows])
    chosen = np.argsort(through, kind="stable")[:count]
    return [_laggard(store.symbols[row], interval, index, as_of) for row, index in zip(rows[chosen], through[chosen].tolist(), strict=True)]


def _laggard(symbol: str, interval: Interval, through: int, as_of: int) -> Laggard:
    if through < 0:
        return Laggard(symbol=symbol, interval=interval, closed_through=None, behind=None)
    behind = from_epoch_milliseconds(as_of) - interval.close_time(through + 1)
    return Laggard(symbol=symbol, interval=interval, closed_through=interval.open_time(through), behind=behind)


def _rank(laggard: Laggard) -> tuple[bool, timedelta]:
    return laggard.behind is not None, -(laggard.behind or timedelta())
