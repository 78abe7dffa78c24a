"""Two real feeders, one worker: whatever happens to the one that is followed, every candle of every symbol is evaluated exactly once."""

import asyncio
import signal
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest

from adapters.feeder_client import MarketReplica
from domain.market import Interval
from filters.evaluation import Evaluator
from tests.integration.feeder.conftest import Feeder, exchange
from tests.integration.feeder.processes import following, until
from tests.integration.feeder.watching import Trader, assert_each_once, request
from workers.screens import ReplicaScreens

SYMBOLS, SPEED, SCREENS = 12, 60, 5
MOST_AS_OF_GOES_BACK = timedelta(seconds=10) * SPEED
PATIENCE = 150.0
pytestmark = pytest.mark.timeout(600)


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
async def beside(*works):
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        yield
        assert [] == [task.exception() for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def market():
    return exchange("--generate", "--symbols", str(SYMBOLS), "--speed", str(SPEED))


async def connections(address):
    async with httpx.AsyncClient() as client:
        return {connection["id"] for connection in (await client.get(f"{address}/control/status")).json()["connections"]}


async def ask(address, path, **body):
    async with httpx.AsyncClient() as client:
        (await client.post(f"{address}/control/{path}", json=body)).raise_for_status()


async def mute(address, numbers):
    for number in numbers:
        await ask(address, "faults", kind="silence", connection=number)


async def is_complete(feeder):
    status = await feeder.status()
    return status["rows_complete"] == status["rows"] > 0 and status["age_seconds"] < 1


async def closed_candles(address, symbol, start, end):
    """Closes of one symbol's minutes as the exchange tells them, by index."""
    times = {"startTime": start * 60_000, "endTime": end * 60_000, "limit": 1_000}
    async with httpx.AsyncClient() as client:
        rows = (await client.get(f"{address}/api/v3/klines", params={"symbol": symbol, "interval": "1m", **times})).json()
    return {row[0] // 60_000: float(row[4]) for row in rows}


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
    async with market() as address, Feeder(address, market="simulated") as first:
        await until(lambda: is_complete(first), PATIENCE)
        connections_of_first = await connections(address)
        async with Feeder(address, market="simulated") as second:
            await until(lambda: is_complete(second), PATIENCE)
            async with following(MarketReplica(f"{first.url},{second.url}", token)) as replica:
                await replica.ready(timedelta(seconds=30))
                screens, traders, as_of = ReplicaScreens(replica, Evaluator()), [Trader() for _ in range(SCREENS)], AsOf()
                opened = [await screens.open(request()) for _ in traders]
                watching = [trader.watch(screen, replica.store.symbols) for trader, screen in zip(traders, opened, strict=True)]
                async with beside(as_of.watch(replica), *watching):
                    await until(lambda: all(trader.evaluated for trader in traders))
                    one, other = (first, second) if replica.followed == first.url else (second, first)
                    clients = [(await feeder.status())["clients"] for feeder in (one, other)]
                    assert [1, 0] == clients, "one connection for all screens"
                    all_connections = await connections(address)
                    await mute(address, connections_of_first if one is first else all_connections - connections_of_first)
                    await switched(replica, other)
                    await until(lambda: is_complete(one), PATIENCE)

                    async with other.frozen():
                        await switched(replica, one)
                    await until(lambda: is_complete(other), PATIENCE)

                    await one.stop(signal.SIGKILL)
                    await switched(replica, other)
                    await one.start()
                    await until(lambda: is_complete(one), PATIENCE)

                    await ask(address, "hold")
                    await until(lambda: all(has_all(trader, replica) for trader in traders))
                    assert replica.statistics.switches >= 3
                await compare(address, replica, traders)
                assert as_of.most < MOST_AS_OF_GOES_BACK


def has_all(trader, replica):
    newest = Interval.M1.index_at(replica.as_of) - 1
    return not trader.progress.behind and trader.progress.evaluated == newest == int(replica.store.frame(Interval.M1).closed_through.min())


async def compare(address, replica, traders):
    first, last = traders[0].progress.baseline, traders[0].progress.evaluated
    assert last - first > 15
    for trader in traders:
        assert_each_once(trader, replica.store, last)
    assert SYMBOLS * (last - first + 1) == await same_candles(address, replica.store, first, last)
