"""The exchange stands still as it did on 2021-04-25, from 04:01 to 08:44: 284 minutes of which no candle of any symbol exists."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest

from activities.ports import Outcome
from adapters.feeder_client import MarketReplica
from domain.market import Interval, epoch_milliseconds
from tests.integration.feeder.conftest import Feeder, exchange
from tests.integration.feeder.processes import following, until
from tests.integration.feeder.request_log import RequestLog
from tests.integration.feeder.traders_at_work import trading

DATA = Path(__file__).parents[4] / "shared/data/klines"
CANDLES_NEEDED = 20
FILTER = f"match = close > sma(close, {CANDLES_NEEDED}) * 1.0004"
ENDS = "08:45"
REQUESTS_PER_HISTORY = 12
"""A history that stays behind is asked for ever more rarely: in the half minute that this takes, not more often than this."""
pytestmark = [pytest.mark.skipif(not DATA.exists(), reason="the recorded candles are not on this machine"), pytest.mark.timeout(600)]


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A file, every how many symbols of it, the day of the outage, its first candle, and the speed of the market before and after."""

    file: str
    every: int
    day: str
    start: str
    begins: str
    interval: Interval
    speed: int

    def moment(self, clock):
        return datetime.fromisoformat(f"{self.day}T{clock}+00:00")

    @property
    def hole(self):
        """Candles of the file's interval that do not exist."""
        return range(self.interval.index_at(self.moment(self.begins)), self.interval.index_at(self.moment(ENDS)))


RECORDINGS = [
    Recording(
        file="1m_94usdt_2021-05-11_2021-05-13", every=8, day="2021-05-13", start="03:55", begins="04:01", interval=Interval.M1, speed=120
    ),
    Recording(
        file="5m_379usdt_2024-07-22_2024-07-30", every=32, day="2024-07-29", start="03:35", begins="04:05", interval=Interval.M5, speed=600
    ),
]
THROUGH_THE_HOLE = 2_000


def part_of(recording, folder):
    """A dozen symbols of the file, as a file; and their candles."""
    table = pl.read_parquet(DATA / f"{recording.file}.parquet").with_columns(pl.col("symbol").cast(pl.String))
    wanted = sorted(table["symbol"].unique())[:: recording.every]
    path = folder / f"{recording.interval}.parquet"
    table = table.filter(pl.col("symbol").is_in(wanted)).sort("symbol", "open_time")
    table.write_parquet(path)
    return path, {symbol: part for (symbol,), part in table.partition_by("symbol", as_dict=True).items()}


def holds_at(recording, part):
    """Per candle on whose unbroken past the filter can be computed: whether it holds. Worked out from the file alone."""
    indices = part["open_time"].to_numpy() // recording.interval.milliseconds
    closes = part["close"].to_numpy()
    windows = np.lib.stride_tricks.sliding_window_view(closes, CANDLES_NEEDED)
    holds = closes[CANDLES_NEEDED - 1 :] > windows.mean(axis=1) * 1.0004
    known = zip(indices[CANDLES_NEEDED - 1 :].tolist(), holds.tolist(), strict=True)
    hole = recording.hole
    return {index: held for index, held in known if index < hole.start or index >= hole.stop + CANDLES_NEEDED - 1}


def expected_matches(recording, candles, progress):
    """What a trader that began at this baseline must have reported, each rise once."""
    matches = set()
    for symbol, part in candles.items():
        held = False
        for index, holds in holds_at(recording, part).items():
            if progress.baseline <= index <= progress.evaluated:
                matches |= {(symbol, index, index == progress.baseline)} if holds and not held else set()
                held = holds
    return matches


class Control:
    """The exchange's own controls."""

    def __init__(self, address):
        self._client = httpx.AsyncClient(base_url=f"{address}/control", trust_env=False, timeout=20)

    async def speed(self, speed):
        (await self._client.post("/speed", json={"speed": speed})).raise_for_status()

    async def start(self):
        (await self._client.post("/start")).raise_for_status()

    async def hold(self):
        (await self._client.post("/hold")).raise_for_status()

    async def reach(self, moment):
        await until(lambda: self._is_past(epoch_milliseconds(moment)), timeout=120)

    async def _is_past(self, moment):
        return (await self._client.get("/status")).json()["time"] >= moment


async def told_by(address, symbol, interval):
    """Indices of the candles that the exchange has."""
    async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=20) as client:
        reply = await client.get("/api/v3/klines", params={"symbol": symbol, "interval": interval.value, "limit": 1000})
    return [row[0] // interval.milliseconds for row in reply.json()]


async def after_the_last_gap(address, symbol, interval):
    """Index of the first candle of the unbroken past that the exchange has; `None` where all that it told is unbroken."""
    told = np.array(await told_by(address, symbol, interval))
    gaps = np.flatnonzero(np.diff(told) > 1)
    return int(told[gaps[-1] + 1]) if gaps.size else None


async def nothing_is_behind(feeder, intervals):
    covered = (await feeder.status())["coverage"]
    return all(covered[interval.value]["behind"] == 0 for interval in intervals)


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.interval.value)
async def test_after_an_outage_histories_begin_anew_and_nothing_is_evaluated_across_it(recording, token, tmp_path):
    file, candles = part_of(recording, tmp_path)
    intervals = [interval for interval in Interval if interval.milliseconds >= recording.interval.milliseconds]
    hole = f"{recording.day}T{recording.begins}/{recording.day}T{ENDS}"
    start = ("--start", f"{recording.day}T{recording.start}", "--speed", str(recording.speed), "--hold")
    async with (
        exchange("--replay", str(file), "--hole", hole, *start) as address,
        RequestLog(address) as log,
        Feeder(address, "--rest-url", log.address) as feeder,
        following(MarketReplica(feeder.url, token)) as replica,
    ):
        market = Control(address)
        await replica.ready(timedelta(seconds=30))
        await until(lambda: nothing_is_behind(feeder, intervals))
        async with trading(replica, FILTER, recording.interval) as work:
            await until(lambda: work.evaluated)
            await market.start()
            await market.reach(recording.moment(recording.begins))
            before = len(log.asked)
            await market.speed(THROUGH_THE_HOLE)
            await market.reach(recording.moment(recording.begins) + timedelta(minutes=100))
            await market.hold()
            await until(lambda: recording.hole[0] - 1 == work.progress.evaluated)
            await market.start()
            await market.reach(recording.moment(ENDS) - timedelta(minutes=10))
            await market.speed(recording.speed)
            await until(lambda: work.progress.evaluated > recording.hole[-1] + CANDLES_NEEDED + 5, timeout=120)
            await market.hold()
            await until(lambda: nothing_is_behind(feeder, intervals))
            await until(lambda: not work.progress.behind and work.progress.evaluated == newest(replica, recording.interval))

        asked = len(log.asked)
        await asyncio.sleep(3)
        assert [] == [history for history in log.histories(asked) if history[1] in intervals]
        assert max(Counter(log.histories(before)).values()) <= REQUESTS_PER_HISTORY
        told = await beginnings_by_the_exchange(address, candles, intervals)
        # An outage of less than five hours leaves a part of every longer candle.
        assert set(intervals) - {Interval.H4, Interval.D1} == {interval for _, interval in told}
        assert told == {history: beginning(replica, *history) for history in told}
        assert {recording.hole[-1] + 1} == {beginning(replica, symbol, recording.interval) for symbol in candles}

    assert Outcome.STALE in work.outcomes
    assert expected_matches(recording, candles, work.progress) == {
        (match.symbol, match.candle_index, match.initial) for match in work.matches
    }
    assert len(work.matches) == len({(match.symbol, match.candle_index) for match in work.matches})
    assert {True, False} == {match.candle_index > recording.hole[-1] for match in work.matches}


def newest(replica, interval):
    return int(replica.store.frame(interval).closed_through.max())


async def beginnings_by_the_exchange(address, symbols, intervals):
    """Where each history begins after the outage; those of which no candle is missing are left out."""
    found = {(symbol, interval): await after_the_last_gap(address, symbol, interval) for symbol in symbols for interval in intervals}
    return {history: index for history, index in found.items() if index is not None}


def beginning(replica, symbol, interval):
    """Where the replica's unbroken history begins."""
    return int(replica.store.frame(interval).closed_from[replica.store.rows[symbol]])
