"""What ccxt's REST client gets from the exchange at `sys.argv[1]`; prints one JSON document. Runs in .venv-clients."""

import asyncio
import json
import sys

import ccxt.async_support as ccxt

address, *symbols = sys.argv[1:]


async def main():
    spot = {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False}
    exchange = ccxt.binance({"options": spot})
    exchange.urls["api"]["public"] = f"{address}/api/v3"
    try:
        markets = await exchange.load_markets()
        answers = {
            "time": await exchange.fetch_time(),
            "markets": {name: described(market) for name, market in markets.items()},
            "candles": {symbol: await exchange.fetch_ohlcv(symbol, "1m", limit=50) for symbol in symbols},
            "tickers": await exchange.fetch_tickers(),
        }
    finally:
        await exchange.close()
    json.dump(answers, sys.stdout)


def described(market):
    """What a market's rules came to in ccxt's words."""
    known = {name: market[name] for name in ("id", "base", "quote", "spot", "active")}
    return known | {"precision": [market["precision"]["price"], market["precision"]["amount"]]}


asyncio.run(asyncio.wait_for(main(), 100))
