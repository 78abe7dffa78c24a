"""Connections are dialled at a bounded pace and take each other's places so that something always receives."""

import asyncio
import time
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.candle_store import CandleStore
from feeder import supervision
from feeder.connection import ConnectionLimits, Ending, Reason
from feeder.dialing import DialBudget
from feeder.intake import Intake
from feeder.pool import ConnectionPool
from feeder.shard import Shard
from feeder.statistics import FeederStatistics
from feeder.subscriptions import TICKER_STREAM, kline_streams

LOST = Ending(Reason.LOST, "gone")
STREAMS = ("a@kline_1m", "b@kline_1m")
TICK = 1e-6
"""The least by which a clock moves; smaller delays than its digits would never pass."""


@given(st.lists(st.floats(0, 40), min_size=70, max_size=200))
def test_dials_are_a_second_apart_and_fewer_than_sixty_in_any_five_minutes(pauses):
    now, dialled = 1_000.0, []
    budget = DialBudget(lambda: now)
    for pause in pauses:
        now += pause
        while (delay := budget.delay()) > 0:
            now += max(delay, TICK)
        budget.spend()
        dialled.append(now)
    assert all(later - earlier > 1 - 1e-6 for earlier, later in pairwise(dialled))
    assert all(later - earlier > 300 - 1e-6 for earlier, later in zip(dialled, dialled[59:], strict=False))


async def test_the_first_dial_need_not_wait_and_those_that_wait_are_served_in_turn():
    budget, served = DialBudget(), []
    begun = time.monotonic()

    async def dial(number):
        await budget.turn()
        served.append((number, time.monotonic() - begun))

    await asyncio.gather(*(dial(number) for number in range(3)))
    assert [0, 1, 2] == [number for number, _ in served]
    assert served[0][1] < 0.9 < served[1][1]


class Connection:
    """A connection as a shard sees it; the test decides what happens to it."""

    def __init__(self, number, streams):
        self.number = number
        self.streams = tuple(streams)
        self.ready_at = 0.0
        self.ready = asyncio.get_running_loop().create_future()
        self.replacement = asyncio.get_running_loop().create_future()
        self.end = asyncio.get_running_loop().create_future()
        self.is_retired = False
        self.is_cancelled = False

    async def run(self):
        try:
            return await self.end
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise

    async def retire(self):
        self.is_retired = True
        self.end.set_result(LOST)

    def want(self, streams):
        self.streams = tuple(streams)


class World:
    """A shard at work, and every connection it ever opened."""

    def __init__(self):
        self.opened = []
        self._next_opened = asyncio.Event()
        self.statistics = FeederStatistics()
        self.shard = Shard(STREAMS, self._connect, self.statistics)
        self.task = asyncio.create_task(self.shard.run())

    def _connect(self, streams):
        self.opened.append(Connection(len(self.opened), streams))
        self._next_opened.set()
        self._next_opened = asyncio.Event()
        return self.opened[-1]

    async def connection(self, number):
        """The connection with this number, once it is opened."""
        async with asyncio.timeout(10):
            while len(self.opened) <= number:
                await self._next_opened.wait()
        return self.opened[number]

    async def settle(self):
        for _ in range(10):
            await asyncio.sleep(0)

    async def stop(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def world(monkeypatch):
    monkeypatch.setattr(supervision, "LONGEST_PAUSE", 0.001)
    world = World()
    yield world
    await world.stop()


@pytest.mark.parametrize("reason", [Reason.LOST, Reason.UNREACHABLE, Reason.SILENCE, Reason.UNSUBSCRIBED])
async def test_a_connection_that_ends_is_followed_by_another_for_ever(world, reason):
    for number in range(20):
        (await world.connection(number)).end.set_result(Ending(reason, ""))
    last = await world.connection(20)
    assert [last] == world.shard.connections
    assert {reason.value: 20} == world.statistics.replacements
    assert (0 if reason is Reason.UNREACHABLE else 20) == world.statistics.connections_lost


async def test_a_fault_of_ours_is_logged_and_the_shard_goes_on(world, caplog):
    (await world.connection(0)).end.set_exception(KeyError("a bug"))
    await world.connection(1)
    assert {"failed": 1} == world.statistics.replacements
    assert any(record.exc_info and record.exc_info[0] is KeyError for record in caplog.records)


async def test_a_connection_that_is_to_be_replaced_stays_until_the_new_one_receives(world):
    old = await world.connection(0)
    old.replacement.set_result(Reason.ROTATION)
    new = await world.connection(1)
    await world.settle()
    assert [old, new] == world.shard.connections
    assert not old.is_retired
    new.ready.set_result(None)
    await world.settle()
    assert [new] == world.shard.connections
    assert old.is_retired
    assert (1, {"rotation": 1}, 0) == (world.statistics.rotations, world.statistics.replacements, world.statistics.connections_lost)


async def test_the_old_connection_stays_while_new_ones_fail(world):
    old = await world.connection(0)
    old.replacement.set_result(Reason.SHUTDOWN)
    for number in (1, 2, 3):
        (await world.connection(number)).end.set_result(Ending(Reason.UNREACHABLE, ""))
    new = await world.connection(4)
    assert not old.is_retired
    new.ready.set_result(None)
    await world.settle()
    assert old.is_retired
    assert {"unreachable": 3, "shutdown": 1} == world.statistics.replacements


async def test_if_the_old_connection_ends_first_the_new_one_goes_on_and_no_third_is_opened(world):
    old = await world.connection(0)
    old.replacement.set_result(Reason.SHUTDOWN)
    new = await world.connection(1)
    old.end.set_result(LOST)
    await world.settle()
    assert [new] == world.shard.connections
    new.ready.set_result(None)
    await asyncio.sleep(0.05)
    assert 2 == len(world.opened)


async def test_a_new_connection_is_itself_replaced_when_its_time_comes(world):
    for number in range(3):
        connection = await world.connection(number)
        if number:
            connection.ready.set_result(None)
            await world.settle()
        connection.replacement.set_result(Reason.ROTATION)
    await world.settle()
    assert 2 == world.statistics.rotations
    assert [world.opened[2], world.opened[3]] == world.shard.connections


async def test_what_becomes_wanted_reaches_both_connections_and_all_later_ones(world):
    old = await world.connection(0)
    old.replacement.set_result(Reason.ROTATION)
    new = await world.connection(1)
    world.shard.want(["c@kline_1m"])
    assert ("c@kline_1m",) == old.streams == new.streams
    old.end.set_result(LOST)
    new.end.set_result(LOST)
    assert ("c@kline_1m",) == (await world.connection(2)).streams


async def test_a_shard_that_is_cancelled_leaves_no_connection_behind(world):
    old = await world.connection(0)
    old.replacement.set_result(Reason.ROTATION)
    new = await world.connection(1)
    await world.settle()
    await world.stop()
    assert old.is_cancelled
    assert new.is_cancelled
    assert [] == world.shard.connections


class Kept:
    """Work that a pool wants kept running; nothing runs it."""

    def __init__(self):
        self.tasks = {}

    def __call__(self, name, work):
        self.tasks[name] = asyncio.create_task(asyncio.sleep(60))
        return self.tasks[name]


@pytest.fixture
async def kept():
    kept = Kept()
    yield kept
    for task in kept.tasks.values():
        task.cancel()


@pytest.fixture
def pool(kept):
    store, statistics = CandleStore(), FeederStatistics()
    limits = ConnectionLimits(rotate_after=timedelta(hours=23), silent_after=timedelta(seconds=90))
    intake = Intake(store, statistics)
    return ConnectionPool("ws://127.0.0.1:1", store, intake, statistics, limits=limits, keep=kept, closed_arrived=lambda: None)


def streams_of(pool):
    return {number: shard.streams for number, shard in pool._shards.items()}


async def test_the_tickers_and_every_candle_of_the_symbols_are_received(pool, kept):
    symbols = [f"S{number}" for number in range(400)]
    pool.follow(symbols)
    assert ["Shard 1", "Shard 2", "Shard 3"] == list(kept.tasks)
    received = [stream for streams in streams_of(pool).values() for stream in streams]
    assert Counter([TICKER_STREAM, *kline_streams(symbols)]) == Counter(received)


async def test_symbols_that_come_and_go_change_only_what_they_must(pool, kept):
    pool.follow(f"S{number}" for number in range(149))
    before = streams_of(pool)
    pool.follow(f"S{number}" for number in range(1, 150))
    assert ["Shard 1"] == list(kept.tasks)
    gone, new = set(kline_streams(["S0"])), kline_streams(["S149"])
    assert [stream for stream in before[1] if stream not in gone] + new == list(streams_of(pool)[1])


async def test_a_shard_that_is_left_with_nothing_is_ended(pool, kept):
    pool.follow(f"S{number}" for number in range(300))
    pool.follow(f"S{number}" for number in range(140))
    await asyncio.sleep(0)
    assert {1} == streams_of(pool).keys()
    assert ["Shard 2", "Shard 3"] == [name for name, task in kept.tasks.items() if task.cancelled()]


async def test_no_two_shards_rotate_together(pool):
    ages = [pool._connect(shard, [])._limits.rotate_after for shard in range(1, 5)]
    assert [timedelta(hours=22, minutes=46.2), timedelta(hours=22, minutes=32.4)] == ages[:2]
    assert 4 == len(set(ages))
    assert max(ages) < timedelta(hours=23)
