"""One connection to the feeder, without the socket: its messages in, a consistent CandleStore out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.candle_store import LAST_RANK, STATUS_CODES, CandleStore, IntervalCandles, Records, by_interval
from adapters.feeder_protocol import (
    ROW_BEGIN,
    Candles,
    Heartbeat,
    Hello,
    Listing,
    Message,
    ProtocolError,
    Rows,
    SnapshotChunk,
    Symbols,
    Tickers,
    TickerSnapshot,
    decode,
)
from adapters.tickers import TickerTable
from domain.market import Interval, SymbolStatus


@dataclass(frozen=True, slots=True)
class Arrival:
    """Closed candles of an interval arrived: the newest index, and how many symbols had its predecessor but lack it."""

    interval: Interval
    newest: int
    missing: int


class FeederSession:
    """Brings the store up to date from a snapshot, then from the messages that follow it.

    An interval keeps its old contents until its new snapshot is whole, then changes at once. Rows of the store keep their places: the
    feeder's rows are mapped by symbol. Raises ProtocolError when a message is missing; then only a new session helps.
    """

    def __init__(self, store: CandleStore) -> None:
        self._store = store
        self._rows = np.empty(0, np.int64)
        self._frames: dict[Interval, IntervalCandles] = {}
        self._seq = -1
        self._is_listed = False

    def receive(self, raw: bytes) -> tuple[Message, tuple[Arrival, ...]]:
        """Apply one message; what it was, and which intervals have other closed candles than before."""
        message = decode(raw)
        self._check_sequence(message)
        before = {interval: frame.version for interval, frame in self._store.frames.items()}
        self._apply(message)
        self._store.seq = self._seq = message.seq
        changed = (frame for interval, frame in self._store.frames.items() if frame.version != before[interval])
        return message, tuple(_arrival(frame) for frame in changed)

    def _check_sequence(self, message: Message) -> None:
        if isinstance(message, Hello):
            return
        is_first_listing = isinstance(message, Listing) and not self._is_listed
        expected = self._seq + (isinstance(message, Candles | Tickers | Rows | Symbols | Listing) and not is_first_listing)
        if self._seq < 0 or message.seq != expected:
            raise ProtocolError(f"Expected message {expected} of the feeder and got {message.seq}")

    def _apply(self, message: Message) -> None:
        match message:
            case Hello(symbols=symbols) | Symbols(symbols=symbols):
                self._append(symbols)
            case SnapshotChunk():
                self._load(message)
            case Candles(records=records) | Rows(records=records):
                self._update(self._at_own_rows(records))
            case Tickers(records=records):
                self._store.tickers.apply(self._at_own_rows(records))
            case TickerSnapshot(records=records):
                self._store.tickers = TickerTable()
                self._store.tickers.append(len(self._store.symbols))
                self._store.tickers.apply(self._at_own_rows(records))
            case Listing():
                self._list(message)
            case Heartbeat():
                pass

    def _list(self, listing: Listing) -> None:
        self._is_listed = True
        rows = len(self._store.symbols)
        status = np.full(rows, STATUS_CODES[SymbolStatus.ABSENT], np.uint8)
        rank = np.full(rows, LAST_RANK, np.uint16)
        status[self._rows], rank[self._rows] = listing.statuses, listing.ranks
        self._store.set_listing(status, rank)

    def _at_own_rows(self, records: Records) -> Records:
        records = records.copy()
        records["row"] = self._rows[records["row"]]
        return records

    def _update(self, records: Records) -> None:
        for interval, part in by_interval(records):
            frame = self._frames.get(interval)
            if frame is None:
                continue  # its snapshot is still to come and will include this
            if part.dtype == ROW_BEGIN:
                _set_begin(frame, part["row"].astype(np.int64), part["begin"])
            else:
                frame.apply(part)

    def _append(self, symbols: tuple[str, ...]) -> None:
        new = self._store.append(symbols)
        for frame in self._frames.values():
            if frame is not self._store.frames[frame.interval]:
                frame.append(len(new))
        self._rows = np.append(self._rows, [self._store.rows[symbol] for symbol in symbols]).astype(np.int64)

    def _load(self, chunk: SnapshotChunk) -> None:
        if chunk.interval not in self._frames:
            self._frames[chunk.interval] = IntervalCandles(chunk.interval, len(self._store.symbols))
        frame = self._frames[chunk.interval]
        frame.load(self._rows[chunk.first_row : chunk.first_row + len(chunk.block.begin)], chunk.block)
        if chunk.last:
            frame.version += self._store.frames[chunk.interval].version
            self._store.frames[chunk.interval] = frame


def _set_begin(frame: IntervalCandles, rows: NDArray[np.int64], begin: NDArray[np.int64]) -> None:
    is_known = begin >= 0
    frame.forget(rows[~is_known])
    frame.set_begin(rows[is_known], begin[is_known])


def _arrival(frame: IntervalCandles) -> Arrival:
    newest = int(frame.closed_through.max(initial=-1))
    missing = int(np.count_nonzero(frame.closed_through == newest - 1)) if newest > 0 else 0
    return Arrival(frame.interval, newest, missing)
