"""What Binance's own stream client receives at `sys.argv[1]` until every symbol given has had closed candles; prints one JSON document."""

import asyncio
import json
import sys

from binance_common.configuration import ConfigurationWebSocketStreams
from binance_sdk_spot.spot import Spot

address, enough, *symbols = sys.argv[1:]


async def main():
    klines, own_tickers, all_tickers = [], [], []
    client = Spot(config_ws_streams=ConfigurationWebSocketStreams(stream_url=address)).websocket_streams
    await client.create_connection()
    for symbol in symbols:
        (await client.kline(symbol=symbol.lower(), interval="1m")).on("message", lambda event: klines.append(event.to_dict()))
        (await client.mini_ticker(symbol=symbol.lower())).on("message", lambda event: own_tickers.append(event.to_dict()))
    (await client.all_mini_ticker()).on("message", lambda event: all_tickers.append(str(event)))
    while not (own_tickers and all_tickers and all(closed(klines, symbol) >= int(enough) for symbol in symbols)):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await client.close_connection(close_session=True)
    json.dump({"klines": klines, "tickers": own_tickers, "all": len(all_tickers)}, sys.stdout)


def closed(klines, symbol):
    return sum(event["s"] == symbol and event["k"]["x"] for event in klines)


asyncio.run(asyncio.wait_for(main(), 100))
