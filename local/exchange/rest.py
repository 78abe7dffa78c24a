"""The REST calls, their request weights and their errors, as Binance has them."""

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

import numpy as np
import orjson

from domain.market import Interval
from local.exchange.candles import Candles
from local.exchange.clock import MarketClock
from local.exchange.http11 import Request, Response
from local.exchange.live import LiveMarket
from local.exchange.market import SimulatedMarket, open_candle
from local.exchange.wire import Scales, kline_rows, symbol_entry, ticker

_WEIGHT_LIMIT = 6_000
_DEFAULT_KLINES, _MOST_KLINES = 500, 1_000
_FEW_TICKERS, _MANY_TICKERS = 20, 100


class BinanceError(Exception):
    """A reply that refuses the request."""

    def __init__(self, code: int, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.code, self.status = code, status


@dataclass
class _Weights:
    """Request weight used per client in the current minute of the wall clock."""

    minute: int = 0
    used: dict[str, int] = field(default_factory=dict)
    most: int = 0

    def charge(self, peer: str, weight: int, now: float) -> int:
        if self.minute != (minute := int(now // 60)):
            self.minute, self.used = minute, {}
        self.used[peer] = self.used.get(peer, 0) + weight
        self.most = max(self.most, self.used[peer])
        return self.used[peer]


class Rest:
    """Answers requests below /api/v3."""

    def __init__(
        self, market: SimulatedMarket, clock: MarketClock, live: LiveMarket, scales: Scales, refusal: Callable[[], Response | None]
    ) -> None:
        """`refusal` is asked for what is replied instead, if anything is."""
        self._refusal = refusal
        self._market, self._clock, self._live, self._scales = market, clock, live, scales
        self._row_of = {listing.symbol: row for row, listing in enumerate(market.listings)}
        self._weights = _Weights()
        self._calls: dict[str, tuple[Callable[[dict[str, str]], int], Callable[[dict[str, str]], bytes]]] = {
            "/api/v3/ping": (lambda _: 1, lambda _: b"{}"),
            "/api/v3/time": (lambda _: 1, lambda _: orjson.dumps({"serverTime": clock.shown()})),
            "/api/v3/exchangeInfo": (lambda _: 20, self._exchange_info),
            "/api/v3/klines": (lambda _: 2, self._klines),
            "/api/v3/ticker/24hr": (_ticker_weight, self._tickers),
        }

    @property
    def weight_limit(self) -> int:
        """Request weight a client may use per minute of the wall clock: Binance's, times the speed of the market."""
        return round(_WEIGHT_LIMIT * max(1.0, self._clock.speed))

    @property
    def most_weight(self) -> int:
        """The most request weight that a client has used within a minute."""
        return self._weights.most

    def answer(self, request: Request) -> Response:
        """The reply to one request; an error is a reply too."""
        if request.path not in self._calls or request.method != "GET":
            return not_found(request)
        weigh, call = self._calls[request.path]
        now = time.time()
        used = self._weights.charge(request.peer, weigh(request.query), now)
        headers = {"X-MBX-USED-WEIGHT": str(used), "X-MBX-USED-WEIGHT-1M": str(used)}
        if refusal := self._refusal():
            return replace(refusal, headers=headers | refusal.headers)
        if used > self.weight_limit:
            return self._too_much(headers | {"Retry-After": str(math.ceil(60 - now % 60))})
        try:
            return Response(body=call(request.query), headers=headers)
        except BinanceError as error:
            return Response(status=error.status, body=orjson.dumps({"code": error.code, "msg": str(error)}), headers=headers)

    def _too_much(self, headers: dict[str, str]) -> Response:
        message = (
            f"Too much request weight used; current limit is {self.weight_limit} request weight per 1 MINUTE. "
            "Please use WebSocket Streams for live updates to avoid polling the API."
        )
        return Response(status=HTTPStatus.TOO_MANY_REQUESTS, body=orjson.dumps({"code": -1003, "msg": message}), headers=headers)

    def _exchange_info(self, query: dict[str, str]) -> bytes:
        rows = self._rows(query)
        trading = query.get("symbolStatus", "TRADING") == "TRADING"
        permission_sets = query.get("showPermissionSets", "true") != "false"
        return orjson.dumps(
            {
                "timezone": "UTC",
                "serverTime": self._clock.shown(),
                "rateLimits": [
                    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": self.weight_limit},
                    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50},
                    {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 160_000},
                    {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300_000},
                ],
                "exchangeFilters": [],
                "symbols": [symbol_entry(self._market.listings[row], permission_sets=permission_sets) for row in rows if trading],
            }
        )

    def _klines(self, query: dict[str, str]) -> bytes:
        row = self._row(_mandatory(query, "symbol"))
        interval = self._interval(_mandatory(query, "interval"))
        limit = min(_number(query, "limit", _DEFAULT_KLINES), _MOST_KLINES)
        if limit < 1:
            raise BinanceError(-1130, "Data sent for parameter 'limit' is not valid.")
        now, width = self._clock.now(), interval.milliseconds
        last = min(now, _number(query, "endTime", now)) // width
        first = -(-_number(query, "startTime", 0) // width) if "startTime" in query else last - limit + 1
        first = max(first, self._market.first_index(interval))
        count = max(0, min(limit, last - first + 1))
        first, candles = _listed(first, self._candles(row, interval, first, count, now))
        return kline_rows(self._scales, row, interval, first, candles).encode()

    def _candles(self, row: int, interval: Interval, first: int, count: int, now: int) -> Candles:
        # Shape [candle]. The newest one may still be open, and nothing in a row says so.
        rows = np.array([row])
        closed = max(0, min(count, now // interval.milliseconds - first))
        candles = self._market.candles(rows, interval, first, closed).values[:, 0]
        newest = open_candle(self._market, rows, interval, now) if closed < count else None
        return Candles(candles if newest is None else np.concatenate([candles, newest.values], axis=1))

    def _tickers(self, query: dict[str, str]) -> bytes:
        kind = query.get("type", "FULL")
        if kind not in ("FULL", "MINI"):
            raise BinanceError(-1139, "Invalid ticker type.")
        rows, now = self._rows(query), self._clock.shown()
        day = self._live.last_day()
        window = {"opened": now - Interval.D1.milliseconds, "closed": now}
        entries = [ticker(self._market.listings[row], Candles(day.values[:, row]), **window, full=kind == "FULL") for row in rows]
        return orjson.dumps(entries[0] if "symbol" in query else entries)

    def _rows(self, query: dict[str, str]) -> list[int]:
        if "symbol" in query and "symbols" in query:
            raise BinanceError(-1128, "Combination of optional parameters invalid.")
        if "symbol" in query:
            return [self._row(query["symbol"])]
        return [self._row(symbol) for symbol in _symbol_list(query["symbols"])] if "symbols" in query else list(self._row_of.values())

    def _row(self, symbol: str) -> int:
        if symbol not in self._row_of:
            raise BinanceError(-1121, "Invalid symbol.")
        return self._row_of[symbol]

    def _interval(self, name: str) -> Interval:
        for interval in self._market.intervals:
            if interval == name:
                return interval
        raise BinanceError(-1120, "Invalid interval.")


def not_found(request: Request) -> Response:
    """The reply to a request for nothing we have."""
    body: dict[str, Any] = {"timestamp": int(time.time() * 1000), "status": 404, "error": "Not Found", "message": "No message available"}
    return Response(status=HTTPStatus.NOT_FOUND, body=orjson.dumps(body | {"path": request.path}))


def _listed(first: int, candles: Candles) -> tuple[int, Candles]:
    # A symbol that came to the market later has no candles before.
    missing = int(np.count_nonzero(np.cumsum(candles.close) == 0))
    return first + missing, candles.columns(missing, candles.shape[0])


def _ticker_weight(query: dict[str, str]) -> int:
    if "symbol" in query:
        return 2
    asked = query["symbols"].count(",") + 1 if "symbols" in query else _MANY_TICKERS + 1
    if asked <= _FEW_TICKERS:
        return 2
    return 40 if asked <= _MANY_TICKERS else 80


def _mandatory(query: dict[str, str], name: str) -> str:
    if not query.get(name):
        raise BinanceError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return query[name]


def _number(query: dict[str, str], name: str, default: int) -> int:
    value = query.get(name)
    if value is None:
        return default
    if not re.fullmatch(r"[0-9]{1,20}", value):
        raise BinanceError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
    return int(value)


def _symbol_list(text: str) -> list[str]:
    try:
        symbols = orjson.loads(text)
    except orjson.JSONDecodeError:
        symbols = None
    if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
        raise BinanceError(-1100, "Illegal characters found in parameter 'symbols'; legal is a JSON array of symbols.")
    return symbols
