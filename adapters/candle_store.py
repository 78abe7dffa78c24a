"""The candles of every symbol as matrices, kept by the feeder and by every replica of it with the same rules.

A candle is merged by (symbol, interval, index): closed beats forming, then the later event, then more trades, then the larger
values, then the stream beats REST: the same candles give the same store in whatever order and however often they arrive. Only
the mark of a correction tells of the order: it is set where a closed candle was replaced by another.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.tickers import TickerTable
from domain.market import HISTORY_BLOCK, KEPT_BLOCKS, KEPT_CANDLES, SYMBOL_STATUSES, Interval, SymbolStatus

VALUES = ("open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume")
CANDLE = np.dtype(
    [("row", "<u2"), ("interval", "u1"), ("flags", "u1"), ("index", "<i8"), ("event_time", "<i8"), *((name, "<f8") for name in VALUES)]
)
"""One candle, packed, little-endian: 92 bytes. `interval` counts in the order of `domain.market.Interval`; times are epoch milliseconds."""
CLOSED, FROM_REST, CORRECTED = 1, 2, 4
"""Bits of `flags`: the interval has ended; REST told it, not a stream; once closed it was replaced by a candle with other values."""
LAST_RANK = 2**16 - 1
"""Of symbols that nobody has ranked."""
STATUS_CODES = {status: code for code, status in enumerate(SYMBOL_STATUSES)}
INTERVALS = tuple(Interval)
INTERVAL_CODES = {interval: code for code, interval in enumerate(INTERVALS)}
_RANK = ("event_time", "trades", *(name for name in VALUES if name != "trades"))

Records = np.ndarray[tuple[int], np.dtype[np.void]]
"""Candles as a structured array of dtype CANDLE."""
Flags = NDArray[np.uint8]
Indices = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CandleBlock:
    """Some rows of one interval, whole: what a snapshot consists of. Matrices are [row, candle], `values` [value, row, candle]."""

    first_index: int
    """Where the window of the store begins."""
    start_index: int
    """Grid index of the first column here; empty columns at either end are left out."""
    values: Floats
    event_time: Indices
    flags: Flags
    begin: Indices
    as_of: Indices


class IntervalCandles:
    """The candles of one interval in a window of KEPT_CANDLES columns; provides `filters.frames.Frame`.

    `begin` is, per row, the index where the unbroken history begins, and -1 until the exchange has told the row's past: candles that
    arrive before that are kept but the row does not count as complete.

    `as_of` is, per row, the exchange's time (epoch milliseconds) up to which its candles are known to be true: the newest event heard,
    or the close of `closed_through` if that is later; 0 before any.
    """

    def __init__(self, interval: Interval, rows: int) -> None:
        self.interval = interval
        self.version = 0
        self.corrections = 0
        self.first_index = 0
        self.values = np.empty((len(VALUES), 0, KEPT_CANDLES))
        self.flags = np.empty((0, KEPT_CANDLES), np.uint8)
        self.event_time = np.empty((0, KEPT_CANDLES), np.int64)
        self.begin = np.empty(0, np.int64)
        self.as_of = np.empty(0, np.int64)
        self.closed_from = np.empty(0, np.int64)
        self.closed_through = np.empty(0, np.int64)
        self.append(rows)

    @property
    def columns(self) -> dict[str, Floats]:
        """The matrices by name, as views."""
        return {name: self.values[position] for position, name in enumerate(VALUES)}

    @property
    def nbytes(self) -> int:
        """Memory of the matrices."""
        return self.values.nbytes + self.flags.nbytes + self.event_time.nbytes

    def append(self, rows: int) -> None:
        """Add empty rows."""
        self.values = np.concatenate((self.values, np.full((len(VALUES), rows, KEPT_CANDLES), np.nan)), axis=1)
        self.flags = np.concatenate((self.flags, np.zeros((rows, KEPT_CANDLES), np.uint8)))
        self.event_time = np.concatenate((self.event_time, np.zeros((rows, KEPT_CANDLES), np.int64)))
        self.begin = np.concatenate((self.begin, np.full(rows, -1)))
        self.as_of = np.concatenate((self.as_of, np.zeros(rows, np.int64)))
        self.closed_from = np.concatenate((self.closed_from, np.zeros(rows, np.int64)))
        self.closed_through = np.concatenate((self.closed_through, np.full(rows, -1)))
        self.version += 1

    def apply(self, records: Records) -> Records:
        """Merge candles of this interval; those that replaced a closed candle by another. Those older than the window are dropped."""
        self._move_window(HISTORY_BLOCK * (int(records["index"].max()) // HISTORY_BLOCK - (KEPT_BLOCKS - 1)))
        np.maximum.at(self.as_of, records["row"], records["event_time"])
        best = _best_of_each_cell(records[records["index"] >= self.first_index])
        rows, columns = best["row"].astype(np.intp), best["index"] - self.first_index
        wins = self._outranks(best, rows, columns)
        return self._write(best[wins], rows[wins], columns[wins])

    def confirm(self, row: int, first: int, through: int) -> bool:
        """The exchange has told all it has of a row from index `first` to `through`: what is not closed there is a hole for ever.

        The row's history begins after the last hole; where what was told does not touch what was known, at `first`. True when that moved.
        """
        begin = int(self.begin[row])
        end = max(int(self.closed_through[row]), begin - 1)
        start = begin if begin >= 0 and first <= end + 1 else first
        low = max(start, first, self.first_index)
        holes = np.flatnonzero(~is_closed(self.flags[row, low - self.first_index : max(low, through + 1) - self.first_index]))
        if holes.size:
            start = low + int(holes[-1]) + 1
        if start == begin:
            return False
        self.set_begin(np.array([row]), np.array([start]))
        return True

    def set_begin(self, rows: Indices, begin: Indices) -> None:
        """Let the histories of these rows begin there."""
        self.begin[rows] = begin
        self.closed_from[rows] = 0
        self.closed_through[rows] = -1
        self._extend_runs(rows)
        self.version += 1

    def contradicts(self, row: int, told: Records) -> bool:
        """Whether the exchange tells another past: of these candles two or more are of the row's history, and none is as it is there.

        A single one that differs is a correction.
        """
        known = told[(told["index"] >= self.closed_from[row]) & (told["index"] <= self.closed_through[row])]
        here = self.values[:, row, known["index"] - self.first_index]
        same = (here == np.stack([known[name] for name in VALUES])).all(axis=0)
        return len(known) > 1 and not same.any()

    def forget(self, rows: Indices) -> None:
        """Drop all candles of these rows."""
        self.values[:, rows] = np.nan
        self.event_time[rows] = 0
        self.flags[rows] = 0
        self.as_of[rows] = 0
        self.set_begin(rows, np.full(len(rows), -1))

    def block(self, rows: slice) -> CandleBlock:
        """A copy of these rows."""
        used = np.flatnonzero(self.event_time[rows].any(axis=0))
        window = slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, 0)
        return CandleBlock(
            first_index=self.first_index,
            start_index=self.first_index + window.start,
            values=self.values[:, rows, window].copy(),
            event_time=self.event_time[rows, window].copy(),
            flags=self.flags[rows, window].copy(),
            begin=self.begin[rows].copy(),
            as_of=self.as_of[rows].copy(),
        )

    def load(self, rows: Indices, block: CandleBlock) -> None:
        """Replace these rows by what `block` holds."""
        self._move_window(block.first_index)
        start = block.start_index - self.first_index
        window = slice(start, start + block.flags.shape[1])
        self.forget(rows)
        self.values[:, rows, window] = block.values
        self.event_time[rows, window] = block.event_time
        self.flags[rows, window] = block.flags
        self.as_of[rows] = block.as_of
        self.set_begin(rows, block.begin)

    def _outranks(self, best: Records, rows: NDArray[np.intp], columns: Indices) -> NDArray[np.bool_]:
        flags = self.flags[rows, columns]
        closed, known = is_closed(best["flags"]), is_closed(flags)
        wins, tied = closed & ~known, closed == known
        for name in _RANK:
            old = self.event_time[rows, columns] if name == "event_time" else self.values[VALUES.index(name), rows, columns]
            wins |= tied & (best[name] > old)
            tied &= best[name] == old
            if not tied.any():
                break
        wins |= tied & (best["flags"] & FROM_REST < flags & FROM_REST)
        return wins

    def _write(self, best: Records, rows: NDArray[np.intp], columns: Indices) -> Records:
        new = np.stack([best[name] for name in VALUES])
        flags = self.flags[rows, columns]
        closed, was_closed = is_closed(best["flags"]), is_closed(flags)
        changed = closed & (~was_closed | (self.values[:, rows, columns] != new).any(axis=0))
        corrected = changed & was_closed
        self.corrections += int(np.count_nonzero(corrected))
        self.values[:, rows, columns] = new
        self.event_time[rows, columns] = best["event_time"]
        self.flags[rows, columns] = best["flags"] | (flags & CORRECTED) | (CORRECTED * corrected.astype(np.uint8))
        if changed.any():
            self.version += 1
            self._extend_runs(np.unique(rows[changed]))
        replacing: Records = best[corrected]
        return replacing

    def _extend_runs(self, rows: NDArray[np.intp] | Indices) -> None:
        rows = rows[self.begin[rows] >= 0]
        begin = np.maximum(self.begin[rows], self.first_index)
        start = np.maximum(begin, self.closed_through[rows] + 1) - self.first_index
        low = int(start.min(initial=KEPT_CANDLES))
        ends = ~is_closed(self.flags[rows, low:]) & (np.arange(low, KEPT_CANDLES) >= start[:, None])
        end = np.where(ends.any(axis=1), low + ends.argmax(axis=1), KEPT_CANDLES) if low < KEPT_CANDLES else start
        longer = end > start
        self.closed_through[rows[longer]] = self.first_index + end[longer] - 1
        self.closed_from[rows[longer]] = begin[longer]
        closes = (self.closed_through[rows[longer]] + 1) * self.interval.milliseconds
        self.as_of[rows[longer]] = np.maximum(self.as_of[rows[longer]], closes)

    def _move_window(self, first_index: int) -> None:
        shift = first_index - self.first_index
        if shift <= 0:
            return
        for matrix, nothing in ((self.values, np.nan), (self.event_time, 0), (self.flags, 0)):
            if shift < KEPT_CANDLES:
                matrix[..., :-shift] = matrix[..., shift:]
            matrix[..., -min(shift, KEPT_CANDLES) :] = nothing
        self.first_index = first_index
        self.version += 1
        self._forget_past()

    def _forget_past(self) -> None:
        gone = np.maximum(self.closed_through, self.begin) < self.first_index
        self.begin[gone] = -1
        self.closed_through[gone] = -1
        running = self.closed_through >= 0
        self.closed_from = np.where(running, np.maximum(self.closed_from, self.first_index), 0)


class CandleStore:
    """The candles of every symbol and interval, and the tickers; provides `filters.frames.MarketSnapshot`. For one thread.

    `status` is, per row, the position of the symbol's status in SYMBOL_STATUSES; `rank` its place by 24 h quote volume, 0 the largest.
    It takes 199 MB for 400 symbols.
    """

    def __init__(self) -> None:
        self.symbols: tuple[str, ...] = ()
        self.rows: dict[str, int] = {}
        self.seq = 0
        self.tickers = TickerTable()
        self.status: NDArray[np.uint8] = np.empty(0, np.uint8)
        self.rank: NDArray[np.uint16] = np.empty(0, np.uint16)
        self.frames = {interval: IntervalCandles(interval, 0) for interval in Interval}

    def frame(self, interval: Interval) -> IntervalCandles:
        """The candles of one interval."""
        return self.frames[interval]

    def append(self, symbols: Iterable[str]) -> tuple[str, ...]:
        """Add a row for each symbol that has none yet, as a symbol that trades and ranks last; returns those."""
        new = tuple(symbol for symbol in dict.fromkeys(symbols) if symbol not in self.rows)
        self.status = np.append(self.status, np.full(len(new), STATUS_CODES[SymbolStatus.TRADING], np.uint8))
        self.rank = np.append(self.rank, np.full(len(new), LAST_RANK, np.uint16))
        self.symbols += new
        self.rows = {symbol: row for row, symbol in enumerate(self.symbols)}
        if new:
            self.tickers.append(len(new))
            for frame in self.frames.values():
                frame.append(len(new))
        return new

    def set_listing(self, status: NDArray[np.uint8], rank: NDArray[np.uint16]) -> bool:
        """Take over the status and the rank of every row; whether anything changed."""
        is_same = np.array_equal(status, self.status) and np.array_equal(rank, self.rank)
        self.status, self.rank = status, rank
        return not is_same

    def take_over(self, other: "CandleStore") -> None:
        """Hold what the other held, which must not be used any more."""
        self.symbols, self.rows = other.symbols, other.rows
        self.status, self.rank = other.status, other.rank
        self.tickers, self.frames = other.tickers, other.frames

    def apply(self, records: Records) -> Records:
        """Merge candles of any intervals; those that replaced a closed candle by another."""
        corrected = [self.frames[interval].apply(part) for interval, part in by_interval(records)]
        return np.concatenate(corrected) if corrected else records[:0]


def by_interval(records: Records) -> Iterator[tuple[Interval, Records]]:
    """The records of each interval that has any."""
    for code in np.unique(records["interval"]):
        yield INTERVALS[code], records[records["interval"] == code]


def is_closed(flags: Flags) -> NDArray[np.bool_]:
    """Where the bit CLOSED is set."""
    return (flags & CLOSED).view(np.bool_)


def _best_of_each_cell(records: Records) -> Records:
    # Mostly there is one of each, and to order them by every key takes longer than the rest of the merge.
    if len(np.unique(records["index"] << 16 | records["row"])) == len(records):
        return records
    values = (records[name] for name in reversed(_RANK))
    keys = (records["flags"] & FROM_REST == 0, *values, is_closed(records["flags"]), records["index"], records["row"])
    ordered: Records = records[np.lexsort(keys)]
    last = np.append((ordered["row"][1:] != ordered["row"][:-1]) | (ordered["index"][1:] != ordered["index"][:-1]), True)
    best: Records = ordered[last]
    return best
