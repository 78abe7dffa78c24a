"""Who listens to which stream, and the fan-out: a frame is built once and its bytes go to every subscriber."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from domain.market import Interval
from local.exchange.candles import Integers, Listing
from local.exchange.wire import in_microseconds

ALL_MINI_TICKERS = "!miniTicker@arr"
MINI_TICKER, TICKER = "miniTicker", "ticker"
_SHORT, _MEDIUM = 125, 65_535


@dataclass(frozen=True, eq=False)
class Form:
    """How a connection wants its frames: wrapped with their stream's name or raw, with times in microseconds or milliseconds."""

    combined: bool
    microseconds: bool

    def text(self, stream: str, payload: str) -> str:
        """A frame's text."""
        payload = in_microseconds(payload) if self.microseconds else payload
        return f'{{"stream":"{stream}","data":{payload}}}' if self.combined else payload


FORMS = {(combined, microseconds): Form(combined, microseconds) for combined in (False, True) for microseconds in (False, True)}
"""The only instances there are: they are compared by identity."""


class Subscriber(Protocol):
    """A connection, as the hub sees it."""

    form: Form

    def enqueue(self, frame: bytes) -> None:
        """Take a frame for the next flush."""

    def flush(self) -> None:
        """Send what was taken."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """What a stream says to one connection."""

    to: Subscriber
    stream: str
    text: str
    closed: bool
    """Whether it is the last frame of a candle."""


def kline(interval: Interval) -> str:
    """The part of a stream's name after the symbol."""
    return f"kline_{interval}"


class Hub:
    """Subscriptions by stream name. A stream that does not exist can be subscribed to, as on Binance, and stays silent."""

    def __init__(self, listings: Sequence[Listing], intervals: Iterable[Interval]) -> None:
        self.frames_sent = 0
        self.tamper: Callable[[Frame], None] | None = None
        """Where frames go instead of to their connections, as long as something is to happen to them on the way."""
        self._names = [listing.symbol.lower() for listing in listings]
        kinds = (*map(kline, intervals), MINI_TICKER, TICKER)
        self._places = {f"{name}@{kind}": (kind, row) for kind in kinds for row, name in enumerate(self._names)}
        self._subscribers: dict[str, set[Subscriber]] = defaultdict(set)
        self._rows: dict[str, Integers] = {}
        self._touched: set[Subscriber] = set()

    @property
    def stream_count(self) -> int:
        """Streams somebody listens to."""
        return len(self._subscribers)

    def exists(self, stream: str) -> bool:
        """Whether the stream can ever say anything."""
        return stream == ALL_MINI_TICKERS or stream in self._places

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

    def forget(self, stream: str) -> int:
        """Send no more to anybody who listens now, though their connections do not know; returns how many that were."""
        self._rows.clear()
        return len(self._subscribers.pop(stream, ()))

    def rows(self, kind: str) -> Integers:
        """The rows whose stream of this kind somebody listens to, ascending."""
        if kind not in self._rows:
            places = (self._places[stream] for stream in self._subscribers if stream in self._places)
            self._rows[kind] = np.array(sorted(row for found, row in places if found == kind), dtype=np.int64)
        return self._rows[kind]

    def wants_all_tickers(self) -> bool:
        """Whether somebody listens to the array of all mini tickers."""
        return ALL_MINI_TICKERS in self._subscribers

    def publish(self, kind: str, rows: Integers, payloads: Iterable[str], *, closed: bool = False) -> None:
        """Send one payload per row to whoever listens."""
        for row, payload in zip(rows.tolist(), payloads, strict=True):
            self._publish(f"{self._names[row]}@{kind}", payload, closed=closed)
        self.flush()

    def publish_all_tickers(self, payloads: Iterable[str]) -> None:
        """Send the array of mini tickers to whoever listens."""
        self._publish(ALL_MINI_TICKERS, f"[{','.join(payloads)}]", closed=False)
        self.flush()

    def deliver(self, frame: Frame) -> None:
        """Take a frame for the next flush, if its connection still listens to the stream."""
        if frame.to in self._subscribers.get(frame.stream, ()):
            self._enqueue(frame.to, text_frame(frame.text.encode()))

    def flush(self) -> None:
        """Send what the connections have taken."""
        for subscriber in self._touched:
            subscriber.flush()
        self._touched.clear()

    def _publish(self, stream: str, payload: str, *, closed: bool) -> None:
        subscribers = self._subscribers.get(stream, ())
        if self.tamper is not None:
            for subscriber in subscribers:
                self.tamper(Frame(to=subscriber, stream=stream, text=subscriber.form.text(stream, payload), closed=closed))
            return
        frames: dict[Form, bytes] = {}
        for subscriber in subscribers:
            if (frame := frames.get(subscriber.form)) is None:
                frame = frames[subscriber.form] = text_frame(subscriber.form.text(stream, payload).encode())
            self._enqueue(subscriber, frame)

    def _enqueue(self, subscriber: Subscriber, frame: bytes) -> None:
        subscriber.enqueue(frame)
        self._touched.add(subscriber)
        self.frames_sent += 1


def text_frame(payload: bytes) -> bytes:
    """An unmasked, unfragmented WebSocket text frame (RFC 6455, 5.2)."""
    size = len(payload)
    if size <= _SHORT:
        return bytes((0x81, size)) + payload
    if size <= _MEDIUM:
        return b"\x81\x7e" + size.to_bytes(2) + payload
    return b"\x81\x7f" + size.to_bytes(8) + payload
