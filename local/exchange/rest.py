"""The REST calls, their request weights and their errors, as Binance has them."""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any

import numpy as np
import orjson

from domain.market import Interval, SymbolStatus
from local.exchange.candles import Candles
from local.exchange.clock import MarketClock
from local.exchange.http11 import Request, Response
from local.exchange.interruptions import InterruptedMarket
from local.exchange.limits import RequestLimits
from local.exchange.live import LiveMarket
from local.exchange.market import open_candle
from local.exchange.queries import BinanceError, Query, mandatory, moment, names, number, together
from local.exchange.symbols import Symbols
from local.exchange.wire import Scales, average_price, book_ticker, in_microseconds, kline_rows, price_ticker, symbol_entry, ticker

_DEFAULT_KLINES, _MOST_KLINES = 500, 1_000
_FEW_TICKERS, _MANY_TICKERS = 20, 100
_PERMISSION = "SPOT"
"""What every symbol is permitted for."""
_AVERAGE_MINUTES = 5


class Rest:
    """Answers requests below /api/v3."""

    def __init__(
        self,
        market: InterruptedMarket,
        clock: MarketClock,
        *,
        live: LiveMarket,
        symbols: Symbols,
        scales: Scales,
        refusal: Callable[[], Response | None],
    ) -> None:
        """`refusal` is asked for what is replied instead, if anything is."""
        self._market, self._clock, self._live, self._symbols, self._scales = market, clock, live, symbols, scales
        self._refusal = refusal
        self.limits = RequestLimits()
        self._calls: dict[str, tuple[Callable[[Query], int], Callable[[Query], bytes]]] = {
            "/api/v3/ping": (lambda _: 1, lambda _: b"{}"),
            "/api/v3/time": (lambda _: 1, lambda _: orjson.dumps({"serverTime": clock.shown()})),
            "/api/v3/exchangeInfo": (lambda _: 20, self._exchange_info),
            "/api/v3/klines": (lambda _: 2, self._klines),
            "/api/v3/uiKlines": (lambda _: 2, self._klines),
            "/api/v3/avgPrice": (lambda _: 2, self._average_price),
            "/api/v3/ticker/24hr": (_ticker_weight, partial(self._tickers, self._day_ticker)),
            "/api/v3/ticker/price": (_price_weight, partial(self._tickers, lambda _query, row, day: price_ticker(self._listing(row), day))),
            "/api/v3/ticker/bookTicker": (
                _price_weight,
                partial(self._tickers, lambda _query, row, day: book_ticker(self._listing(row), day)),
            ),
        }

    def answer(self, request: Request) -> Response:
        """The reply to one request; an error is a reply too."""
        if request.path not in self._calls or request.method != "GET":
            return not_found(request)
        weigh, call = self._calls[request.path]
        limit = self.limits.weight(self._clock.speed)
        used, refused = self.limits.charge(request.peer, weigh(request.query), limit, time.time())
        headers = {"X-MBX-USED-WEIGHT": str(used), "X-MBX-USED-WEIGHT-1M": str(used)}
        if refused := self._refusal() or refused:
            return replace(refused, headers=headers | refused.headers)
        try:
            return Response(body=_in_unit(call(request.query), request), headers=headers)
        except BinanceError as error:
            return Response(status=error.status, body=orjson.dumps({"code": error.code, "msg": str(error)}), headers=headers)

    def _exchange_info(self, query: Query) -> bytes:
        permission_sets = query.get("showPermissionSets", "true") != "false"
        return orjson.dumps(
            {
                "timezone": "UTC",
                "serverTime": self._clock.shown(),
                "rateLimits": [
                    {
                        "rateLimitType": "REQUEST_WEIGHT",
                        "interval": "MINUTE",
                        "intervalNum": 1,
                        "limit": self.limits.weight(self._clock.speed),
                    },
                    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50},
                    {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 160_000},
                    {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300_000},
                ],
                "exchangeFilters": [],
                "symbols": [
                    symbol_entry(self._listing(row), self._symbols.status(row), permission_sets=permission_sets)
                    for row in self._rows(query, "permissions")
                    if _permitted(query)
                ],
            }
        )

    def _klines(self, query: Query) -> bytes:
        row = self._row(mandatory(query, "symbol"))
        interval = self._interval(mandatory(query, "interval"))
        limit = min(number(query, "limit", _DEFAULT_KLINES), _MOST_KLINES)
        if limit < 1:
            raise BinanceError(-1130, "Data sent for parameter 'limit' is not valid.")
        now, width = self._clock.now(), interval.milliseconds
        last = min(now, moment(query, "endTime", now)) // width
        first = max(self._market.first_index(interval), -(-moment(query, "startTime", 0) // width))
        stretches = _limited(self._market.stretches(row, interval, first, last), limit, newest="startTime" not in query)
        return self._kline_rows(row, interval, stretches, now)

    def _kline_rows(self, row: int, interval: Interval, stretches: list[range], now: int) -> bytes:
        parts = [self._candles(row, interval, stretch, now).values for stretch in stretches]
        indices = np.array([index for stretch in stretches for index in stretch], dtype=np.int64)
        candles = np.concatenate(parts, axis=1) if parts else np.zeros((10, 0), dtype=np.int64)
        there = candles[3] > 0  # an open candle may have begun in a hole
        return kline_rows(self._scales, row, interval, indices[: len(there)][there].tolist(), Candles(candles[:, there])).encode()

    def _candles(self, row: int, interval: Interval, stretch: range, now: int) -> Candles:
        # Shape [candle]. The newest one may still be open, and nothing in a row says so.
        rows = np.array([row])
        closed = max(0, min(len(stretch), now // interval.milliseconds - stretch.start))
        candles = self._market.candles(rows, interval, stretch.start, closed).values[:, 0]
        newest = open_candle(self._market, rows, interval, now) if closed < len(stretch) else None
        return Candles(candles if newest is None else np.concatenate([candles, newest.values], axis=1))

    def _average_price(self, query: Query) -> bytes:
        row = self._row(mandatory(query, "symbol"))
        base, now = self._market.intervals[0], self._clock.now()
        count = max(1, _AVERAGE_MINUTES * Interval.M1.milliseconds // base.milliseconds)
        recent = self._market.candles(np.array([row]), base, now // base.milliseconds - count, count)
        return orjson.dumps(
            average_price(self._listing(row), Candles(recent.values[:, 0]), minutes=_AVERAGE_MINUTES, at=self._clock.shown())
        )

    def _tickers(self, entry: Callable[[Query, int, Candles], dict[str, Any]], query: Query) -> bytes:
        rows, day = self._rows(query), self._live.last_day()
        dead = Candles(np.zeros(10, dtype=np.int64))
        entries = [
            entry(query, row, dead if self._symbols.status(row) is SymbolStatus.BREAK else Candles(day.values[:, row])) for row in rows
        ]
        return orjson.dumps(entries[0] if "symbol" in query else entries)

    def _day_ticker(self, query: Query, row: int, day: Candles) -> dict[str, Any]:
        kind = query.get("type", "FULL")
        if kind not in ("FULL", "MINI"):
            raise BinanceError(-1139, "Invalid ticker type.")
        now = self._clock.shown()
        return ticker(self._listing(row), day, opened=now - Interval.D1.milliseconds, closed=now, full=kind == "FULL")

    def _rows(self, query: Query, *filters: str) -> list[int]:
        together(query, "symbol", "symbols", *filters)
        status = query.get("symbolStatus")
        if status is not None and status not in {known.upper() for known in SymbolStatus if known is not SymbolStatus.ABSENT}:
            raise BinanceError(-1122, "Invalid symbolStatus.")
        if "symbol" in query or "symbols" in query:
            listed = [query["symbol"]] if "symbol" in query else names(query["symbols"], "symbols")
            rows = [self._row(symbol) for symbol in listed]
            if status and any(self._symbols.status(row).upper() != status for row in rows):
                raise BinanceError(-1220, f"The symbol's status does not match {status}.")
            return rows
        return [row for row in self._symbols.rows() if status in (None, self._symbols.status(row).upper())]

    def _row(self, symbol: str) -> int:
        if (row := self._symbols.row(symbol)) is None:
            raise BinanceError(-1121, "Invalid symbol.")
        return row

    def _listing(self, row: int) -> Any:
        return self._market.listings[row]

    def _interval(self, name: str) -> Interval:
        for interval in self._market.intervals:
            if interval == name:
                return interval
        raise BinanceError(-1120, "Invalid interval.")


def not_found(request: Request) -> Response:
    """The reply to a request for nothing we have."""
    body: dict[str, Any] = {"timestamp": int(time.time() * 1000), "status": 404, "error": "Not Found", "message": "No message available"}
    return Response(status=HTTPStatus.NOT_FOUND, body=orjson.dumps(body | {"path": request.path}))


def _in_unit(body: bytes, request: Request) -> bytes:
    wanted = request.headers.get("x-mbx-time-unit", "").upper() == "MICROSECOND"
    return in_microseconds(body.decode()).encode() if wanted else body


def _limited(stretches: list[range], limit: int, *, newest: bool) -> list[range]:
    # So many indices, from one end or the other.
    chosen: list[range] = []
    for stretch in reversed(stretches) if newest else stretches:
        if limit <= 0:
            break
        chosen.append(stretch[-limit:] if newest else stretch[:limit])
        limit -= len(chosen[-1])
    return chosen[::-1] if newest else chosen


def _permitted(query: Query) -> bool:
    if "permissions" not in query:
        return True
    told = query["permissions"]
    wanted: Iterable[str] = names(told, "permissions") if told.startswith("[") else [told]
    return _PERMISSION in wanted


def _ticker_weight(query: Query) -> int:
    if "symbol" in query:
        return 2
    asked = query["symbols"].count(",") + 1 if "symbols" in query else _MANY_TICKERS + 1
    if asked <= _FEW_TICKERS:
        return 2
    return 40 if asked <= _MANY_TICKERS else 80


def _price_weight(query: Query) -> int:
    return 2 if "symbol" in query else 4
