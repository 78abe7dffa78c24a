"""Binance's public REST calls, paced by the weight limiter. Nothing is retried here: whoever asks decides."""

import logging
from types import TracebackType
from typing import Any, Self

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
        return int((await self._get("/api/v3/time", weight=1))["serverTime"])

    async def symbols(self, quote_asset: str) -> tuple[str, ...]:
        """The symbols one can trade now against `quote_asset`; also takes over the weight limit that is declared."""
        info = await self._get("/api/v3/exchangeInfo", weight=20, permissions="SPOT", showPermissionSets="false")
        for limit in info.get("rateLimits", ()):
            if limit["rateLimitType"] == "REQUEST_WEIGHT" and limit["interval"] == "MINUTE":
                self.limiter.set_limit(int(limit["limit"]) // int(limit.get("intervalNum", 1)))
        return tuple(item["symbol"] for item in info["symbols"] if _is_tradable(item, quote_asset))

    async def tickers(self) -> list[TickerEvent]:
        """Rolling 24 h statistics of every symbol that has traded in that time."""
        items = await self._get("/api/v3/ticker/24hr", weight=80)
        return [_ticker(item) for item in items if item.get("count", 1)]

    async def klines(self, symbol: str, interval: Interval, limit: int) -> Records:
        """The newest candles, oldest first, all flagged closed though the last one may still be open; `row` is left at 0."""
        rows = await self._get("/api/v3/klines", weight=2, symbol=symbol, interval=interval.value, limit=str(min(limit, MAX_KLINES)))
        return _candles(rows, interval)

    async def _get(self, path: str, *, weight: int, **parameters: str) -> Any:
        await self.limiter.acquire(weight)
        try:
            reply = await self._client.get(path, params=parameters)
        except httpx.HTTPError as error:
            raise UnavailableError(f"GET {path}: {type(error).__name__}: {error}") from error
        self.limiter.report(int(reply.headers.get("X-MBX-USED-WEIGHT-1M", 0)))
        self._raise_for(reply, path)
        try:
            return orjson.loads(reply.content)
        except orjson.JSONDecodeError as error:
            raise UnavailableError(f"GET {path}: the reply is not JSON") from error

    def _raise_for(self, reply: httpx.Response, path: str) -> None:
        if reply.is_success:
            return
        message = f"GET {path}: {reply.status_code} {reply.text[:200]}"
        if reply.status_code in (403, 418, 429):
            seconds = float(reply.headers.get("Retry-After", DEFAULT_RETRY_AFTER))
            self.limiter.pause(seconds)
            logger.warning("The exchange asks for a pause of %.0f s: %s", seconds, message)
        elif 400 <= reply.status_code < 500:
            raise RefusedError(message)
        raise UnavailableError(message)


def _is_tradable(item: dict[str, Any], quote_asset: str) -> bool:
    return item["status"] == "TRADING" and item["quoteAsset"] == quote_asset and bool(item.get("isSpotTradingAllowed"))


def _ticker(item: dict[str, Any]) -> TickerEvent:
    names = ("lastPrice", "openPrice", "highPrice", "lowPrice", "volume", "quoteVolume")
    last, opened, high, low, volume, quote_volume = (float(item[name]) for name in names)
    return TickerEvent(item["symbol"], int(item["closeTime"]), (last, opened, high, low, volume, quote_volume))


def _candles(rows: list[list[Any]], interval: Interval) -> Records:
    """A candle from REST counts as said at its close time, so that what the stream said at the close stands."""
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
