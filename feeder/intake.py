"""What arrives from the exchange, merged into the store and gathered for the clients. Nothing here touches a socket."""

import logging
import time
from collections.abc import Callable, Iterable

import numpy as np

from adapters.binance.market_frames import Acknowledgement, KlineEvent, Shutdown, TickerEvent, WireError, parse_frame
from adapters.candle_store import CANDLE, CLOSED, FROM_REST, INTERVAL_CODES, INTERVALS, VALUES, CandleStore, Records
from adapters.tickers import TICKER
from domain.market import Interval
from feeder.liveness import StreamLiveness
from feeder.statistics import FeederStatistics

_TRADES = VALUES.index("trades")
SETTLING_MILLISECONDS = 2_000
"""A candle from REST is trusted this long after its close (market time): the exchange's database lags its streams."""


logger = logging.getLogger(__name__)


def final_candles(records: Records, interval: Interval, asked_at: int) -> Records:
    """Those of the candles from REST that were closed for good when the exchange's clock showed `asked_at`, epoch milliseconds."""
    final: Records = records[records["index"] < (asked_at - SETTLING_MILLISECONDS) // interval.milliseconds]
    return final


class Intake:
    """The feeder's market. `as_of` is the newest event time of the exchange in epoch milliseconds: it may run faster than our clock."""

    def __init__(self, store: CandleStore, statistics: FeederStatistics, clock: Callable[[], float] = time.monotonic) -> None:
        self.as_of = 0
        self.liveness = StreamLiveness(clock)
        self._store = store
        self._statistics = statistics
        self._clock = clock
        self.has_heard = False
        """Whether the streams have brought a candle or a ticker."""
        self._heard_at = clock()
        self._closed: list[tuple[float, ...]] = []
        self._forming: dict[tuple[int, Interval, int], tuple[float, ...]] = {}
        self._tickers: dict[int, tuple[float, ...]] = {}
        self._oldest_closed_at = 0.0
        self._oldest_forming_at = 0.0

    def age(self) -> float:
        """Seconds since the streams last brought a candle or a ticker."""
        return self._clock() - self._heard_at

    def restore(self, as_of: int, age: float) -> None:
        """Go on from a saved market of which the streams last brought something `age` seconds ago."""
        self.note_time(as_of)
        self._heard_at = self._clock() - age

    def note_time(self, server_time: int) -> None:
        """Take note of the exchange's clock, epoch milliseconds."""
        self.as_of = max(self.as_of, server_time)

    @property
    def has_closed(self) -> bool:
        """Whether closed candles wait to be taken."""
        return bool(self._closed)

    def receive(self, raw: bytes) -> Acknowledgement | Shutdown | None:
        """Take in one frame; returns what the connection has to deal with. Never raises for what the exchange sends."""
        self._statistics.frames += 1
        try:
            frame = parse_frame(raw)
        except WireError:
            self._statistics.malformed_frames += 1
            return None
        match frame:
            case KlineEvent():
                self._note_arrival()
                self._receive_kline(frame)
            case list():
                self._note_arrival()
                self.receive_tickers(frame)
            case None:
                self._statistics.ignored_frames += 1
            case Acknowledgement() | Shutdown():
                return frame
        return None

    def receive_tickers(self, tickers: Iterable[TickerEvent]) -> None:
        """Take in tickers; those of unknown symbols are left out."""
        for symbol, event_time, values in tickers:
            self.as_of = max(self.as_of, event_time)
            row = self._store.rows.get(symbol)
            if row is not None:
                self._tickers[row] = (row, event_time, *values)

    def take_closed(self) -> tuple[Records, float]:
        """Merge the closed candles gathered so far; those, and the wall clock (epoch seconds) when the first of them arrived."""
        records = np.array(self._closed, CANDLE)
        self._closed.clear()
        self._statistics.closed_candles += len(records)
        self._apply(records)
        return records, self._oldest_closed_at

    def take_forming(self) -> tuple[Records, float]:
        """Merge the newest state of each forming candle that changed; those, and the wall clock when the first change arrived."""
        records = np.array(list(self._forming.values()), CANDLE)
        self._forming.clear()
        self._apply(records)
        return records, self._oldest_forming_at

    def take_tickers(self) -> Records:
        """Merge the newest state of each ticker that changed; those."""
        records = np.array(list(self._tickers.values()), TICKER)
        self._tickers.clear()
        self._store.tickers.apply(records)
        return records

    def fill(self, row: int, interval: Interval, records: Records, asked_at: int) -> tuple[Records, bool]:
        """Merge what REST told of a row when `as_of` was `asked_at`; the candles taken over, and whether the row's begin moved.

        Where the exchange tells another past than is known, that is dropped, and the row waits for its whole history again.
        """
        if not len(records):
            return records, False
        records["row"] = row
        records["flags"] |= FROM_REST
        final = final_candles(records, interval, asked_at)
        first = int(records["index"][0])
        frame = self._store.frame(interval)
        if frame.contradicts(row, final):
            logger.warning(
                "The exchange tells another past of %s than we know: its %s candles are dropped", self._store.symbols[row], interval
            )
            frame.forget(np.array([row]))
            return final[:0], True
        self.liveness.repaired(row, interval, final, asked_at)
        if len(final):
            self._apply(final)
        moved = frame.confirm(row, first, int(final["index"][-1]) if len(final) else first - 1)
        return final, moved

    def _note_arrival(self) -> None:
        self.has_heard = True
        self._heard_at = self._clock()

    def _apply(self, records: Records) -> None:
        for candle in self._store.apply(records):
            logger.warning(
                "The exchange corrected the closed %s candle %d of %s",
                INTERVALS[candle["interval"]],
                candle["index"],
                self._store.symbols[candle["row"]],
            )

    def _receive_kline(self, event: KlineEvent) -> None:
        symbol, interval, index, event_time, closed, values = event
        self.as_of = max(self.as_of, event_time)
        row = self._store.rows.get(symbol)
        if row is None:
            self._statistics.ignored_frames += 1
            return
        code = INTERVAL_CODES[interval]
        self.liveness.heard(row, code, self._heard_at, event_time, traded=not closed and values[_TRADES] > 0)
        record = (row, code, CLOSED if closed else 0, index, event_time, *values)
        if not closed:
            if not self._forming:
                self._oldest_forming_at = time.time()
            self._forming[row, interval, index] = record
            return
        if not self._closed:
            self._oldest_closed_at = time.time()
        self._closed.append(record)
        self._forming.pop((row, interval, index), None)
