"""Binance's public REST calls, paced by the weight limiter. Nothing is retried here: whoever asks decides."""

import asyncio
import logging
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import httpx
import numpy as np
import orjson

from adapters.binance.listings import ListedSymbol, parse_listings, weight_limit
from adapters.binance.market_frames import TickerEvent
from adapters.binance.refusals import REFUSALS, header_number, pause_demanded
from adapters.binance.weight import Lane, WeightLimiter
from adapters.candle_store import CANDLE, CLOSED, INTERVAL_CODES, VALUES, Records
from domain.errors import RefusedError, UnavailableError
from domain.market import Interval

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
"""Without a sign of life from the exchange."""
WHOLE_REPLY_SECONDS = 30.0
MAX_KLINES = 1000
Reply = TypeVar("Reply")
# Columns of a kline row that are a candle's values, in the order of candle_store.VALUES.
_VALUE_POSITIONS = (1, 2, 3, 4, 5, 7, 8, 9, 10)


class TimeSample(NamedTuple):
    """The exchange's clock (epoch milliseconds), by how many seconds it is ahead of ours, and how many seconds the answer took."""

    time: int
    offset: float
    round_trip: float


class BinanceRest:
    """An async context manager. Raises UnavailableError when asking again may help and RefusedError when it will not."""

    def __init__(self, base_url: str, limiter: WeightLimiter | None = None) -> None:
        self.limiter = limiter or WeightLimiter()
        self._client = httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT_SECONDS, headers={"Accept-Encoding": "gzip"})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._client.aclose()

    async def server_time(self) -> TimeSample:
        """The exchange's clock now."""
        reply = await self._get("/api/v3/time", weight=1, lane=Lane.URGENT)
        received, round_trip = time.time(), reply.elapsed.total_seconds()
        told = _read(reply, lambda content: int(content["serverTime"]))
        return TimeSample(told, told / 1000 - (received - round_trip / 2), round_trip)

    async def listings(self) -> tuple[ListedSymbol, ...]:
        """Every symbol that is or was listed for spot trading; also takes over the weight limit that is declared."""
        # With all permission sets the reply is many times as long; without SPOT among them a symbol is left out as it is.
        reply = await self._get("/api/v3/exchangeInfo", weight=20, lane=Lane.URGENT, permissions="SPOT", showPermissionSets="false")
        limit, listed = _read(reply, lambda info: (weight_limit(info), parse_listings(info)))
        if limit:
            self.limiter.set_limit(limit)
        return listed

    async def tickers(self) -> list[TickerEvent]:
        """Rolling 24 h statistics of every symbol that has traded in that time."""
        reply = await self._get("/api/v3/ticker/24hr", weight=80, lane=Lane.URGENT, type="MINI")
        return _read(reply, lambda items: [_ticker(item) for item in items if item.get("count", 1)])

    async def klines(self, symbol: str, interval: Interval, lane: Lane, start: int | None = None) -> Records:
        """A thousand candles, oldest first: the first from index `start` on, without it the newest; there may be fewer.

        All are flagged closed though the last one may still be open; `row` is left at 0.
        """
        wanted = {"symbol": symbol, "interval": interval.value, "limit": str(MAX_KLINES)}
        if start is not None:
            wanted["startTime"] = str(start * interval.milliseconds)
        reply = await self._get("/api/v3/klines", weight=2, lane=lane, **wanted)
        return _read(reply, lambda rows: _candles(rows, interval))

    async def _get(self, path: str, *, weight: int, lane: Lane, **parameters: str) -> httpx.Response:
        await self.limiter.acquire(weight, lane)
        try:
            async with asyncio.timeout(WHOLE_REPLY_SECONDS):
                reply = await self._client.get(path, params=parameters)
        except (httpx.HTTPError, TimeoutError) as error:
            raise UnavailableError(f"GET {path}: {type(error).__name__}: {error}") from error
        self._note(reply)
        return reply

    def _note(self, reply: httpx.Response) -> None:
        exchange_time = _exchange_time(reply)
        self.limiter.report(int(header_number(reply.headers.get("X-MBX-USED-WEIGHT-1M"), 0)), exchange_time)
        if reply.status_code in REFUSALS:
            pause = self.limiter.refuse(pause_demanded(reply, exchange_time), f"the exchange answered {reply.status_code}")
            if pause:
                logger.warning("The exchange refuses: nobody asks it for %.0f s. %s", pause, _problem(reply))
            raise UnavailableError(_problem(reply))
        self.limiter.allow()
        if not reply.is_success:
            raise RefusedError(_problem(reply)) if reply.is_client_error else UnavailableError(_problem(reply))


def _problem(reply: httpx.Response) -> str:
    return f"GET {reply.request.url.path}: {reply.status_code} {reply.text[:200]}"


def _read(reply: httpx.Response, read: Callable[[Any], Reply]) -> Reply:
    path = reply.request.url.path
    try:
        return read(orjson.loads(reply.content))
    except orjson.JSONDecodeError as error:
        raise UnavailableError(f"GET {path}: the reply is not JSON") from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise UnavailableError(f"GET {path}: the reply is not what Binance describes ({type(error).__name__}: {error})") from error


def _exchange_time(reply: httpx.Response) -> float:
    """Epoch seconds by the exchange's clock on the wall, which may differ from ours; the time of a simulated market is another."""
    try:
        return parsedate_to_datetime(reply.headers.get("Date", "")).timestamp()
    except ValueError:
        return time.time()


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
