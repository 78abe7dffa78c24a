"""Who listens to which stream, and the fan-out: a frame is built once and its bytes go to every subscriber."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from domain.market import Interval
from local.exchange.candles import Integers, Listing

ALL_MINI_TICKERS = "!miniTicker@arr"
_SHORT, _MEDIUM = 125, 65_535


class Subscriber(Protocol):
    """A connection, as the hub sees it."""

    combined: bool
    """Whether frames are wrapped with their stream's name."""

    def enqueue(self, frame: bytes) -> None:
        """Take a frame for the next flush."""

    def flush(self) -> None:
        """Send what was taken."""


class Hub:
    """Subscriptions by stream name. A stream that does not exist can be subscribed to, as on Binance, and stays silent."""

    def __init__(self, listings: Sequence[Listing], intervals: Iterable[Interval]) -> None:
        self.frames_sent = 0
        self._names = [listing.symbol.lower() for listing in listings]
        self._kline_rows = {f"{name}@kline_{interval}": (interval, row) for interval in intervals for row, name in enumerate(self._names)}
        self._ticker_rows = {f"{name}@miniTicker": row for row, name in enumerate(self._names)}
        self._subscribers: dict[str, set[Subscriber]] = defaultdict(set)
        self._rows: dict[Interval | None, Integers] = {}
        self._touched: set[Subscriber] = set()

    @property
    def stream_count(self) -> int:
        """Streams somebody listens to."""
        return len(self._subscribers)

    def subscribe(self, stream: str, subscriber: Subscriber) -> None:
        """From now on, send this stream's frames. Repeating it changes nothing."""
        self._subscribers[stream].add(subscriber)
        self._rows.clear()

    def unsubscribe(self, stream: str, subscriber: Subscriber) -> None:
        """Send no more. Repeating it changes nothing."""
        self._subscribers[stream].discard(subscriber)
        if not self._subscribers[stream]:
            del self._subscribers[stream]
        self._rows.clear()

    def kline_rows(self, interval: Interval) -> Integers:
        """The rows whose klines of this interval somebody listens to, ascending."""
        if interval not in self._rows:
            self._rows[interval] = self._listened(
                row for name, (kind, row) in self._kline_rows.items() if kind is interval and name in self._subscribers
            )
        return self._rows[interval]

    def ticker_rows(self) -> Integers:
        """The rows whose own mini ticker somebody listens to, ascending."""
        if None not in self._rows:
            self._rows[None] = self._listened(row for name, row in self._ticker_rows.items() if name in self._subscribers)
        return self._rows[None]

    def wants_all_tickers(self) -> bool:
        """Whether somebody listens to the array of all mini tickers."""
        return ALL_MINI_TICKERS in self._subscribers

    def publish_klines(self, interval: Interval, rows: Integers, payloads: Iterable[str]) -> None:
        """Send one payload per row to whoever listens."""
        for row, payload in zip(rows.tolist(), payloads, strict=True):
            self._publish(f"{self._names[row]}@kline_{interval}", payload)
        self._flush()

    def publish_tickers(self, rows: Integers, payloads: Iterable[str]) -> None:
        """Send one payload per row to whoever listens."""
        for row, payload in zip(rows.tolist(), payloads, strict=True):
            self._publish(f"{self._names[row]}@miniTicker", payload)
        self._flush()

    def publish_all_tickers(self, payloads: Iterable[str]) -> None:
        """Send the array of mini tickers to whoever listens."""
        self._publish(ALL_MINI_TICKERS, f"[{','.join(payloads)}]")
        self._flush()

    def _listened(self, rows: Iterable[int]) -> Integers:
        return np.array(sorted(rows), dtype=np.int64)

    def _publish(self, stream: str, payload: str) -> None:
        frames: dict[bool, bytes] = {}
        for subscriber in self._subscribers.get(stream, ()):
            if (frame := frames.get(subscriber.combined)) is None:
                text = f'{{"stream":"{stream}","data":{payload}}}' if subscriber.combined else payload
                frame = frames[subscriber.combined] = text_frame(text.encode())
            subscriber.enqueue(frame)
            self._touched.add(subscriber)
            self.frames_sent += 1

    def _flush(self) -> None:
        for subscriber in self._touched:
            subscriber.flush()
        self._touched.clear()


def text_frame(payload: bytes) -> bytes:
    """An unmasked, unfragmented WebSocket text frame (RFC 6455, 5.2)."""
    size = len(payload)
    if size <= _SHORT:
        return bytes((0x81, size)) + payload
    if size <= _MEDIUM:
        return b"\x81\x7e" + size.to_bytes(2) + payload
    return b"\x81\x7f" + size.to_bytes(8) + payload
