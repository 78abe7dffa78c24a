"""The signals of a real crash, replayed through the whole stack while its processes are killed, are exactly those an oracle finds."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from domain.market import epoch_milliseconds
from domain.tiers import LIMITS, Tier
from domain.traders import TraderStatus
from tests.acceptance.backend import Backend
from tests.acceptance.oracle import TRADERS, WIDTH, Oracle, most_at_once
from tests.acceptance.running_stack import RunningStack, running_stack

FILE = Path(__file__).parents[3] / "shared/data/klines/1m_94usdt_2021-05-11_2021-05-13.parquet"
SPEED = 90
START = "2021-05-12T22:10"
"""Bitcoin falls by an eighth in the hours after."""
MARKET_MINUTES = 150
KILLS = ((0.15, "worker-1"), (0.35, "feeder"), (0.55, "worker-1"), (0.75, "feeder"))
"""At these parts of the replay."""
SETTLED_WITHIN = 60.0

pytestmark = [
    pytest.mark.skipif(not FILE.is_file(), reason="../shared/data with the recorded candles is not here"),
    pytest.mark.timeout(600),
]


async def test_killed_and_restarted_traders_find_every_signal_once() -> None:
    environment = {"MARKET": f"replay:{FILE}", "MARKET_SPEED": str(SPEED), "MARKET_START": START, "MARKET_HOLD": "1"}
    oracle = Oracle(str(FILE))
    async with running_stack(**environment) as stack, Backend(stack) as backend:
        traders = {t.name: await backend.deploy(t.name, t.code, t.interval, symbols=oracle.named_by(t)) for t in TRADERS}
        baselines = {name: await backend.baseline_of(trader_id) for name, trader_id in traders.items()}
        await backend.control("start")
        await _kill_at_their_times(stack)
        await backend.control("hold")
        until = (await backend.control_status())["time"]
        for trader in TRADERS:
            await backend.evaluated_through(traders[trader.name], _last_closed(trader.interval, until), SETTLED_WITHIN)
        await asyncio.sleep(3)  # what was found last is being recorded
        rows = [(name, row) for name, trader_id in traders.items() for row in await backend.signals_of(trader_id)]
        seen = [await backend.status_of(trader_id) for trader_id in traders.values()]

    signals = {t.name: oracle.signals(t, baselines[t.name], _last_closed(t.interval, until)) for t in TRADERS}
    expected = {(name, symbol, opened) for name, found in signals.items() for symbol, opened in found}
    found = Counter((name, row["symbol"], epoch_milliseconds(row["candle_open_time"])) for name, row in rows)

    assert all(0 < most_at_once(held) <= LIMITS[Tier.ELITE].max_signals_per_tick for held in signals.values())
    assert set(found) - expected == set(), "invented"
    assert expected - set(found) == set(), "missing"
    assert max(found.values()) == 1, "twice"
    assert {row["market"] for _, row in rows} == {"replay"}
    assert {status.status for status in seen} == {TraderStatus.RUNNING}
    assert sum(status.totals.missed_candles for status in seen) == 0


def _last_closed(interval: str, until: int) -> int:
    return (until // WIDTH[interval] - 1) * WIDTH[interval]


async def _kill_at_their_times(stack: RunningStack) -> None:
    duration, began = MARKET_MINUTES * 60 / SPEED, asyncio.get_running_loop().time()
    for part, name in KILLS:
        await asyncio.sleep(began + part * duration - asyncio.get_running_loop().time())
        stack.kill(name)
    await asyncio.sleep(began + duration - asyncio.get_running_loop().time())
