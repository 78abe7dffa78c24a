"""A day of real candles at sixty times its speed, while everything that can break between exchange and worker breaks."""

import asyncio
import signal
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest

from adapters.feeder_client import MarketReplica
from domain.market import Interval, Market, epoch_milliseconds
from feeder.repairs import rows_behind
from tests.integration.feeder.conftest import Feeder, Relay, exchange
from tests.integration.feeder.processes import following, until

FILE = Path(__file__).parents[4] / "shared/data/klines/1m_94usdt_2021-05-11_2021-05-13.parquet"
COLUMNS = ("open", "high", "low", "close", "volume")
pytestmark = [pytest.mark.skipif(not FILE.exists(), reason="the recorded candles are not on this machine"), pytest.mark.timeout(600)]


def expected_candles():
    """Every candle of the file by interval: {symbol: matrix [candle, column]} from the file's first index on."""
    table = pl.read_parquet(FILE).with_columns(pl.col("symbol").cast(pl.String)).sort("symbol", "open_time")
    traded = pl.when(pl.col("volume") > 0)
    candles = {}
    for interval in Interval:
        grouped = table.with_columns(index=pl.col("open_time") // interval.milliseconds).group_by("symbol", "index", maintain_order=True)
        # A minute without trades repeats the close before it and says nothing about the range of an hour.
        whole = grouped.agg(
            traded.then(pl.col("open")).drop_nulls().first().fill_null(pl.col("open").first()),
            traded.then(pl.col("high")).max().fill_null(pl.col("high").max()),
            traded.then(pl.col("low")).min().fill_null(pl.col("low").min()),
            pl.col("close").last(),
            pl.col("volume").sum(),
        )
        parts = whole.partition_by("symbol", as_dict=True)
        candles[interval] = {symbol: (int(part["index"][0]), part.select(COLUMNS).to_numpy()) for (symbol,), part in parts.items()}
    return candles


def differences(store, expected):
    """Closed candles that are not those of the file, and how many were compared per interval."""
    wrong, compared = [], {}
    for interval, frame in store.frames.items():
        compared[interval] = 0
        for row, symbol in enumerate(store.symbols):
            start, end = int(frame.closed_from[row]), int(frame.closed_through[row]) + 1
            window = slice(start - frame.first_index, end - frame.first_index)
            actual = np.column_stack([frame.columns[name][row, window] for name in COLUMNS])
            first, values = expected[interval][symbol]
            same = np.isclose(values[start - first : end - first], actual, rtol=1e-9, atol=0).all(axis=1)
            wrong.extend((interval.value, symbol, start + int(position)) for position in np.flatnonzero(~same))
            compared[interval] += end - start
    return wrong, compared


async def in_thread(replica, work, *arguments):
    return await asyncio.get_running_loop().run_in_executor(replica.thread, work, *arguments)


def nothing_behind(replica):
    as_of = epoch_milliseconds(replica.as_of) if replica.as_of else 0
    return as_of > 0 and all(not rows_behind(frame, as_of).size for frame in replica.store.frames.values())


async def test_every_closed_candle_of_every_replica_is_that_of_the_file_whatever_breaks(token):
    async with (
        exchange("--replay", str(FILE), "--speed", "60") as address,
        Feeder(address, "--client-queue-bytes", "500000") as feeder,
        Relay(feeder.port) as relay,
        Relay(feeder.port, stalls=True) as stalling,
        following(MarketReplica(feeder.url, token)) as steady,
        following(MarketReplica(relay.url, token)) as dropped,
    ):
        await steady.ready(timedelta(seconds=30))
        await until(lambda: nothing_behind(steady) and nothing_behind(dropped))
        begun, cut_before = steady.as_of, await clients_cut(feeder)
        async with following(MarketReplica(stalling.url, token)) as slow:
            replicas = {"steady": steady, "slow": slow, "dropped": dropped}
            relay.drop()
            await until(partial(is_cut, feeder, cut_before))
            stalling.release()
            await until(lambda: nothing_behind(slow) and nothing_behind(dropped))

            await feeder.stop(signal.SIGKILL)
            await asyncio.sleep(2)
            assert steady.age() > timedelta(seconds=1.5)
            await feeder.start()
            await until(lambda: all(replica.connected and nothing_behind(replica) for replica in replicas.values()))
            await asyncio.sleep(10)
            await hold(address)
            await until(lambda: all(nothing_behind(replica) for replica in replicas.values()))

            assert steady.market is Market.REPLAY
            assert steady.as_of - begun > timedelta(minutes=15)
            assert min(replica.statistics.synchronisations for replica in replicas.values()) >= 2
            await compare_with_file(replicas)


async def clients_cut(feeder):
    return (await feeder.status())["counters"]["clients_cut"]


async def is_cut(feeder, before):
    return await clients_cut(feeder) > before


async def hold(address):
    async with httpx.AsyncClient() as client:
        (await client.post(f"{address}/control/hold")).raise_for_status()


async def compare_with_file(replicas):
    expected = expected_candles()
    for name, replica in replicas.items():
        wrong, compared = await in_thread(replica, differences, replica.store, expected)
        assert (name, []) == (name, wrong[:5])
        assert set(expected[Interval.M1]) - {"AUDUSDT", "GBPUSDT"} == set(replica.store.symbols)
        assert compared[Interval.M1] >= 92 * 768
        assert compared[Interval.H1] >= 92 * 48
