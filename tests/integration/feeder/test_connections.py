"""The connections of a real feeder to the simulated exchange, while the exchange does its worst to them. Sixty times real time."""

import asyncio
from collections import Counter, defaultdict
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise

import httpx
import pytest_asyncio

from adapters.candle_store import CLOSED, FROM_REST, INTERVAL_CODES, CandleStore
from adapters.feeder_protocol import Candles
from adapters.feeder_session import FeederSession
from domain.market import Interval, Market
from feeder.connection import ConnectionState
from feeder.feeder import Feeder
from feeder.repairs import rows_behind
from feeder.settings import FeederSettings
from feeder.subscriptions import kline_stream
from tests.integration.feeder.conftest import exchange
from tests.integration.feeder.processes import TOKEN, until
from tests.integration.servers import free_port

SYMBOLS = 10
STREAMS = 6 * SYMBOLS + 1
MOST_CLIENT_FRAMES = 4


class Control:
    """The exchange's own controls."""

    def __init__(self, address):
        self.address = address
        self._client = httpx.AsyncClient(base_url=address, timeout=30)

    async def status(self):
        return (await self._client.get("/control/status")).raise_for_status().json()

    async def fault(self, kind, **parameters):
        reply = await self._client.post("/control/faults", json={"kind": kind, **parameters})
        return reply.raise_for_status().json()

    async def klines(self, symbol):
        """The newest minutes by index, as open, high, low, close, volume, quote volume, trades, taker volume."""
        rows = await self._client.get("/api/v3/klines", params={"symbol": symbol, "interval": "1m", "limit": 1_000})
        return {row[0] // 60_000: [float(row[column]) for column in (1, 2, 3, 4, 5, 7, 8, 9, 10)] for row in rows.raise_for_status().json()}

    async def close(self):
        await self._client.delete("/control/faults")
        await self._client.aclose()


class Follower:
    """A client of the feeder: applies all it is told, and notes which closed candles the streams brought how often."""

    def __init__(self, feeder):
        self.store = CandleStore()
        self.streamed = Counter()
        self._feeder = feeder
        self._task = asyncio.create_task(self._follow())

    async def _follow(self):
        client, session = self._feeder.broadcast.join(), FeederSession(self.store)
        while True:
            message, _ = session.receive(await self._feeder.broadcast.next_message(client))
            if isinstance(message, Candles):
                closed = message.records[message.records["flags"] & (CLOSED | FROM_REST) == CLOSED]
                self.streamed.update(zip(closed["row"].tolist(), closed["interval"].tolist(), closed["index"].tolist(), strict=True))

    def candles_of(self, symbol, interval):
        """How many closed candles of a stream came."""
        key = self.store.rows[symbol], INTERVAL_CODES[interval]
        return sum((row, code) == key for row, code, _ in self.streamed)

    def missed(self):
        """Closed candles that the streams left out between the first and the last of their history."""
        indices = defaultdict(list)
        for row, code, index in sorted(self.streamed):
            indices[row, code].append(index)
        gaps = ((key, *pair) for key, told in indices.items() for pair in pairwise(told))
        return [(key, earlier, later) for key, earlier, later in gaps if later != earlier + 1]

    async def close(self):
        self._task.cancel()
        (outcome,) = await asyncio.gather(self._task, return_exceptions=True)
        assert isinstance(outcome, asyncio.CancelledError), outcome


@asynccontextmanager
async def feeding(control, **settings):
    """A feeder in this process, once it receives every stream."""
    feeder = Feeder(
        FeederSettings(
            rest_url=control.address,
            stream_url=control.address.replace("http", "ws"),
            market=Market.SIMULATED,
            quote_asset="USDT",
            host="127.0.0.1",
            port=free_port(),
            token=TOKEN,
            **settings,
        )
    )
    task = asyncio.create_task(feeder.run())
    follower = Follower(feeder)
    try:
        await until(lambda: receives(feeder) or task.done())
        yield feeder, follower
    finally:
        await follower.close()
        task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(outcome, asyncio.CancelledError), outcome
    assert (await control.status())["most_client_frames_per_second"] <= MOST_CLIENT_FRAMES
    assert feeder.statistics.most_client_frames_per_second <= MOST_CLIENT_FRAMES


def receives(feeder):
    """Whether every shard has one connection, which receives everything."""
    reports = feeder._pool.reports()
    states = [(report.state, report.streams - report.confirmed) for report in reports]
    return states and [(ConnectionState.RECEIVING, 0)] * len(feeder._pool) == states


def is_complete(feeder, follower):
    return all(
        not rows_behind(frame, feeder.intake.as_of).size for store in (feeder.store, follower.store) for frame in store.frames.values()
    )


async def differences(control, follower):
    """Closed minutes of the follower that are not those of the exchange, of the 700 newest."""
    frame, wrong = follower.store.frame(Interval.M1), []
    for row, symbol in enumerate(follower.store.symbols):
        end = int(frame.closed_through[row]) + 1
        told = await control.klines(symbol)
        known = {index: frame.values[:, row, index - frame.first_index].tolist() for index in range(end - 700, end)}
        wrong += [(symbol, index) for index, values in known.items() if values != told[index]]
    return wrong


@pytest_asyncio.fixture(scope="module")
async def address():
    async with exchange("--generate", "--symbols", str(SYMBOLS), "--speed", "60") as address:
        yield address


@pytest_asyncio.fixture
async def control(address):
    control = Control(address)
    yield control
    await control.close()


async def test_a_connection_is_rotated_before_it_is_too_old_and_no_closed_candle_is_lost_or_told_differently_twice(control):
    async with feeding(control, rotate_after=timedelta(seconds=4)) as (feeder, follower):
        await until(lambda: is_complete(feeder, follower))
        await until(lambda: feeder.statistics.rotations >= 3)
        await until(lambda: receives(feeder))
        streamed = len(follower.streamed)
        await until(lambda: len(follower.streamed) > streamed + 3 * SYMBOLS)
        await until(lambda: is_complete(feeder, follower))

        assert {"rotation": feeder.statistics.rotations} == feeder.statistics.replacements
        assert [] == follower.missed()
        assert len(follower.streamed) > 10 * SYMBOLS
        assert {1, 2} >= set(follower.streamed.values())
        assert 0 == sum(frame.corrections for store in (feeder.store, follower.store) for frame in store.frames.values())
        assert [] == await differences(control, follower)


async def test_a_connection_that_is_told_of_a_shutdown_is_replaced_before_it_comes(control):
    async with feeding(control) as (feeder, follower):
        await control.fault("shutdown", seconds=30)
        await until(lambda: feeder.statistics.replacements == {"shutdown": 1})
        streamed = len(follower.streamed)
        await until(lambda: len(follower.streamed) > streamed + 3 * SYMBOLS)
        assert [] == follower.missed()
        assert 0 == feeder.statistics.connections_lost


async def test_after_all_connections_were_cut_everything_is_received_and_repaired_again(control):
    async with feeding(control) as (feeder, follower):
        await until(lambda: is_complete(feeder, follower))
        cut = await control.fault("disconnect")
        assert 1 == len(cut["connections"])
        await until(lambda: feeder.statistics.replacements == {"lost": 1})
        await until(lambda: receives(feeder))
        as_of = feeder.intake.as_of
        await until(lambda: feeder.intake.as_of > as_of + 120_000 and is_complete(feeder, follower), timeout=30)
        assert [] == await differences(control, follower)


async def test_a_connection_that_falls_silent_though_it_answers_pings_is_replaced(control):
    async with feeding(control) as (feeder, follower):
        await control.fault("silence")
        await until(lambda: feeder.statistics.replacements == {"silence": 1})
        await until(lambda: receives(feeder) and is_complete(feeder, follower))
        assert [] == await differences(control, follower)


async def test_an_exchange_that_lets_nobody_in_is_tried_again_until_it_does(control):
    async with feeding(control) as (feeder, follower):
        await control.fault("refuse", seconds=5)
        await control.fault("disconnect")
        await until(lambda: feeder.statistics.replacements.get("unreachable", 0) >= 1)
        await until(lambda: receives(feeder) and is_complete(feeder, follower), timeout=90)
        assert 1 == feeder.statistics.replacements["lost"]
        assert [] == await differences(control, follower)


async def test_one_silent_stream_among_others_is_subscribed_to_anew_on_its_connection(control):
    async with feeding(control, silent_after=timedelta(seconds=6)) as (feeder, follower):
        symbol, interval = feeder.store.symbols[3], Interval.M5
        stream = kline_stream(symbol, interval)
        await control.fault("mute", stream=stream)
        await until(lambda: feeder._pool.silent == [stream])
        await until(lambda: feeder._pool.silent == [] and feeder.statistics.resubscriptions >= 1)
        streamed = follower.candles_of(symbol, interval)
        await until(lambda: follower.candles_of(symbol, interval) > streamed)
        assert {} == feeder.statistics.replacements


async def test_symbols_that_join_and_leave_do_so_on_the_live_connection(control):
    async with feeding(control) as (feeder, follower):
        dials = (await control.status())["dials"]
        symbols = feeder.store.symbols
        feeder._pool.follow(symbols[2:])
        await until(lambda: receives(feeder))
        assert [STREAMS - 12] == await subscribed(control)
        feeder._pool.follow(symbols)
        await until(lambda: receives(feeder))
        assert [STREAMS] == await subscribed(control)
        assert dials == (await control.status())["dials"]
        assert {} == feeder.statistics.replacements
        await until(lambda: is_complete(feeder, follower))


async def subscribed(control):
    """How many streams each open connection has at the exchange."""
    return [connection["streams"] for connection in (await control.status())["connections"] if connection.get("close_reason") is None]
