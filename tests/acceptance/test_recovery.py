"""Processes die one after the other while traders run: everything comes back by itself, and no signal is lost, doubled or invented."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest

from domain.market import Interval
from domain.tiers import LIMITS, Tier
from domain.traders import TraderStatus
from tests.acceptance.backend import Backend, eventually, measured, times_of
from tests.acceptance.commands import cloudtrader
from tests.acceptance.recording import SYMBOLS
from tests.acceptance.running_stack import RunningStack, small_stack

RISING = "match = close > open"
"""Of a dozen symbols some newly match at every candle."""
SPEED = "60"
CONTINUES_WITHIN = 60.0
HANDED_OVER_WITHIN = 30.0
SETTLED_WITHIN = 60.0
AFTERWARDS = 3.0
"""Three candles more."""
GONE_WITHIN = 30.0

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True)
class Trader:
    """A trader that has signals at every candle, and the open time of the first it looked at, ms."""

    id: UUID
    interval: Interval
    baseline: int


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[RunningStack]:
    async with small_stack(MARKET_SPEED=SPEED, WORKERS="2") as stack:
        yield stack


@pytest.fixture(scope="module")
async def backend(stack: RunningStack) -> AsyncIterator[Backend]:
    async with Backend(stack) as backend:
        yield backend


@pytest.fixture(scope="module")
async def traders(backend: Backend) -> list[Trader]:
    await backend.market_is_complete()
    made = [(await backend.deploy(f"rising {interval}", RISING, interval), interval) for interval in (Interval.M1, Interval.M5)]
    return [Trader(trader_id, interval, await backend.baseline_of(trader_id)) for trader_id, interval in made]


@pytest.fixture(autouse=True)
async def _all_signals_are_right(backend: Backend, traders: list[Trader]) -> AsyncIterator[None]:
    """After each test: everything found since the traders were deployed, through all the outages so far."""
    yield
    await asyncio.sleep(AFTERWARDS)
    await backend.control("hold")
    try:
        until = (await backend.control_status())["time"]
        for trader in traders:
            await _assert_signals(backend, trader, (until // trader.interval.milliseconds - 1) * trader.interval.milliseconds)
    finally:
        await backend.control("start")


async def _assert_signals(backend: Backend, trader: Trader, last: int) -> None:
    expected = await _expected(backend, trader, last)
    await backend.evaluated_through(trader.id, last, SETTLED_WITHIN)

    async def all_there() -> bool:
        return len(await backend.signals_of(trader.id)) >= len(expected)

    await eventually(all_there, SETTLED_WITHIN, f"{len(expected)} signals of the {trader.interval} trader")
    found = Counter(times_of(await backend.signals_of(trader.id)))
    report = await backend.status_of(trader.id)
    assert set() == set(found) ^ expected
    assert {1} == set(found.values())
    assert (TraderStatus.RUNNING, 0) == (report.status, report.totals.missed_candles)


async def _expected(backend: Backend, trader: Trader, last: int) -> set[tuple[str, int]]:
    """(symbol, open time) of what newly matches after the baseline, from the exchange's own history."""
    expected = set()
    for symbol in SYMBOLS:
        klines = np.array(await backend.klines(symbol, trader.interval, trader.baseline, last), dtype=float)
        assert np.array_equal(klines[:, 0], np.arange(trader.baseline, last + 1, trader.interval.milliseconds))
        matches = klines[:, 4] > klines[:, 1]
        expected |= {(symbol, int(opened)) for opened in klines[1:, 0][matches[1:] & ~matches[:-1]]}
    return expected


async def _continues(backend: Backend, trader: Trader, within: float) -> float:
    """Wait until the trader has evaluated a candle that closes after now; the seconds it took."""
    began = asyncio.get_running_loop().time()
    width = trader.interval.milliseconds
    await backend.evaluated_through(trader.id, (await backend.control_status())["time"] // width * width, within)
    return asyncio.get_running_loop().time() - began


async def _events(stack: RunningStack, backend: Backend, trader: Trader) -> list[str]:
    """What `cloudtrader trader status` says happened."""
    ended = await cloudtrader(stack, "trader", "status", trader.id, "--user", backend.email, "--json")
    assert ended.status == 0, ended.err
    return json.loads(ended.out)["report"]["events"]


@pytest.mark.parametrize("name", ["postgres", "supabase", "temporal", "exchange", "feeder", "worker-1"])
async def test_killed_process_comes_back_and_traders_continue(
    stack: RunningStack, backend: Backend, traders: list[Trader], name: str
) -> None:
    before = stack.kill(name)
    await stack.ready_again(name, before)
    measured(f"{name} killed and ready again, its traders continue after", await _continues(backend, traders[0], CONTINUES_WITHIN))


async def test_worker_that_is_told_to_end_hands_its_traders_over(stack: RunningStack, backend: Backend, traders: list[Trader]) -> None:
    for name in ("worker-1", "worker-2"):
        before = stack.end(name)
        took = await _continues(backend, traders[0], HANDED_OVER_WITHIN)
        measured(f"{name} told to end, its traders continue after", took)
        await stack.ready_again(name, before)


async def test_data_that_stops_is_reported_and_caught_up_with(stack: RunningStack, backend: Backend, traders: list[Trader]) -> None:
    stale_after = LIMITS[Tier.ELITE].stale_after
    with stack.frozen("feeder"):
        await asyncio.sleep(stale_after.total_seconds() + 2)
    await _continues(backend, traders[0], CONTINUES_WITHIN)
    events = "\n".join(await _events(stack, backend, traders[0]))
    assert "market data was stale" in events
    assert "caught up" in events


async def test_after_a_killed_supervisor_nothing_is_left_and_the_next_start_catches_up(
    stack: RunningStack, backend: Backend, traders: list[Trader]
) -> None:
    await stack.crash()

    async def gone() -> bool:
        return not stack.processes()

    measured("everything gone", await eventually(gone, GONE_WITHIN, "nothing is left running"))
    started_at = datetime.now(UTC)
    measured("ready again", await stack.start())
    measured("traders continue after", await _continues(backend, traders[0], CONTINUES_WITHIN))
    assert "caught up" in (await _events(stack, backend, traders[0]))[-1]
    assert any(row["late"] for row in await backend.signals_of(traders[0].id) if row["created_at"] > started_at)
