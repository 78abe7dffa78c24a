"""Memory of one more trader on a worker, in half a minute: `python -m bench.memory`.

Of its screen, what it compiled and what its ticks leave behind. Traders are opened and ticked as screening windows do it, over 400
symbols; the first ones fill what all share. Memory is the private memory that the kernel counts for the worker and its filter processes.
The exit code is 1 where a limit is passed.
"""

import asyncio
import gc
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import numpy as np

from activities.ports import ScreenRequest
from adapters.candle_store import CLOSED, VALUES, CandleBlock
from adapters.feeder_client import MarketReplica
from bench.measuring.figures import show
from bench.peers.recorded import RecordedMarket
from bench.peers.rules import rule
from domain.filters import FilterSpec, Language
from domain.market import HISTORY_BLOCK, KEPT_CANDLES, Interval, Market
from domain.screening import Progress
from domain.tiers import LIMITS, Tier
from domain.traders import TraderSettings
from filters.evaluation import Evaluator
from workers.filter_sandbox import FilterSandbox
from workers.screens import ReplicaScreens

MOST_EXPRESSION, MOST_JAVASCRIPT = 100e3, 3e6
"""Bytes."""
FIVE_HELPERS = """
const rsi = helpers.getLatestRSI(klines, 14), macd = helpers.getLatestMACD(klines), average = helpers.calculateMA(klines, 20);
const bands = helpers.getLatestBollingerBands(klines, 20, 2), volume = helpers.calculateAvgVolume(klines, 20);
return rsi < %d && macd.histogram > 0 && bands.lower < average && volume > 0;
"""
M5, H1 = Interval.M5, Interval.H1


def spec_of(language: Language, number: int) -> FilterSpec:
    """A filter unlike the others."""
    code = FIVE_HELPERS % (20 + number) if language is Language.JAVASCRIPT else rule(number, number)
    return FilterSpec(code=code, interval=M5, language=language)


class Traders:
    """Traders of one worker, each of a user of its own, between two candles: they wait for the next."""

    def __init__(self, screens: ReplicaScreens) -> None:
        self._screens = screens
        self._held: list[object] = []

    async def add(self, language: Language, count: int) -> None:
        """That many more."""
        for number in range(len(self._held), len(self._held) + count):
            settings = TraderSettings(filter=spec_of(language, number), cadence=timedelta(seconds=5))
            request = ScreenRequest(trader_id=UUID(int=number), user_id=UUID(int=number), settings=settings, limits=LIMITS[Tier.ELITE])
            screen = await self._screens.open(request)
            ticked = await screen.tick(Progress())
            assert ticked.evaluated, ticked
            self._held.append((screen, ticked.progress, asyncio.create_task(screen.changed())))


def replica_of(market: RecordedMarket) -> MarketReplica:
    """A replica that has been told the recorded candles."""
    replica = MarketReplica("ws://127.0.0.1:1", "not used")
    replica.market, replica.as_of = Market.REPLAY, M5.close_time(market.newest) + timedelta(seconds=1)
    replica.store.append(market.symbols)
    snapshot = market.at_close(market.newest, version=1)
    for interval in (M5, H1):
        frame = snapshot.frame(interval)
        rows, width = frame.columns["close"].shape
        newest = frame.first_index + width - 1
        block = CandleBlock(
            first_index=HISTORY_BLOCK * (newest // HISTORY_BLOCK + 1) - KEPT_CANDLES,
            start_index=frame.first_index,
            values=np.stack([frame.columns.get(name, frame.columns["volume"]) for name in VALUES]),
            event_time=np.full((rows, width), newest * interval.milliseconds),
            flags=np.full((rows, width), CLOSED, np.uint8),
            begin=frame.closed_from,
            as_of=np.full(rows, (newest + 1) * interval.milliseconds),
        )
        replica.store.frame(interval).load(np.arange(rows), block)
    return replica


def memory() -> int:
    """Bytes of private memory that this process and those it started hold."""
    gc.collect()
    return sum(_private(process) for process in _family(os.getpid()))


def _family(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    children = [int(child) for task in tasks for child in task.read_text().split()]
    return [process, *(one for child in children for one in _family(child))]


def _private(process: int) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


async def per_trader(add: Callable[[int], Awaitable[None]], warming: int, count: int) -> float:
    """Bytes of one more, after so many."""
    await add(warming)
    before = memory()
    await add(count)
    return (memory() - before) / count


async def measure() -> bool:
    """Whether both stay within their limits."""
    async with AsyncExitStack() as opened:
        replica = replica_of(RecordedMarket())
        opened.callback(replica.close)
        sandbox = await opened.enter_async_context(FilterSandbox())
        traders = Traders(ReplicaScreens(replica, Evaluator(), sandbox))
        expression = await per_trader(partial(traders.add, Language.EXPRESSION), 1_000, 2_000)
        show("memory of one more expression trader", expression / 1e3, "kB")
        javascript = await per_trader(partial(traders.add, Language.JAVASCRIPT), 8, 32)
        show("memory of one more JavaScript trader that has just been run", javascript / 1e6, "MB")
    return expression <= MOST_EXPRESSION and javascript <= MOST_JAVASCRIPT


if __name__ == "__main__":
    sys.exit(not asyncio.run(measure()))
