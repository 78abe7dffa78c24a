"""What ccxt.pro receives from the exchange at `sys.argv[1]` until each symbol has had candles enough; prints one JSON document."""

import asyncio
import json
import sys

import ccxt.pro as ccxt

address, enough, *symbols = sys.argv[1:]


async def main():
    spot = {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False}
    exchange = ccxt.binance({"options": spot})
    exchange.urls["api"]["public"] = f"{address}/api/v3"
    exchange.urls["api"]["ws"]["spot"] = f"{address.replace('http', 'ws')}/stream/ws"
    try:
        await exchange.load_markets()
        candles = await asyncio.gather(*(watch_candles(exchange, symbol) for symbol in symbols))
        tickers = await exchange.watch_tickers(symbols)
    finally:
        await exchange.close()
    json.dump({"candles": dict(zip(symbols, candles, strict=True)), "tickers": tickers}, sys.stdout)


async def watch_candles(exchange, symbol):
    """The newest state seen of each candle, oldest first."""
    seen = {}
    while len(seen) <= int(enough):
        seen |= {candle[0]: candle for candle in await exchange.watch_ohlcv(symbol, "1m")}
    return list(seen.values())


asyncio.run(asyncio.wait_for(main(), 100))
