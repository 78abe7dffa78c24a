"""What goes over the wire, in Binance's spelling and field order: frames of kline and ticker streams, rows of REST replies."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson

from domain.market import Interval, SymbolStatus
from local.exchange.candles import QUOTE_DECIMALS, Candles, Integers, Listing

DECIMALS = 8
"""Prices and volumes are strings with this many decimals."""

_KLINE = (
    '{"e":"kline","E":%d,"s":"%s","k":{"t":%d,"T":%d,"s":"%s","i":"%s","f":%d,"L":%d,"o":"%d.%08d","c":"%d.%08d","h":"%d.%08d",'
    '"l":"%d.%08d","v":"%d.%08d","n":%d,"x":%s,"q":"%d.%08d","V":"%d.%08d","Q":"%d.%08d","B":"0"}}'
)
_ROW = '[%d,"%d.%08d","%d.%08d","%d.%08d","%d.%08d","%d.%08d",%d,"%d.%08d",%d,"%d.%08d","%d.%08d","0"]'
_MINI_TICKER = '{"e":"24hrMiniTicker","E":%d,"s":"%s","c":"%d.%08d","o":"%d.%08d","h":"%d.%08d","l":"%d.%08d","v":"%d.%08d","q":"%d.%08d"}'
_TRADES = 6
"""The plane that is a plain number."""


_TIME = re.compile(r"(?<=[:\[,])\d{13}(?=[,\]}])")
"""An unquoted number of thirteen digits; nothing else on the wire looks like that."""


def in_microseconds(text: str) -> str:
    """The same with every time in microseconds; what ends with a millisecond's 999 lasts until its end."""
    return _TIME.sub(lambda found: found[0] + ("999" if found[0].endswith("999") else "000"), text)


class Scales:
    """How each row's integers become decimal strings."""

    def __init__(self, listings: Sequence[Listing]) -> None:
        price = [listing.price_decimals for listing in listings]
        volume = [listing.volume_decimals for listing in listings]
        self._divisors = _divisors(price, volume)
        self._factors = 10**DECIMALS // self._divisors

    def parts(self, rows: Integers, candles: Candles) -> list[list[int]]:
        """Whole and fractional part of each of the nine planes of candles of shape [len(rows)], trades left whole: 17 columns."""
        whole, rest = np.divmod(candles.values[:9], self._divisors[:, rows])
        fraction = rest * self._factors[:, rows]
        columns: list[list[int]] = []
        for plane in range(9):
            columns.append(whole[plane].tolist())
            if plane != _TRADES:
                columns.append(fraction[plane].tolist())
        return columns


def _divisors(price: list[int], volume: list[int]) -> Integers:
    planes = [price, price, price, price, volume, [QUOTE_DECIMALS] * len(price), [0] * len(price), volume, [QUOTE_DECIMALS] * len(price)]
    return 10 ** np.array(planes, dtype=np.int64)


def kline_payloads(
    scales: Scales, symbols: Sequence[str], rows: Integers, interval: Interval, index: int, candles: Candles, *, closed: bool, at: int
) -> list[str]:
    """One `kline` event per row; `symbols` are the rows' names, `at` is the event time."""
    opened, ending, x = index * interval.milliseconds, (index + 1) * interval.milliseconds - 1, "true" if closed else "false"
    trades = candles.trades
    first = np.where(trades > 0, candles.first_trade, -1).tolist()
    last = np.where(trades > 0, candles.first_trade + trades - 1, -1).tolist()
    return [
        _KLINE
        % (at, s, opened, ending, s, interval.value, f, u, o, o_, c, c_, h, h_, low, low_, v, v_, n, x, q, q_, tv, tv_, tq, tq_)
        for s, f, u, o, o_, h, h_, low, low_, c, c_, v, v_, q, q_, n, tv, tv_, tq, tq_ in zip(
            symbols, first, last, *scales.parts(rows, candles), strict=True
        )
    ]  # fmt: skip


def kline_rows(scales: Scales, row: int, interval: Interval, indices: Sequence[int], candles: Candles) -> str:
    """A klines reply for one row's candles (shape [count]) with these indices."""
    width = interval.milliseconds
    opens = [index * width for index in indices]
    closes = [opened + width - 1 for opened in opens]
    rows = np.full(len(indices), row)
    lines = [
        _ROW % (t, o, o_, h, h_, low, low_, c, c_, v, v_, end, q, q_, n, tv, tv_, tq, tq_)
        for t, end, o, o_, h, h_, low, low_, c, c_, v, v_, q, q_, n, tv, tv_, tq, tq_ in zip(
            opens, closes, *scales.parts(rows, candles), strict=True
        )
    ]  # fmt: skip
    return "[" + ",".join(lines) + "]"


TickerPayloads = Callable[[Scales, Sequence[Listing], Integers, Candles, int], list[str]]
"""One event per row, from the candles of the last 24 hours; given are the rows' listings, the rows, the candles and the time."""


def mini_ticker_payloads(scales: Scales, listings: Sequence[Listing], rows: Integers, day: Candles, at: int) -> list[str]:
    """`24hrMiniTicker` events."""
    return [
        _MINI_TICKER % (at, listing.symbol, c, c_, o, o_, h, h_, low, low_, v, v_, q, q_)
        for listing, o, o_, h, h_, low, low_, c, c_, v, v_, q, q_, *_ in zip(listings, *scales.parts(rows, day), strict=True)
    ]


def ticker_payloads(_scales: Scales, listings: Sequence[Listing], _rows: Integers, day: Candles, at: int) -> list[str]:
    """`24hrTicker` events."""
    return [_ticker_payload(listing, Candles(day.values[:, place]), at) for place, listing in enumerate(listings)]


_TICKER = {
    "s": "symbol", "p": "priceChange", "P": "priceChangePercent", "w": "weightedAvgPrice", "x": "prevClosePrice", "c": "lastPrice",
    "Q": "lastQty", "b": "bidPrice", "B": "bidQty", "a": "askPrice", "A": "askQty", "o": "openPrice", "h": "highPrice", "l": "lowPrice",
    "v": "volume", "q": "quoteVolume", "O": "openTime", "C": "closeTime", "F": "firstId", "L": "lastId", "n": "count",
}  # fmt: skip
"""The fields of a `24hrTicker` event, in order, and what they are called in a ticker/24hr reply."""


def _ticker_payload(listing: Listing, day: Candles, at: int) -> str:
    entry = ticker(listing, day, opened=at - Interval.D1.milliseconds, closed=at, full=True)
    event = {"e": "24hrTicker", "E": at} | {short: entry[name] for short, name in _TICKER.items()}
    return orjson.dumps(event).decode()


def ticker(listing: Listing, day: Candles, *, opened: int, closed: int, full: bool) -> dict[str, Any]:
    """An entry of a ticker/24hr reply, from the candle (shape []) of the last 24 hours."""
    price, volume, quote = listing.price_decimals, listing.volume_decimals, QUOTE_DECIMALS
    trades = int(day.trades)
    window = {
        "openPrice": decimal(day.open, price), "highPrice": decimal(day.high, price), "lowPrice": decimal(day.low, price),
        "volume": decimal(day.volume, volume), "quoteVolume": decimal(day.quote_volume, quote), "openTime": opened, "closeTime": closed,
        "firstId": int(day.first_trade) if trades else -1, "lastId": int(day.first_trade) + trades - 1 if trades else -1, "count": trades,
    }  # fmt: skip
    last = decimal(day.close, price)
    if not full:
        opening = window.pop("openPrice")
        return {"symbol": listing.symbol, "openPrice": opening, "highPrice": window.pop("highPrice"), "lowPrice": window.pop("lowPrice"),
                "lastPrice": last, **window}  # fmt: skip
    change = int(day.close - day.open)
    average = int(day.quote_volume) * 10 ** (volume + DECIMALS) // max(1, int(day.volume)) // 10**quote
    return {
        "symbol": listing.symbol, "priceChange": decimal(change, price), "priceChangePercent": _percent(change, int(day.open)),
        "weightedAvgPrice": decimal(average, DECIMALS), "prevClosePrice": decimal(day.open, price), "lastPrice": last,
        "lastQty": decimal(1, volume), "bidPrice": decimal(day.close, price), "bidQty": decimal(1, volume),
        "askPrice": decimal(day.close + 1, price), "askQty": decimal(1, volume), **window,
    }  # fmt: skip


def price_ticker(listing: Listing, day: Candles) -> dict[str, Any]:
    """An entry of a ticker/price reply."""
    return {"symbol": listing.symbol, "price": decimal(day.close, listing.price_decimals)}


def book_ticker(listing: Listing, day: Candles) -> dict[str, Any]:
    """An entry of a ticker/bookTicker reply. Of a book there is only the last price and one tick above it."""
    price, lot = listing.price_decimals, decimal(1, listing.volume_decimals)
    return {
        "symbol": listing.symbol, "bidPrice": decimal(day.close, price), "bidQty": lot,
        "askPrice": decimal(day.close + 1, price), "askQty": lot,
    }  # fmt: skip


def average_price(listing: Listing, recent: Candles, *, minutes: int, at: int) -> dict[str, Any]:
    """An avgPrice reply, from base candles of shape [count]."""
    volume, quote = int(recent.volume.sum()), int(recent.quote_volume.sum())
    average = quote * 10**listing.volume_decimals * 10**DECIMALS // max(1, volume) // 10**QUOTE_DECIMALS
    return {"mins": minutes, "price": decimal(average, DECIMALS), "closeTime": at}


def _percent(change: int, opening: int) -> str:
    return f"{100 * change / max(1, opening):.3f}"


def decimal(value: Integers | int, decimals: int) -> str:
    """An integer number of 10^-decimals as a string with eight decimals."""
    scaled = int(value) * 10 ** (DECIMALS - decimals)
    sign, scaled = ("-", -scaled) if scaled < 0 else ("", scaled)
    return f"{sign}{scaled // 10**DECIMALS}.{scaled % 10**DECIMALS:0{DECIMALS}d}"


def symbol_entry(listing: Listing, status: SymbolStatus, *, permission_sets: bool) -> dict[str, Any]:
    """A symbol of an exchangeInfo reply."""
    tick, lot = decimal(1, listing.price_decimals), decimal(1, listing.volume_decimals)
    entry = {
        "symbol": listing.symbol, "status": status.upper(), "baseAsset": listing.base_asset, "baseAssetPrecision": 8,
        "quoteAsset": listing.quote_asset, "quotePrecision": 8, "quoteAssetPrecision": 8, "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8, "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": True, "ocoAllowed": True, "otoAllowed": True, "quoteOrderQtyMarketAllowed": True, "allowTrailingStop": True,
        "cancelReplaceAllowed": True, "isSpotTradingAllowed": True, "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "9000000000.00000000", "stepSize": lot},
            {"filterType": "ICEBERG_PARTS", "limit": 100},
            {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "9000000000.00000000", "stepSize": "0.00000000"},
            {"filterType": "TRAILING_DELTA", "minTrailingAboveDelta": 10, "maxTrailingAboveDelta": 2000, "minTrailingBelowDelta": 10,
             "maxTrailingBelowDelta": 2000},
            {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "5", "bidMultiplierDown": "0.2", "askMultiplierUp": "5",
             "askMultiplierDown": "0.2", "avgPriceMins": 5},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True, "maxNotional": "9000000.00000000",
             "applyMaxToMarket": False, "avgPriceMins": 5},
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
        ],
        "permissions": [], "permissionSets": [["SPOT"]], "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }  # fmt: skip
    if not permission_sets:
        del entry["permissionSets"]
    return entry
