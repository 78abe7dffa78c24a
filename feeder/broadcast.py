"""Hands every message to every client, in order, and never waits for any of them."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from uuid import uuid4

import numpy as np

from adapters.candle_store import CandleStore, Records
from adapters.feeder_protocol import (
    ROW_BEGIN,
    Candles,
    Heartbeat,
    Hello,
    Listing,
    Message,
    Rows,
    SnapshotChunk,
    Status,
    Symbols,
    Tickers,
    TickerSnapshot,
    encode,
)
from domain.market import Interval, Market
from feeder.statistics import FeederStatistics

logger = logging.getLogger(__name__)

ROWS_PER_CHUNK = 32


class Client:
    """What waits to be sent to one client: the messages, and the parts of the snapshot, which are made only when asked for."""

    def __init__(self, hello: bytes, snapshot: Iterator[bytes], queue_limit: int) -> None:
        self.snapshot = snapshot
        self.overflowed = asyncio.Event()
        self._queue = deque([hello])
        self._waiting_bytes = len(hello)
        self._limit = queue_limit
        self._filled = asyncio.Event()
        self._filled.set()

    @property
    def waiting_bytes(self) -> int:
        """Bytes in the queue."""
        return self._waiting_bytes

    @property
    def waiting_messages(self) -> int:
        """Messages in the queue."""
        return len(self._queue)

    def offer(self, message: bytes) -> bool:
        """Queue a message. False, and nothing is kept, once the client is too far behind."""
        if self.overflowed.is_set():
            return True
        self._waiting_bytes += len(message)
        if self._waiting_bytes > self._limit:
            self._queue.clear()
            self.overflowed.set()
            return False
        self._queue.append(message)
        self._filled.set()
        return True

    def take(self) -> bytes | None:
        """The next message; `None` when there is none."""
        if not self._queue:
            self._filled.clear()
            return None
        message = self._queue.popleft()
        self._waiting_bytes -= len(message)
        return message

    async def filled(self) -> None:
        """Return when there is a message."""
        await self._filled.wait()


class Broadcast:
    """Numbers what changed in the store and queues it for every client; snapshots are made part by part when a client is ready for one.

    `queue_limit` is how many bytes may wait for one client besides the part of the snapshot that is being sent.
    """

    def __init__(
        self,
        store: CandleStore,
        market: Market,
        statistics: FeederStatistics,
        status: Callable[[], Status],
        *,
        queue_limit: int,
    ) -> None:
        self.clients: set[Client] = set()
        self.epoch = str(uuid4())
        self._store = store
        self._market = market
        self._statistics = statistics
        self._status = status
        self._queue_limit = queue_limit

    def join(self) -> Client:
        """A client that will be told everything from now on, beginning with a snapshot."""
        hello = encode(Hello(self._store.seq, self.epoch, self._market, self._store.symbols))
        client = Client(hello, self._snapshot(), self._queue_limit)
        client.offer(encode(self._listing(self._store.seq)))
        self.clients.add(client)
        return client

    def leave(self, client: Client) -> None:
        """Forget a client."""
        self.clients.discard(client)

    async def next_message(self, client: Client) -> bytes:
        """What to send next. A part of the snapshot is made only when nothing waits: it includes exactly what was sent before."""
        while True:
            if (message := client.take()) is not None:
                return message
            if (part := next(client.snapshot, None)) is not None:
                return part
            await client.filled()

    def candles(self, records: Records, received_at: float = 0.0) -> None:
        """Tell of candles that were merged; `received_at` (epoch seconds) where their speed matters."""
        if len(records):
            self._publish(Candles(self._advance(), self._status(), received_at, records))
            if received_at:
                self._statistics.note_publish_delay(time.time() - received_at)

    def tickers(self, records: Records) -> None:
        """Tell of tickers that were merged."""
        if len(records):
            self._publish(Tickers(self._advance(), self._status(), records))

    def row_begin(self, interval_code: int, row: int, begin: int) -> None:
        """Tell that a row's history begins elsewhere now."""
        self._publish(Rows(self._advance(), self._status(), np.array([(interval_code, row, begin)], ROW_BEGIN)))

    def symbols(self, new: tuple[str, ...]) -> None:
        """Tell of appended rows."""
        if new:
            self._publish(Symbols(self._advance(), new))

    def listing(self) -> None:
        """Tell the status and the rank of every row."""
        self._publish(self._listing(self._advance()))

    def heartbeat(self) -> None:
        """Tell how fresh the market is."""
        self._publish(Heartbeat(self._store.seq, self._status()))

    def greeting(self) -> bytes:
        """How a connection begins that gets nothing but heartbeats."""
        return encode(Hello(self._store.seq, self.epoch, self._market, ()))

    def pulse(self) -> bytes | None:
        """A heartbeat for such a connection; `None` while there is no market that could be followed."""
        status = self._status()
        return encode(Heartbeat(self._store.seq, status)) if status.as_of and self._store.symbols else None

    def _listing(self, seq: int) -> Listing:
        return Listing(seq, self._status(), self._store.status, self._store.rank)

    def _advance(self) -> int:
        self._store.seq += 1
        return self._store.seq

    def _publish(self, message: Message) -> None:
        raw = encode(message)
        self._statistics.messages_published += 1
        self._statistics.bytes_published += len(raw) * len(self.clients)
        for client in self.clients:
            if not client.offer(raw):
                self._statistics.clients_cut += 1
                logger.warning("A client is cut: more than %d bytes wait for it", self._queue_limit)

    def _snapshot(self) -> Iterator[bytes]:
        for interval in Interval:
            start, last = 0, False
            while not last:
                end = start + ROWS_PER_CHUNK
                last = end >= len(self._store.symbols)
                block = self._store.frame(interval).block(slice(start, end))
                yield encode(SnapshotChunk(self._store.seq, interval, start, last, block))
                start = end
        self._statistics.snapshots_sent += 1
        yield encode(TickerSnapshot(self._store.seq, self._store.tickers.records()))
