"""Which symbols the feeder follows: asked of the exchange every ten minutes."""

import asyncio
import logging
from typing import NoReturn

from adapters.binance.rest import BinanceRest
from adapters.candle_store import CandleStore
from domain.errors import UnavailableError
from feeder.broadcast import Broadcast
from feeder.intake import Intake
from feeder.pool import ConnectionPool

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 600.0


class Universe:
    """The symbols one can trade against one quote asset."""

    def __init__(self, store: CandleStore, intake: Intake, broadcast: Broadcast, pool: ConnectionPool, *, quote_asset: str) -> None:
        self._store = store
        self._intake = intake
        self._broadcast = broadcast
        self._pool = pool
        self._quote_asset = quote_asset

    async def follow(self, rest: BinanceRest) -> NoReturn:
        """Keep rows, subscriptions and clients up to date with what the exchange lists."""
        while True:
            await self._refresh(rest)
            await asyncio.sleep(REFRESH_SECONDS)

    async def _refresh(self, rest: BinanceRest) -> None:
        self._intake.note_time(await rest.server_time())
        symbols, tickers = await rest.symbols(self._quote_asset), await rest.tickers()
        if not symbols:
            raise UnavailableError(f"the exchange lists no tradable symbol against {self._quote_asset}")
        new = self._store.append(symbols)
        self._broadcast.symbols(new)
        self._pool.follow(symbols)
        self._intake.receive_tickers(tickers)
        logger.info("%d symbols, %d of them new, over %d connections", len(symbols), len(new), len(self._pool))
