"""A feeder that is started again serves what it knew at once, unless the exchange has become another one."""

from contextlib import asynccontextmanager
from datetime import timedelta

import pytest_asyncio

from adapters.feeder_client import MarketReplica
from domain.market import Interval
from tests.integration.feeder.conftest import Feeder
from tests.integration.feeder.processes import Process, following, until
from tests.integration.servers import free_port

SYMBOLS = 20
HISTORIES = SYMBOLS * len(Interval)
START, LATER = "2026-03-01T12:00:00", "2026-03-01T14:00:30"


@asynccontextmanager
async def exchange_at(port, *options, start=START):
    options = ("--generate", "--symbols", str(SYMBOLS), "--speed", "60", "--start", start, *options)
    async with Process("local.exchange", "--port", str(port), *options) as program:
        await until(lambda: any("listening" in line for line in program.lines))
        yield


async def all_complete(feeder):
    return (await feeder.status())["rows_complete"] == HISTORIES


@pytest_asyncio.fixture(scope="module")
async def saved(tmp_path_factory):
    """The exchange's port, and the file of a feeder that has ended."""
    port, file = free_port(), tmp_path_factory.mktemp("state") / "market"
    async with exchange_at(port), feeder_of(port, file) as feeder:
        await until(lambda: all_complete(feeder))
    return port, file.read_bytes()


def feeder_of(port, file):
    return Feeder(f"http://127.0.0.1:{port}", "--snapshot", str(file), market="simulated")


@pytest_asyncio.fixture
async def feeder(saved, tmp_path):
    """A feeder that finds a copy of the file; not started yet."""
    port, content = saved
    (tmp_path / "market").write_bytes(content)
    return feeder_of(port, tmp_path / "market")


def said(feeder, text):
    return sum(text in line for line in feeder.lines)


async def test_a_restarted_feeder_serves_all_it_knew_though_the_exchange_is_away_and_says_how_old_it_is(feeder, token):
    async with feeder, following(MarketReplica(feeder.url, token)) as replica:
        await replica.ready(timedelta(seconds=30))
        await until(lambda: all((frame.begin >= 0).all() for frame in replica.store.frames.values()))
        assert SYMBOLS == len(replica.store.symbols)
        assert all((frame.closed_through - frame.closed_from > 500).all() for frame in replica.store.frames.values())
        assert replica.age() > timedelta(seconds=0.5)
        assert 0 == (await feeder.status())["counters"]["rest_repairs"]
    assert (1, 1) == (said(feeder, "the exchange is away"), said(feeder, "Restored 20 symbols"))


async def test_only_what_was_missed_is_asked_for(saved, feeder):
    async with exchange_at(saved[0], "--speed", "1", start=LATER), feeder:
        await until(lambda: is_fresh(feeder))
        status = await feeder.status()
    assert status["counters"]["rest_repairs"] < HISTORIES, "no candle of four hours or a day closed"
    assert 1 == said(feeder, "Restored 20 symbols")


async def is_fresh(feeder):
    status = await feeder.status()
    # Before it has asked the exchange for the time, nothing is behind what it was restored to.
    is_repaired = status["counters"]["rest_repairs"] >= 4 * SYMBOLS
    return is_repaired and status["rows_complete"] == HISTORIES and all(not of["behind"] for of in status["coverage"].values())


async def test_another_market_behind_the_same_address_is_noticed_and_fetched_whole(saved, feeder):
    async with exchange_at(saved[0], "--seed", "8", start=LATER), feeder:
        await until(lambda: all_complete(feeder))
        assert (await feeder.status())["counters"]["rest_repairs"] >= HISTORIES
    assert (1, 0) == (said(feeder, "are others"), said(feeder, "Restored"))


async def test_an_exchange_whose_clock_went_back_gets_a_feeder_that_begins_anew(saved, feeder):
    async with exchange_at(saved[0], start="2026-02-01T12:00:00"), feeder:
        await until(lambda: all_complete(feeder))
    assert (1, 0) == (said(feeder, "but the exchange's clock shows 2026-02-01"), said(feeder, "Restored"))


async def test_a_market_of_long_ago_is_of_no_use(saved, feeder):
    async with exchange_at(saved[0], start="2026-03-03T12:00:00"), feeder:
        await until(lambda: all_complete(feeder))
    assert (1, 0) == (said(feeder, "nothing of the shortest interval"), said(feeder, "Restored"))
