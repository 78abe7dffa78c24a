"""`python -m feeder`: run the feeder. Every option can be given in the environment."""

import asyncio
import logging
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from adapters.binance.endpoints import REST_URL, STREAM_URL
from adapters.telemetry import setup
from domain.errors import CloudtraderError, RefusedError, UnavailableError
from domain.market import Market
from feeder.feeder import Feeder
from feeder.selection import excluded_bases
from feeder.settings import FeederSettings
from feeder.universe import REFRESH_EVERY

logger = logging.getLogger("feeder")


def main(
    token: Annotated[str, typer.Option(envvar="FEEDER_TOKEN", help="The secret that clients show.", show_default=False)],
    rest_url: Annotated[str, typer.Option(envvar="FEEDER_REST_URL", help="The exchange's REST API.")] = REST_URL,
    stream_url: Annotated[str, typer.Option(envvar="FEEDER_STREAM_URL", help="The exchange's market streams.")] = STREAM_URL,
    market: Annotated[Market, typer.Option(envvar="FEEDER_MARKET", help="Stored with every signal.")] = Market.BINANCE,
    quote_asset: Annotated[str, typer.Option(envvar="FEEDER_QUOTE_ASSET", help="Symbols quoted in this asset are followed.")] = "USDT",
    exclude_bases: Annotated[
        str, typer.Option(envvar="FEEDER_EXCLUDE_BASES", help="Base assets left out, with commas; unset: stable ones; none: none.")
    ] = "",
    universe_seconds: Annotated[
        float, typer.Option(envvar="FEEDER_UNIVERSE_SECONDS", min=1, help="How often to ask which symbols are listed.")
    ] = REFRESH_EVERY.total_seconds(),
    host: Annotated[str, typer.Option(envvar="FEEDER_HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="FEEDER_PORT", help="Port to listen on.")] = 9800,
    client_queue_bytes: Annotated[int, typer.Option(envvar="FEEDER_CLIENT_QUEUE_BYTES", help="A client that lags more is cut.")] = 2**26,
    snapshot: Annotated[str, typer.Option(envvar="FEEDER_SNAPSHOT", help="Keep the market in this file over a restart.")] = "",
    tls_certificate: Annotated[Path | None, typer.Option(envvar="FEEDER_TLS_CERTIFICATE", help="PEM file; then clients use wss.")] = None,
    tls_key: Annotated[Path | None, typer.Option(envvar="FEEDER_TLS_KEY", help="PEM file with the certificate's key.")] = None,
    metrics_host: Annotated[str, typer.Option(envvar="CLOUDTRADER_METRICS_HOST", help="Address /metrics is served at.")] = "127.0.0.1",
    metrics_port: Annotated[int, typer.Option(envvar="CLOUDTRADER_METRICS_PORT", help="Serve /metrics here; 0 serves none.")] = 0,
    log_level: Annotated[str, typer.Option(envvar="CLOUDTRADER_LOG_LEVEL", help="Least level of log lines.")] = "INFO",
) -> None:
    """Receive one exchange's market and hand it to the workers."""
    settings = FeederSettings(
        rest_url=rest_url,
        stream_url=stream_url,
        market=market,
        quote_asset=quote_asset,
        excluded_bases=_excluded(exclude_bases),
        universe_refresh=timedelta(seconds=universe_seconds),
        host=host,
        port=port,
        token=token,
        client_queue_bytes=client_queue_bytes,
        snapshot=snapshot,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
    )
    try:
        feeder = Feeder(settings)
        telemetry = setup("feeder", metrics_port=metrics_port, metrics_host=metrics_host, log_level=log_level)
    except RefusedError as error:
        raise typer.BadParameter(str(error)) from error
    except UnavailableError as error:
        sys.exit(str(error))
    telemetry.instruments.observe_feeder(feeder.watch.levels)
    telemetry.instruments.observe_data_age(feeder.data_age)
    try:
        asyncio.run(_run_until_terminated(feeder))
    except CloudtraderError as error:
        logger.error("%s", error)
        sys.exit(1)
    finally:
        telemetry.close()


def _excluded(text: str) -> frozenset[str]:
    try:
        return excluded_bases(text)
    except RefusedError as error:
        raise typer.BadParameter(str(error)) from error


async def _run_until_terminated(feeder: Feeder) -> None:
    running = asyncio.ensure_future(feeder.run())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    await asyncio.wait((running,))
    if not running.cancelled():
        running.result()


if __name__ == "__main__":
    typer.run(main)
