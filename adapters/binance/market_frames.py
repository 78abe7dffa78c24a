"""Parses the frames of Binance's market streams: unknown fields are ignored, unknown events are `None`, nonsense is a WireError."""

from typing import Any, NamedTuple

import orjson

from domain.market import Interval

_INTERVALS = {interval.value: (interval, interval.milliseconds) for interval in Interval}


class WireError(ValueError):
    """The exchange sent something that makes no sense; the message says what."""


class KlineEvent(NamedTuple):
    """A candle as the stream pushes it. `values` are open, high, low, close, volume, quote volume, trades, taker buy volume, its quote."""

    symbol: str
    interval: Interval
    candle_index: int
    event_time: int
    closed: bool
    values: tuple[float, float, float, float, float, float, float, float, float]


class TickerEvent(NamedTuple):
    """A symbol's rolling 24 h statistics. `values` are last, open, high, low, volume, quote volume."""

    symbol: str
    event_time: int
    values: tuple[float, float, float, float, float, float]


class Acknowledgement(NamedTuple):
    """The reply to a control frame; `error` is empty when it was accepted. `streams` is what LIST_SUBSCRIPTIONS asked for."""

    id: int
    error: str
    streams: tuple[str, ...] = ()


class Shutdown(NamedTuple):
    """The server is about to close this connection."""


MarketFrame = KlineEvent | list[TickerEvent] | Acknowledgement | Shutdown | None


def parse_frame(raw: bytes | str) -> MarketFrame:
    """What one frame says, whether raw or wrapped by a combined stream. Raises WireError."""
    try:
        message = orjson.loads(raw)
        data = message.get("data", message) if isinstance(message, dict) else message
        if isinstance(data, list):
            return [_parse_ticker(item) for item in data if item.get("e") == "24hrMiniTicker"]
        return _parse_event(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WireError(f"{type(error).__name__}: {error} in {raw[:200]!r}") from error


def _parse_event(data: dict[str, Any]) -> MarketFrame:
    match data.get("e"):
        case "kline":
            return _parse_kline(data)
        case "24hrMiniTicker":
            return [_parse_ticker(data)]
        case "serverShutdown":
            return Shutdown()
        case None if "id" in data:
            # The documentation shows flat errors, the server is reported to nest them.
            error = data.get("error") or ({"code": data["code"], "msg": data.get("msg")} if "code" in data else None)
            return Acknowledgement(int(data["id"]), str(error) if error else "", tuple(data.get("result") or ()))
    return None


def _parse_kline(data: dict[str, Any]) -> KlineEvent | None:
    kline = data["k"]
    known = _INTERVALS.get(kline["i"])
    if known is None:
        return None
    interval, width = known
    index, offset = divmod(kline["t"], width)
    event_time = data["E"]
    if offset or event_time < kline["t"]:
        raise WireError(f"open time {kline['t']} is off the {interval} grid or after its event time {event_time}")
    return KlineEvent(
        data["s"],
        interval,
        index,
        event_time,
        bool(kline["x"]),
        (
            float(kline["o"]),
            float(kline["h"]),
            float(kline["l"]),
            float(kline["c"]),
            float(kline["v"]),
            float(kline["q"]),
            float(kline["n"]),
            float(kline["V"]),
            float(kline["Q"]),
        ),
    )


def _parse_ticker(data: dict[str, Any]) -> TickerEvent:
    return TickerEvent(
        data["s"],
        data["E"],
        (float(data["c"]), float(data["o"]), float(data["h"]), float(data["l"]), float(data["v"]), float(data["q"])),
    )
