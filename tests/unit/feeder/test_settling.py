"""Waiters wake once per candle, however many arrive, and no candle passes unnoticed."""

import asyncio
from datetime import timedelta

import pytest

from adapters import settling
from adapters.settling import Settlement


@pytest.fixture(autouse=True)
def short_times(monkeypatch):
    monkeypatch.setattr(settling, "SETTLE_LIMIT", timedelta(milliseconds=60))
    monkeypatch.setattr(settling, "GATHER_LATE", timedelta(milliseconds=20))


async def test_a_candle_settles_the_moment_no_symbol_lacks_it():
    settlement = Settlement()
    waiters = [asyncio.create_task(settlement.settled(0)) for _ in range(1000)]
    settlement.arrived(7, missing=2)
    settlement.arrived(7, missing=1)
    await asyncio.sleep(0)
    assert settlement.number == 0
    settlement.arrived(7, missing=0)
    assert await asyncio.gather(*waiters) == [1] * 1000


async def test_a_candle_settles_after_the_limit_though_symbols_are_missing():
    settlement = Settlement()
    settlement.arrived(7, missing=2)
    await asyncio.sleep(0.04)
    assert settlement.number == 0
    assert await asyncio.wait_for(settlement.settled(0), 1) == 1


async def test_late_candles_wake_again_but_together():
    settlement = Settlement()
    settlement.arrived(7, missing=0)
    for _ in range(50):
        settlement.arrived(7, missing=0)
    assert settlement.number == 1
    await asyncio.sleep(0.1)
    assert settlement.number == 2


async def test_a_new_candle_that_is_whole_does_not_wait_for_late_ones():
    settlement = Settlement()
    settlement.arrived(7, missing=0)
    settlement.arrived(7, missing=0)
    settlement.arrived(8, missing=0)
    assert settlement.number == 2
    await asyncio.sleep(0.05)
    assert settlement.number == 2


async def test_who_looks_away_between_two_waits_misses_nothing():
    settlement = Settlement()
    seen = settlement.number
    settlement.arrived(7, missing=0)
    assert await asyncio.wait_for(settlement.settled(seen), 0.01) == 1


async def test_after_another_feeders_older_snapshot_candles_settle_one_by_one_again():
    settlement = Settlement()
    settlement.arrived(8, missing=0)
    settlement.arrived(6, missing=2)
    assert settlement.settling is None, "nothing of a snapshot is on its way"
    settlement.arrived(7, missing=2)
    assert settlement.settling == 7
    woken = settlement.number
    settlement.arrived(7, missing=0)
    assert (woken + 1, None) == (settlement.number, settlement.settling)


async def test_an_older_snapshot_wakes_those_who_wait_within_the_time_of_late_candles():
    settlement = Settlement()
    settlement.arrived(8, missing=0)
    settlement.arrived(6, missing=2)
    assert await asyncio.wait_for(settlement.settled(1), 1) == 2
