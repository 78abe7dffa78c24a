"""A trader that lists no symbols watches the largest that trade, as the feeder ranks them; one that lists some keeps them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np

from activities.ports import ScreenRequest
from adapters.candle_store import CANDLE, CLOSED, INTERVAL_CODES, STATUS_CODES
from adapters.feeder_client import MarketReplica
from domain.filters import FilterSpec
from domain.market import Interval, Market, SymbolStatus, epoch_milliseconds
from domain.screening import Progress
from domain.tiers import LIMITS, Tier
from domain.traders import TraderSettings
from filters.evaluation import Evaluator
from workers.screen import ReplicaScreen
from workers.screens import ReplicaScreens

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
SYMBOLS = ("AUSDT", "BUSDT", "CUSDT", "币安人生USDT")
TRADING, HALTED = STATUS_CODES[SymbolStatus.TRADING], STATUS_CODES[SymbolStatus.HALT]


@asynccontextmanager
async def screen_of(*symbols: str, most: int | None = 2) -> AsyncIterator[tuple[MarketReplica, ReplicaScreen]]:
    """A trader over a market in which every symbol matches, and its replica."""
    replica = MarketReplica("ws://127.0.0.1:1", "not used")
    replica.market, replica.as_of = Market.SIMULATED, NOW
    replica.store.append(SYMBOLS)
    close_all(replica)
    rank(replica, 0, 1, 2, 3)
    settings = TraderSettings(
        filter=FilterSpec(code="match = close > 0", interval=Interval.M1), cadence=timedelta(seconds=5), symbols=symbols
    )
    limits = replace(LIMITS[Tier.PRO], max_symbols=most)
    request = ScreenRequest(trader_id=UUID(int=1), user_id=UUID(int=2), settings=settings, limits=limits)
    try:
        yield replica, await ReplicaScreens(replica, Evaluator()).open(request)
    finally:
        replica.close()


def close_all(replica: MarketReplica) -> None:
    newest = epoch_milliseconds(NOW) // 60_000 - 1
    frame = replica.store.frame(Interval.M1)
    for row in range(len(replica.store.symbols)):
        records = np.zeros(800, CANDLE)
        records["row"], records["interval"], records["flags"] = row, INTERVAL_CODES[Interval.M1], CLOSED
        records["index"] = np.arange(newest - 799, newest + 1)
        records["event_time"] = (records["index"] + 1) * 60_000
        for name in ("open", "high", "low", "close"):
            records[name] = 1.0
        frame.apply(records)
        frame.confirm(row, newest - 799, newest)


def rank(replica: MarketReplica, *ranks: int, halted: tuple[int, ...] = ()) -> None:
    statuses = [HALTED if row in halted else TRADING for row in range(len(ranks))]
    replica.store.set_listing(np.array(statuses, np.uint8), np.array(ranks, np.uint16))
    replica.store.seq += 1


async def watched(screen: ReplicaScreen) -> tuple[str, ...]:
    return (await screen.tick(Progress())).progress.matching


async def test_the_largest_are_watched_up_to_the_tiers_number() -> None:
    async with screen_of() as (replica, screen):
        assert ("AUSDT", "BUSDT") == await watched(screen)

        rank(replica, 3, 1, 2, 0)
        assert ("BUSDT", "币安人生USDT") == await watched(screen)


async def test_a_symbol_that_does_not_trade_leaves_its_place_to_the_next() -> None:
    async with screen_of() as (replica, screen):
        rank(replica, 0, 3, 1, 2, halted=(1,))
        assert ("AUSDT", "CUSDT") == await watched(screen)

        rank(replica, 0, 1, 2, 3)
        assert ("AUSDT", "BUSDT") == await watched(screen)


async def test_without_a_number_all_are_watched_and_new_ones_join() -> None:
    async with screen_of(most=None) as (replica, screen):
        rank(replica, 0, 1, 3, 2)
        assert SYMBOLS == await watched(screen)

        replica.store.append(("DUSDT",))
        close_all(replica)
        assert (*SYMBOLS, "DUSDT") == await watched(screen)


async def test_listed_symbols_stay_whatever_their_rank_and_status() -> None:
    async with screen_of("CUSDT", "币安人生USDT") as (replica, screen):
        rank(replica, 2, 1, 3, 0, halted=(2,))
        assert ("CUSDT", "币安人生USDT") == await watched(screen)
