"""`python -m feeder`: run the feeder. Every option can be given in the environment."""

import asyncio
import logging
import signal
from typing import Annotated

import typer

from adapters.binance.endpoints import REST_URL, STREAM_URL
from domain.market import Market
from feeder.feeder import Feeder
from feeder.settings import FeederSettings


def main(
    token: Annotated[str, typer.Option(envvar="FEEDER_TOKEN", help="The secret that clients show.", show_default=False)],
    rest_url: Annotated[str, typer.Option(envvar="FEEDER_REST_URL", help="The exchange's REST API.")] = REST_URL,
    stream_url: Annotated[str, typer.Option(envvar="FEEDER_STREAM_URL", help="The exchange's market streams.")] = STREAM_URL,
    market: Annotated[Market, typer.Option(envvar="FEEDER_MARKET", help="Stored with every signal.")] = Market.BINANCE,
    quote_asset: Annotated[str, typer.Option(envvar="FEEDER_QUOTE_ASSET", help="Symbols quoted in this asset are followed.")] = "USDT",
    host: Annotated[str, typer.Option(envvar="FEEDER_HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="FEEDER_PORT", help="Port to listen on.")] = 8777,
    client_queue_bytes: Annotated[int, typer.Option(envvar="FEEDER_CLIENT_QUEUE_BYTES", help="A client that lags more is cut.")] = 2**26,
) -> None:
    """Receive one exchange's market and hand it to the workers."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("websockets").setLevel(logging.WARNING)
    settings = FeederSettings(
        rest_url=rest_url,
        stream_url=stream_url,
        market=market,
        quote_asset=quote_asset,
        host=host,
        port=port,
        token=token,
        client_queue_bytes=client_queue_bytes,
    )
    asyncio.run(_run_until_terminated(settings))


async def _run_until_terminated(settings: FeederSettings) -> None:
    running = asyncio.ensure_future(Feeder(settings).run())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    await asyncio.wait((running,))
    if not running.cancelled():
        running.result()


if __name__ == "__main__":
    typer.run(main)
