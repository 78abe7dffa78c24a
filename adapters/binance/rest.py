"""Binance's public REST calls, paced by the weight limiter. Nothing is retried here: whoever asks decides."""

import logging
import math
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import numpy as np
import orjson

from adapters.binance.market_frames import TickerEvent
from adapters.binance.weight import WeightLimiter
from adapters.candle_store import CANDLE, CLOSED, INTERVAL_CODES, VALUES, Records
from domain.errors import RefusedError, UnavailableError
from domain.market import Interval

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
MAX_KLINES = 1000
DEFAULT_RETRY_AFTER = 60.0
SHORTEST_PAUSE = 1.0
"""Seconds; an exchange that refuses and asks for no pause at all would be asked again at once."""
Reply = TypeVar("Reply")
# Columns of a kline row that are a candle's values, in the order of candle_store.VALUES.
_VALUE_POSITIONS = (1, 2, 3, 4, 5, 7, 8, 9)


class BinanceRest:
    """An async context manager. Raises UnavailableError when asking again may help and RefusedError when it will not."""

    def __init__(self, base_url: str, limiter: WeightLimiter | None = None) -> None:
        self.limiter = limiter or WeightLimiter()
        self._client = httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT_SECONDS, headers={"Accept-Encoding": "gzip"})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._client.aclose()

    async def server_time(self) -> int:
        """The exchange's clock, epoch milliseconds."""
        return await self._get("/api/v3/time", lambda reply: int(reply["serverTime"]), weight=1)

    async def symbols(self, quote_asset: str) -> tuple[str, ...]:
        """The symbols one can trade now against `quote_asset`; also takes over the weight limit that is declared."""

        def read(info: Any) -> tuple[str, ...]:
            for limit in info.get("rateLimits", ()):
                if limit["rateLimitType"] == "REQUEST_WEIGHT" and limit["interval"] == "MINUTE":
                    self.limiter.set_limit(int(limit["limit"]) // int(limit.get("intervalNum", 1)))
            return tuple(item["symbol"] for item in info["symbols"] if _is_tradable(item, quote_asset))

        return await self._get("/api/v3/exchangeInfo", read, weight=20, permissions="SPOT", showPermissionSets="false")

    async def tickers(self) -> list[TickerEvent]:
        """Rolling 24 h statistics of every symbol that has traded in that time."""
        return await self._get("/api/v3/ticker/24hr", lambda items: [_ticker(item) for item in items if item.get("count", 1)], weight=80)

    async def klines(self, symbol: str, interval: Interval, limit: int) -> Records:
        """The newest candles, oldest first, all flagged closed though the last one may still be open; `row` is left at 0."""
        wanted = {"symbol": symbol, "interval": interval.value, "limit": str(min(limit, MAX_KLINES))}
        return await self._get("/api/v3/klines", lambda rows: _candles(rows, interval), weight=2, **wanted)

    async def _get(self, path: str, read: Callable[[Any], Reply], *, weight: int, **parameters: str) -> Reply:
        await self.limiter.acquire(weight)
        try:
            reply = await self._client.get(path, params=parameters)
        except httpx.HTTPError as error:
            raise UnavailableError(f"GET {path}: {type(error).__name__}: {error}") from error
        self.limiter.report(int(_number(reply.headers.get("X-MBX-USED-WEIGHT-1M"), 0)))
        self._raise_for(reply, path)
        try:
            return read(orjson.loads(reply.content))
        except orjson.JSONDecodeError as error:
            raise UnavailableError(f"GET {path}: the reply is not JSON") from error
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise UnavailableError(f"GET {path}: the reply is not what Binance describes ({type(error).__name__}: {error})") from error

    def _raise_for(self, reply: httpx.Response, path: str) -> None:
        if reply.is_success:
            return
        message = f"GET {path}: {reply.status_code} {reply.text[:200]}"
        if reply.status_code in (403, 418, 429):
            seconds = max(SHORTEST_PAUSE, _number(reply.headers.get("Retry-After"), DEFAULT_RETRY_AFTER))
            self.limiter.pause(seconds)
            logger.warning("The exchange asks for a pause of %.0f s: %s", seconds, message)
        elif 400 <= reply.status_code < 500:
            raise RefusedError(message)
        raise UnavailableError(message)


def _number(header: str | None, otherwise: float) -> float:
    """A header's number. `Retry-After` may be a date, too, and a proxy may say anything."""
    try:
        told = float(header or otherwise)
    except ValueError:
        return otherwise
    return told if math.isfinite(told) else otherwise


def _is_tradable(item: dict[str, Any], quote_asset: str) -> bool:
    return item["status"] == "TRADING" and item["quoteAsset"] == quote_asset and bool(item.get("isSpotTradingAllowed"))


def _ticker(item: dict[str, Any]) -> TickerEvent:
    names = ("lastPrice", "openPrice", "highPrice", "lowPrice", "volume", "quoteVolume")
    last, opened, high, low, volume, quote_volume = (float(item[name]) for name in names)
    return TickerEvent(item["symbol"], int(item["closeTime"]), (last, opened, high, low, volume, quote_volume))


def _candles(rows: Any, interval: Interval) -> Records:
    """A candle from REST counts as said at its close time, so that what the stream said at the close stands."""
    if not isinstance(rows, list):
        raise TypeError("no list of candles")
    width = interval.milliseconds
    on_grid = [row for row in rows if row[0] % width == 0]
    records = np.zeros(len(on_grid), CANDLE)
    records["interval"] = INTERVAL_CODES[interval]
    records["flags"] = CLOSED
    records["index"] = [row[0] // width for row in on_grid]
    records["event_time"] = (records["index"] + 1) * width
    for name, position in zip(VALUES, _VALUE_POSITIONS, strict=True):
        records[name] = [float(row[position]) for row in on_grid]
    return records
