"""The first backfill and repairs over REST, against the simulated exchange: in order, within the weight, and with no stream at all."""

import asyncio
from datetime import timedelta

import httpx
import numpy as np
import pytest

from adapters.binance.rest import BinanceRest
from adapters.binance.weight import Lane
from adapters.feeder_client import MarketReplica
from domain.market import Interval
from domain.screening import Progress
from filters.evaluation import Evaluator
from tests.integration.feeder.conftest import Feeder, exchange
from tests.integration.feeder.processes import following, until
from tests.integration.feeder.request_log import RequestLog
from tests.integration.feeder.watching import request
from tests.integration.servers import free_port
from workers.screens import ReplicaScreens

pytestmark = pytest.mark.timeout(600)
LIMIT, SYMBOLS = 6_000, 60
JUST_CLOSED = "2026-03-04T12:00:05"
"""No candle closes for the next minute."""
MARKET = ("--generate", "--symbols")


async def asked_of(address, method, path, **body):
    async with httpx.AsyncClient() as client:
        reply = await client.request(method, f"{address}/control/{path}", json=body or None)
        return reply.raise_for_status().json()


async def by_volume(address):
    """The symbols, largest quote volume first."""
    async with BinanceRest(address) as client:
        tickers = await client.tickers()
    return [ticker.symbol for ticker in sorted(tickers, key=lambda ticker: -ticker.values[-1])]


async def is_complete(feeder, *intervals):
    coverage = (await feeder.status())["coverage"]
    return all(coverage[interval]["complete"] == coverage[interval]["rows"] > 0 for interval in intervals or Interval)


async def is_filled(feeder):
    backfill = (await feeder.status())["backfill"]
    return backfill["done"] == backfill["of"] > 0


async def differences(replica, address):
    """Closed candles of the replica that are not those of the exchange, and how many were compared."""
    wrong, compared = [], 0
    async with BinanceRest(address) as client:
        for interval, frame in replica.store.frames.items():
            for row, symbol in enumerate(replica.store.symbols):
                told = await client.klines(symbol, interval, Lane.URGENT)
                told = told[(told["index"] >= frame.closed_from[row]) & (told["index"] <= frame.closed_through[row])]
                columns = told["index"] - frame.first_index
                same = np.all(
                    [frame.columns[name][row, columns] == told[name] for name in ("open", "high", "low", "close", "trades")], axis=0
                )
                wrong += [(symbol, interval, int(index)) for index in told["index"][~same]]
                compared += len(told)
    return wrong, compared


async def test_minutes_are_screened_while_days_are_still_filled_shortest_and_largest_first_and_within_the_weight(token):
    async with (
        exchange(*MARKET, str(SYMBOLS), "--start", JUST_CLOSED) as address,
        RequestLog(address) as log,
        Feeder(log.address, "--stream-url", address.replace("http", "ws"), market="simulated") as feeder,
        following(MarketReplica(feeder.url, token)) as replica,
    ):
        await until(lambda: is_complete(feeder, Interval.M1))
        coverage = (await feeder.status())["coverage"]
        await replica.ready(timedelta(seconds=30))
        screen = await ReplicaScreens(replica, Evaluator()).open(request())
        await until(lambda: int((replica.store.frame(Interval.M1).closed_through > 0).sum()) == SYMBOLS)
        minutes = await screen.tick(Progress())
        days = int((replica.store.frame(Interval.D1).closed_through > 0).sum())
        halfway = (await feeder.status())["backfill"]
        await until(lambda: is_filled(feeder), timeout=150)
        done = await feeder.status()
        exchanged = await asked_of(address, "GET", "status")
        volumes = await by_volume(address)

    assert 0 == coverage["1d"]["complete"]
    assert (SYMBOLS, 0) == (minutes.symbols_processed, minutes.symbols_not_ready)
    assert days < SYMBOLS
    assert halfway["done"] < halfway["of"] == 6 * SYMBOLS
    assert halfway["remaining"] > 0
    assert {"done": 6 * SYMBOLS, "of": 6 * SYMBOLS, "remaining": 0.0} == done["backfill"]
    assert [f"{tenth}0 %" for tenth in range(1, 11)] == told_tenths(feeder)
    assert exchanged["most_weight_per_minute"] <= LIMIT / 2
    assert disorder(list(dict.fromkeys(log.histories())), volumes) < SYMBOLS / 6


def told_tenths(feeder):
    return [line.partition("Backfill: ")[2].partition(" (")[0] for line in feeder.lines if "Backfill: " in line]


def disorder(histories, volumes):
    """By how many places, on average, requests came before or after their turn: ten are under way at once and may overtake each other."""
    wanted = [(symbol, interval.value) for interval in Interval for symbol in volumes]
    assert sorted(wanted) == sorted(histories)
    return sum(abs(place - wanted.index(history)) for place, history in enumerate(histories)) / len(wanted)


async def test_closed_candles_keep_coming_by_rest_when_no_stream_works_at_all(token):
    async with (
        exchange(*MARKET, "12", "--speed", "60") as address,
        Feeder(address, "--stream-url", f"ws://127.0.0.1:{free_port()}", market="simulated") as feeder,
        following(MarketReplica(feeder.url, token)) as replica,
    ):
        await until(lambda: is_complete(feeder))
        await until(lambda: replica.as_of is not None)
        minutes, quarters = replica.store.frame(Interval.M1), replica.store.frame(Interval.M5)
        begun = {frame.interval: int(frame.closed_through.max()) for frame in (minutes, quarters)}
        await until(
            lambda: closed(replica, Interval.M1) > begun[Interval.M1] + 12 and closed(replica, Interval.M5) > begun[Interval.M5] + 1,
            timeout=150,
        )
        assert 0 == (await feeder.status())["connections_open"]
        assert replica.age() > timedelta(seconds=5), "what comes from REST does not make the streams fresh"
        await asked_of(address, "POST", "hold")
        await asyncio.sleep(1)
        wrong, compared = await asyncio.wait_for(differences(replica, address), 60)
        assert [] == wrong
        assert compared > 12 * len(Interval) * 700


def closed(replica, interval):
    """The newest candle that closed for every symbol."""
    return int(replica.store.frame(interval).closed_through.min())


async def test_a_backfill_that_is_banned_stops_at_once_and_goes_on_to_its_end_when_the_ban_is_over():
    async with (
        exchange(*MARKET, "20") as address,
        RequestLog(address) as log,
        Feeder(log.address, "--stream-url", address.replace("http", "ws"), market="simulated") as feeder,
    ):
        await until(lambda: is_complete(feeder, Interval.M1))
        await asked_of(address, "POST", "faults", kind="ban", seconds=8)
        await until(lambda: is_refused(feeder))
        reason = (await feeder.status())["rest"]["reason"]
        await asyncio.sleep(0.5)
        before = len(log.asked)
        await asyncio.sleep(1.5)
        during = len(log.asked) - before
        await until(lambda: is_complete(feeder))
        exchanged = await asked_of(address, "GET", "status")

    assert "the exchange answered 418" == reason
    assert 0 == during
    assert exchanged["most_weight_per_minute"] <= LIMIT / 2


async def is_refused(feeder):
    return (await feeder.status())["rest"]["is_refused"]
