"""Two real feeders, one worker: whatever happens to the one that is followed, every candle of every symbol is evaluated exactly once."""

import asyncio
import os
import signal
from collections import Counter
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import uuid4

import httpx
import numpy as np
import pytest

from activities.ports import ScreenRequest
from adapters.feeder_client import MarketReplica
from domain.filters import FilterSpec
from domain.market import Interval
from domain.screening import Progress
from domain.tiers import LIMITS, Tier
from domain.traders import TraderSettings
from filters.evaluation import Evaluator
from filters.expression import compile_filter
from tests.integration.feeder.conftest import Feeder, exchange, following, running, until
from workers.newly_closed import Watched, evaluate_newly_closed
from workers.screen import ReplicaScreens

SYMBOLS, SPEED, SCREENS = 12, 60, 5
GREEN = FilterSpec(code="match = close > open", interval=Interval.M1)
MOST_AS_OF_GOES_BACK = timedelta(seconds=10) * SPEED
pytestmark = pytest.mark.timeout(300)


@dataclass
class Trader:
    """Ticks whenever candles settle; keeps what it evaluated and found."""

    progress: Progress = field(default_factory=Progress)
    evaluated: Counter = field(default_factory=Counter)
    matches: list = field(default_factory=list)
    missed: int = 0

    async def watch(self, screen, symbols):
        while True:
            result = await screen.tick(self.progress)
            if result.evaluated:
                self.evaluated.update(newly_evaluated(self.progress, result.progress, symbols))
                self.matches += [(match.symbol, match.candle_index, match.initial) for match in result.matches]
                self.missed += result.missed_candles + result.dropped_matches
            self.progress = result.progress
            await screen.changed()


def newly_evaluated(before, after, symbols):
    """(symbol, candle) of each evaluation between two places on the grid; going back shows as a candle evaluated again later."""
    start = after.baseline - 1 if before.evaluated is None else before.evaluated
    for symbol in symbols:
        for index in range(before.behind.get(symbol, start) + 1, after.behind.get(symbol, after.evaluated) + 1):
            yield symbol, index


class AsOf:
    """How far the market's time went back at most."""

    def __init__(self):
        self.most = timedelta()

    async def watch(self, replica):
        newest = replica.as_of
        while True:
            self.most = max(self.most, newest - replica.as_of)
            newest = max(newest, replica.as_of)
            await asyncio.sleep(0.02)


@asynccontextmanager
async def frozen(program):
    os.kill(program._process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(program._process.pid, signal.SIGCONT)


@asynccontextmanager
async def beside(*works):
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        yield
        assert [] == [task.exception() for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def connections(address):
    async with httpx.AsyncClient() as client:
        return {connection["id"] for connection in (await client.get(f"{address}/control/status")).json()["connections"]}


async def ask(address, path, **body):
    async with httpx.AsyncClient() as client:
        (await client.post(f"{address}/control/{path}", json=body)).raise_for_status()


async def is_complete(feeder):
    status = await feeder.status()
    return status["rows_complete"] == status["rows"] > 0 and status["age_seconds"] < 1


async def closed_candles(address, symbol, start, end):
    """Closes of one symbol's minutes as the exchange tells them, by index."""
    times = {"startTime": start * 60_000, "endTime": end * 60_000, "limit": 1_000}
    async with httpx.AsyncClient() as client:
        rows = (await client.get(f"{address}/api/v3/klines", params={"symbol": symbol, "interval": "1m", **times})).json()
    return {row[0] // 60_000: float(row[4]) for row in rows}


def expected_matches(store, baseline, through):
    """What one look at the whole market would have found in these candles."""
    watched = Watched(rows=np.arange(len(store.symbols)), names=store.symbols, max_matches=10**6, late_after=timedelta(days=1))
    progress, compiled, found = Progress(baseline=baseline, evaluated=baseline - 1), compile_filter(GREEN), []
    while progress.evaluated < through:
        look = evaluate_newly_closed(Evaluator(), compiled, store, watched, progress, 0)
        found += [(match.symbol, match.candle_index, match.initial) for match in look.matches]
        progress = look.progress
    return [match for match in found if match[1] <= through]


async def same_candles(address, store, first, last):
    """How many minutes of the replica were compared with the exchange's; all are the same."""
    frame, compared = store.frame(Interval.M1), 0
    for row, symbol in enumerate(store.symbols):
        told = await closed_candles(address, symbol, first, last)
        actual = {index: float(frame.columns["close"][row, index - frame.first_index]) for index in range(first, last + 1)}
        assert told == actual, symbol
        compared += len(actual)
    return compared


async def switched(replica, feeder):
    await until(lambda: replica.followed == feeder.url and replica.connected and replica.age() < timedelta(seconds=2))


async def test_every_candle_is_evaluated_once_whatever_happens_to_the_feeder_that_is_followed(token):
    options = ("--generate", "--symbols", str(SYMBOLS), "--speed", str(SPEED))
    async with exchange(*options) as address, running(Feeder(address, market="simulated")) as first:
        await until(lambda: is_complete(first))
        connections_of_first = await connections(address)
        async with (
            running(Feeder(address, market="simulated")) as second,
            following(MarketReplica(f"{first.url},{second.url}", token)) as replica,
        ):
            await replica.ready(timedelta(seconds=30))
            assert first.url == replica.followed
            await until(lambda: is_complete(second))
            screens = ReplicaScreens(replica, Evaluator())
            limits = replace(LIMITS[Tier.ELITE], max_signals_per_tick=10**6)
            settings = TraderSettings(filter=GREEN, cadence=timedelta(seconds=1))
            traders, as_of = [Trader() for _ in range(SCREENS)], AsOf()
            opened = [await screens.open(ScreenRequest(trader_id=uuid4(), settings=settings, limits=limits)) for _ in traders]
            watching = [trader.watch(screen, replica.store.symbols) for trader, screen in zip(traders, opened, strict=True)]
            async with beside(as_of.watch(replica), *watching):
                await until(lambda: all(trader.evaluated for trader in traders))
                clients = [(await feeder.status())["clients"] for feeder in (first, second)]
                assert [1, 0] == clients, "one connection for all screens"

                for connection in connections_of_first:
                    await ask(address, "faults", kind="silence", connection=connection)
                await switched(replica, second)
                await until(lambda: is_complete(first))

                async with frozen(second):
                    await switched(replica, first)
                await until(lambda: is_complete(second))

                await first.stop(signal.SIGKILL)
                await switched(replica, second)
                await first.start()
                await until(lambda: is_complete(first))

                await ask(address, "hold")
                last = replica.as_of
                await until(lambda: all(len(one.progress.behind) == 0 and has_all(one, replica) for one in traders))
                assert (second.url, 3) == (replica.followed, replica.statistics.switches), f"at {last}"
            await compare(address, replica, traders)
            assert as_of.most < MOST_AS_OF_GOES_BACK


def has_all(trader, replica):
    newest = Interval.M1.index_at(replica.as_of) - 1
    return trader.progress.evaluated == newest == int(replica.store.frame(Interval.M1).closed_through.min())


async def compare(address, replica, traders):
    last = traders[0].progress.evaluated
    for trader in traders:
        first = trader.progress.baseline
        assert last - first > 15
        assert 0 == trader.missed
        assert Counter((symbol, index) for symbol in replica.store.symbols for index in range(first, last + 1)) == trader.evaluated
        assert sorted(expected_matches(replica.store, first, last)) == sorted(trader.matches)
    first = traders[0].progress.baseline
    assert SYMBOLS * (last - first + 1) == await same_candles(address, replica.store, first, last)
