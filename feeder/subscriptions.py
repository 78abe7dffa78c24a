"""Which streams there are, which connection receives which, and the control frames that say so. Nothing here touches a socket."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from itertools import count

import orjson

from domain.market import Interval

TICKER_STREAM = "!miniTicker@arr"
STREAMS_PER_CONNECTION = 900
"""Binance allows 1024."""
STREAMS_PER_FRAME = 150
LONGEST_FRAME = 3_100
"""Bytes; frames over 4096 are reported to be ignored without a reply."""


class Method(StrEnum):
    """What a control frame asks for."""

    SUBSCRIBE = "SUBSCRIBE"
    UNSUBSCRIBE = "UNSUBSCRIBE"
    LIST = "LIST_SUBSCRIPTIONS"


def kline_stream(symbol: str, interval: Interval) -> str:
    """The stream of a symbol's candles. Binance ignores names in upper case without a word."""
    return f"{symbol.lower()}@kline_{interval}"


def kline_streams(symbols: Iterable[str]) -> list[str]:
    """The streams of the candles of these symbols, symbol by symbol."""
    return [kline_stream(symbol, interval) for symbol in symbols for interval in Interval]


def assign(present: Mapping[int, Iterable[str]], wanted: Iterable[str]) -> dict[int, list[str]]:
    """The streams of each connection's shard by the shard's number: every wanted stream once, at most 900 together.

    A stream that has a shard stays there. New ones fill the shards that have room, then shards with new numbers; shards that are left
    with nothing are gone.
    """
    new = dict.fromkeys(wanted)
    plan = {number: [stream for stream in streams if stream in new] for number, streams in present.items()}
    for kept in plan.values():
        for stream in kept:
            del new[stream]
    waiting = list(new)
    for shard in plan.values():
        room = STREAMS_PER_CONNECTION - len(shard)
        shard.extend(waiting[:room])
        waiting = waiting[room:]
    numbers = count(max(present, default=0) + 1)
    for start in range(0, len(waiting), STREAMS_PER_CONNECTION):
        plan[next(numbers)] = waiting[start : start + STREAMS_PER_CONNECTION]
    return {number: streams for number, streams in plan.items() if streams}


def control_frame(method: Method, streams: Iterable[str], number: int) -> bytes:
    """One control frame; `number` comes back with the reply."""
    parameters = {} if method is Method.LIST else {"params": list(streams)}
    return orjson.dumps({"method": method, **parameters, "id": number})


def first_batch(streams: Iterable[str]) -> tuple[str, ...]:
    """As many of the first streams as one control frame may hold, by number and by bytes."""
    batch: list[str] = []
    size = _LONGEST_ENVELOPE
    for stream in streams:
        size += len(orjson.dumps(stream)) + 1
        if len(batch) == STREAMS_PER_FRAME or size > LONGEST_FRAME:
            break
        batch.append(stream)
    return tuple(batch)


_LONGEST_ENVELOPE = len(control_frame(Method.UNSUBSCRIBE, (), 2**31))
