"""Which symbols the feeder follows: what one can trade against one asset, asked of the exchange every ten minutes."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from adapters.binance.rest import BinanceRest
from adapters.candle_store import LAST_RANK, STATUS_CODES, CandleStore
from domain.errors import UnavailableError
from domain.market import SYMBOL_STATUSES, SymbolStatus
from feeder.broadcast import Broadcast
from feeder.intake import Intake
from feeder.pool import ConnectionPool
from feeder.ranking import ranked
from feeder.selection import Selection

logger = logging.getLogger(__name__)

REFRESH_EVERY = timedelta(minutes=10)
DOUBT = timedelta(seconds=30)
"""How soon a reply that is not believed is asked for again."""
FEWEST_SHARE = 0.5
NAMES_LOGGED = 20


class Universe:
    """The followed symbols, their statuses and their ranks.

    A symbol that no longer trades keeps its row and its history, but is not received any more. A reply that lists fewer than half as
    many trading symbols as are followed is believed only when the next one says so too.
    """

    def __init__(
        self,
        store: CandleStore,
        intake: Intake,
        broadcast: Broadcast,
        pool: ConnectionPool,
        selection: Selection,
        *,
        refresh_every: timedelta = REFRESH_EVERY,
    ) -> None:
        self._store = store
        self._intake = intake
        self._broadcast = broadcast
        self._pool = pool
        self._selection = selection
        self._refresh_every = refresh_every
        self._is_in_doubt = False

    async def follow(self, rest: BinanceRest) -> NoReturn:
        """Keep rows, subscriptions and clients up to date with what the exchange lists."""
        while True:
            await self.refresh(rest)
            pause = min(DOUBT, self._refresh_every) if self._is_in_doubt else self._refresh_every
            await asyncio.sleep(pause.total_seconds())

    async def refresh(self, rest: BinanceRest) -> None:
        """Ask once. Raises UnavailableError."""
        self._intake.note_time((await rest.server_time()).time)
        statuses = {listed.symbol: listed.status for listed in await rest.listings() if self._selection.admits(listed)}
        trading = [symbol for symbol, status in statuses.items() if status is SymbolStatus.TRADING]
        tickers = await rest.tickers()
        if self._believes(len(trading)):
            self._list(statuses, trading, {ticker.symbol: ticker.values[-1] for ticker in tickers})
            self._intake.receive_tickers(tickers)

    def _believes(self, trading: int) -> bool:
        followed = int(np.count_nonzero(self._store.status == STATUS_CODES[SymbolStatus.TRADING]))
        if not trading and not self._store.symbols:
            raise UnavailableError(f"the exchange lists no tradable symbol against {self._selection.quote_asset}")
        is_odd = trading < FEWEST_SHARE * followed
        self._is_in_doubt = is_odd and not self._is_in_doubt
        if self._is_in_doubt:
            logger.warning("The exchange lists %d trading symbols of %d followed: not believed until it says so again", trading, followed)
        return not self._is_in_doubt

    def _list(self, statuses: dict[str, SymbolStatus], trading: Sequence[str], volumes: dict[str, float]) -> None:
        new = self._store.append(trading)
        self._broadcast.symbols(new)
        codes = np.array([STATUS_CODES[statuses.get(symbol, SymbolStatus.ABSENT)] for symbol in self._store.symbols], np.uint8)
        self._tell(new, codes)
        if self._store.set_listing(codes, self._ranks(codes, volumes)):
            self._broadcast.listing()
        self._pool.follow([symbol for symbol in self._store.symbols if statuses.get(symbol) is SymbolStatus.TRADING])

    def _ranks(self, codes: NDArray[np.uint8], volumes: dict[str, float]) -> NDArray[np.uint16]:
        """Trading symbols by quote volume; after them the others, in the order they had."""
        store = self._store
        known = [symbol for symbol in _in_order(store) if store.rank[store.rows[symbol]] != LAST_RANK]
        fresh = [symbol for symbol in store.symbols if store.rank[store.rows[symbol]] == LAST_RANK]
        trades = {symbol for symbol, code in zip(store.symbols, codes, strict=True) if code == STATUS_CODES[SymbolStatus.TRADING]}
        order = ranked([s for s in known if s in trades], [s for s in fresh if s in trades], volumes)
        order += [symbol for symbol in (*known, *fresh) if symbol not in trades]
        ranks = np.empty(len(order), np.uint16)
        ranks[[store.rows[symbol] for symbol in order]] = np.arange(len(order), dtype=np.uint16)
        return ranks

    def _tell(self, new: Sequence[str], codes: NDArray[np.uint8]) -> None:
        if new:
            logger.info("%d symbols join: %s", len(new), _names(new))
        for row in np.flatnonzero(codes != self._store.status).tolist():
            before, now = SYMBOL_STATUSES[self._store.status[row]], SYMBOL_STATUSES[codes[row]]
            verb = "returns" if now is SymbolStatus.TRADING else "leaves"
            logger.info("%s %s: %s, it was %s", self._store.symbols[row], verb, now, before)


def _in_order(store: CandleStore) -> list[str]:
    return [store.symbols[row] for row in np.argsort(store.rank, kind="stable").tolist()]


def _names(symbols: Sequence[str]) -> str:
    more = len(symbols) - NAMES_LOGGED
    return ", ".join(symbols[:NAMES_LOGGED]) + (f" and {more} more" if more > 0 else "")
