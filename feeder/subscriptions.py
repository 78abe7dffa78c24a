"""Which streams to subscribe to, over which connection, in which control frames. Nothing here touches a socket."""

from collections.abc import Iterable, Iterator, Sequence

import orjson

from domain.market import Interval

TICKER_STREAM = "!miniTicker@arr"
STREAMS_PER_CONNECTION = 900
"""Binance allows 1024."""
STREAMS_PER_FRAME = 150
LONGEST_FRAME = 3_100
"""Bytes; frames over 4096 are reported to be ignored without a reply."""
SECONDS_BETWEEN_FRAMES = 0.25
"""Five messages in a second close the connection, pongs included."""


def kline_streams(symbols: Iterable[str]) -> list[str]:
    """The streams of the candles of these symbols. Binance ignores names in upper case without a word."""
    return [f"{symbol.lower()}@kline_{interval}" for symbol in symbols for interval in Interval]


def shards(streams: Sequence[str]) -> list[list[str]]:
    """The streams of each connection."""
    return [list(streams[start : start + STREAMS_PER_CONNECTION]) for start in range(0, len(streams), STREAMS_PER_CONNECTION)]


def subscribe_frames(streams: Sequence[str]) -> Iterator[tuple[int, bytes]]:
    """Control frames with their ids, each within both limits."""
    batch: list[str] = []
    number = 1
    for stream in streams:
        if len(batch) == STREAMS_PER_FRAME or len(_frame([*batch, stream], number)) > LONGEST_FRAME:
            yield number, _frame(batch, number)
            number, batch = number + 1, []
        batch.append(stream)
    if batch:
        yield number, _frame(batch, number)


def _frame(streams: list[str], number: int) -> bytes:
    return orjson.dumps({"method": "SUBSCRIBE", "params": streams, "id": number})
