"""What an operator and traders see of a market that fails: a real exchange that is made to, at sixty times real time."""

import asyncio
import json
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from typer.testing import CliRunner

from activities.ports import Outcome, ScreenRequest
from adapters.feeder_client import MarketReplica
from adapters.telemetry.catalogue import FEEDER
from cli.__main__ import app
from domain.filters import FilterSpec, Trigger
from domain.market import Interval
from domain.screening import Progress
from domain.tiers import LIMITS, Tier
from domain.traders import TraderSettings
from feeder.conditions import Condition
from filters.evaluation import Evaluator
from tests.integration.feeder.conftest import Feeder, exchange
from tests.integration.feeder.processes import following, until
from workers.screens import ReplicaScreens

SYMBOLS = 12
pytestmark = pytest.mark.timeout(600)


@pytest_asyncio.fixture(scope="module")
async def address():
    async with exchange("--generate", "--symbols", str(SYMBOLS), "--speed", "60") as url:
        yield url


@pytest_asyncio.fixture(scope="module")
async def feeder(address):
    async with Feeder(address, market="simulated") as program:
        yield program


@pytest_asyncio.fixture(scope="module")
async def replica(feeder, token):
    async with following(MarketReplica(feeder.url, token)) as made:
        await made.ready(timedelta(seconds=60))
        await until(lambda: all((frame.begin >= 0).all() for frame in made.store.frames.values()))
        yield made


async def holding(feeder):
    return {told["condition"]: told["message"] for told in (await feeder.status())["conditions"]}


async def command(feeder, *arguments):
    """`cloudtrader market ...` as an operator types it."""
    environment = {"CLOUDTRADER_FEEDER_URL": feeder.url, "CLOUDTRADER_STATE": "/nowhere", "COLUMNS": "200"}
    return await asyncio.to_thread(CliRunner().invoke, app, ["market", *arguments], env=environment)


async def audited(feeder):
    """How many candles the audits have found, by what brought them."""
    tallies = (await feeder.status())["audit"]["since_start"].values()
    return {name: sum(tally[name] for tally in tallies) for name in ("expected", "streamed", "repaired", "missing")}


async def scraped(feeder):
    """The metrics, by name and labels."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://127.0.0.1:{feeder.metrics_port}/metrics")).text
    samples = (line.rpartition(" ") for line in text.splitlines() if line.startswith("cloudtrader_"))
    return {sample: float(value) for sample, _, value in samples}


async def ticks(replica):
    """What a trader of closed candles and one of the forming candle find now."""
    screens = ReplicaScreens(replica, Evaluator())
    for trigger in Trigger:
        settings = TraderSettings(
            filter=FilterSpec(code="match = close > 0", interval=Interval.M1, trigger=trigger), cadence=timedelta(seconds=5)
        )
        screen = await screens.open(ScreenRequest(trader_id=uuid4(), user_id=uuid4(), settings=settings, limits=LIMITS[Tier.ELITE]))
        yield await screen.tick(Progress(baseline=0, evaluated=int(replica.store.frame(Interval.M1).closed_through.max())))


async def test_a_market_that_is_well_is_audited_and_holds_no_condition(feeder, replica):
    await until(lambda: is_audited(feeder))
    found = await audited(feeder)

    assert {} == await holding(feeder)
    assert (0, found["expected"]) == (found["missing"], found["streamed"] + found["repaired"])
    status = await feeder.status()
    assert [("receiving", 6 * SYMBOLS + 1)] == [(report["state"], report["confirmed"]) for report in status["connection_reports"]]
    assert {"done": 6 * SYMBOLS, "of": 6 * SYMBOLS, "remaining": 0} == status["backfill"]


async def test_a_trader_of_the_forming_candle_finds_every_symbol_of_a_market_that_is_well(replica):
    await until(lambda: sees_all(replica))


async def sees_all(replica):
    """A minute lasts a second here, and is there once it was heard of."""
    _, forming = [tick async for tick in ticks(replica)]
    return SYMBOLS == len(forming.matches) and (0, 0) == (forming.symbols_stale, forming.symbols_not_ready)


async def is_audited(feeder):
    return (await audited(feeder))["expected"] > 5 * SYMBOLS


async def test_one_command_says_that_it_is_well_and_another_shows_a_symbol(feeder, replica):
    status, one, unknown = [await command(feeder, *words) for words in (("status", "--json"), ("symbols", "btcusdt"), ("symbols", "NO"))]

    assert (0, True) == (status.exit_code, json.loads(status.stdout)["healthy"])
    assert [interval.value for interval in Interval] == [line.split()[0] for line in one.stdout.splitlines()[2:]]
    assert (1, True) == (unknown.exit_code, "There is no symbol NO." in unknown.stderr)


async def test_the_metrics_show_every_level_and_condition(feeder, replica):
    shown = await scraped(feeder)
    names = {sample.partition("{")[0] for sample in shown}

    not_yet = {"snapshot_age", "reconnects"}  # nothing is saved, and no connection was lost
    assert {metric.exposed_name for name, metric in FEEDER.items() if name not in not_yet} <= names
    assert {condition.value: 0.0 for condition in Condition} == {
        condition.value: shown[f'cloudtrader_market_condition{{condition="{condition}"}}'] for condition in Condition
    }
    assert SYMBOLS == shown['cloudtrader_feeder_histories{interval="1d",state="complete"}']
    assert shown["cloudtrader_feeder_frames_total"] >= shown['cloudtrader_feeder_shard_frames_total{shard="1"}'] > SYMBOLS


async def test_an_exchange_whose_clock_is_another_is_only_to_be_known(address):
    async with Feeder(address, market="binance") as other:
        await until(lambda: is_skewed(other))
        assert "ahead of ours" in (await holding(other))[Condition.CLOCK_SKEWED]
        assert (await feeder_is_healthy(other), (await command(other, "status")).exit_code) == (True, 0)


async def is_skewed(feeder):
    return Condition.CLOCK_SKEWED in await holding(feeder)


async def feeder_is_healthy(feeder):
    return (await feeder.status())["healthy"]


async def test_an_outage_is_one_condition_that_traders_and_operators_see_until_it_ends(address, feeder, replica):
    async with httpx.AsyncClient(base_url=address) as control:
        for fault in ({"kind": "silence"}, {"kind": "refuse"}):
            (await control.post("/control/faults", json=fault)).raise_for_status()
        await until(lambda: holds(feeder, Condition.MARKET_STALLED, Condition.CONNECTIONS_DOWN))
        seen = [tick async for tick in ticks(replica)]
        stalled = await command(feeder, "status")
        (await control.post("/control/faults", json={"kind": "ban", "seconds": 10})).raise_for_status()
        await until(lambda: holds(feeder, Condition.EXCHANGE_PAUSED_US))
        refused = await scraped(feeder)
        (await control.delete("/control/faults")).raise_for_status()
        await until(lambda: feeder_is_healthy(feeder), timeout=120)

    assert [Outcome.STALE, Outcome.STALE] == [tick.outcome for tick in seen]
    assert [False, False] == [tick.evaluated for tick in seen]
    assert 1 == stalled.exit_code
    assert "market_stalled" in stalled.stdout
    assert 1 == refused['cloudtrader_market_condition{condition="exchange_paused_us"}']
    assert {"market_stalled:": 1, "market_stalled has ended": 1} == {
        said: sum(said in line for line in feeder.lines) for said in ("market_stalled:", "market_stalled has ended")
    }


async def holds(feeder, *conditions):
    return set(conditions) <= (await holding(feeder)).keys()
