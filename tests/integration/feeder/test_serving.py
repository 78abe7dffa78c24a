"""What workers and operators get from a feeder, on a generated market at sixty times real time."""

import asyncio
import json
import re
from datetime import timedelta

import httpx
import numpy as np
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from adapters.feeder_client import MarketReplica
from adapters.feeder_protocol import PATH
from adapters.telemetry.catalogue import DATA_AGE, FEEDER
from domain.errors import UnavailableError
from domain.market import Interval, Market
from tests.integration.feeder.conftest import Feeder, exchange
from tests.integration.feeder.processes import TOKEN, Process, following, until
from tests.integration.servers import free_port

SYMBOLS = 40


def is_complete(replica):
    return all((frame.begin >= 0).all() for frame in replica.store.frames.values())


@pytest_asyncio.fixture(scope="module")
async def feeder():
    options = ("--generate", "--symbols", str(SYMBOLS), "--speed", "60")
    async with exchange(*options) as address, Feeder(address, market="simulated") as program:
        await until(program.status)
        yield program


@pytest_asyncio.fixture(scope="module")
async def replica(feeder, token):
    async with following(MarketReplica(feeder.url, token)) as replica:
        await replica.ready(timedelta(seconds=30))
        await until(lambda: is_complete(replica))
        yield replica


async def test_a_thousand_waiters_wake_once_per_candle_and_find_it_closed(replica):
    async def wait(times):
        seen, wakes = replica.settled(Interval.M1), []
        for _ in range(times):
            seen = await replica.changed(Interval.M1, seen)
            wakes.append((seen, int(replica.store.frame(Interval.M1).closed_through.max())))
        return wakes

    waiters = await asyncio.wait_for(asyncio.gather(*(wait(4) for _ in range(1000))), 30)
    assert [waiters[0]] * 1000 == waiters
    numbers, candles = zip(*waiters[0], strict=True)
    assert list(range(numbers[0], numbers[0] + 4)) == list(numbers)
    assert sorted(candles) == list(candles)
    assert candles[0] < candles[-1]


async def test_a_closed_candle_is_in_the_replica_soon_after_its_frame_reached_the_feeder(replica):
    replica.statistics.delays_closed.clear()
    await until(lambda: len(replica.statistics.delays_closed) > 10 * SYMBOLS)
    assert np.percentile(replica.statistics.delays_closed, 99) < 0.25


async def test_the_market_is_named_fresh_and_has_tickers_of_all_symbols(replica):
    assert replica.market is Market.SIMULATED
    assert replica.age() < timedelta(seconds=3)
    await until(lambda: not np.isnan(replica.store.tickers.columns["last"]).any())
    assert len(replica.store.tickers.columns["last"]) == SYMBOLS


async def test_forming_candles_move_between_the_closed_ones(replica):
    frame = replica.store.frame(Interval.D1)
    before = frame.columns["volume"].copy()
    await until(lambda: np.nansum(np.abs(frame.columns["volume"] - before)) > 0)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer ümlaut"}])
async def test_who_does_not_show_the_token_is_refused(feeder, headers):
    with pytest.raises(InvalidStatus) as refusal:
        await connect(feeder.url + PATH, additional_headers=headers, proxy=None)
    assert refusal.value.response.status_code == 401
    assert b"token" in refusal.value.response.body


async def test_health_and_status_tell_what_the_feeder_does(feeder, replica):
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{feeder.port}") as client:
        health, status, missing = [await client.get(path) for path in ("/healthz", "/status", "/metrics")]
    assert (health.status_code, health.text) == (200, "ok\n")
    covered = status.json()["coverage"]
    assert {interval.value: (SYMBOLS, SYMBOLS) for interval in Interval} == {
        name: (coverage["rows"], coverage["complete"]) for name, coverage in covered.items()
    }
    assert missing.status_code == 404


async def test_a_scrape_shows_the_documented_metrics_of_a_feeder_at_work(feeder, replica):
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://127.0.0.1:{feeder.metrics_port}/metrics")).text
    shown = {name: float(value) for name, value in re.findall(r"^(cloudtrader_\w+)(?:{.*})? (\S+)$", text, re.MULTILINE)}
    assert shown.keys() <= {DATA_AGE.exposed_name, *(metric.exposed_name for metric in FEEDER.values())}
    assert shown["cloudtrader_feeder_frames_total"] > SYMBOLS
    assert shown["cloudtrader_feeder_clients"] == 1
    assert shown["cloudtrader_data_age_seconds"] < 30


async def test_every_line_of_its_log_is_json_that_names_the_feeder(feeder, replica):
    lines = [json.loads(line) for line in feeder.lines]
    assert {"feeder"} == {line["service"] for line in lines}
    assert any("receives" in line["message"] for line in lines)


@pytest.mark.parametrize(
    ("environment", "status", "said"),
    [
        ({"FEEDER_TOKEN": TOKEN, "CLOUDTRADER_LOG_LEVEL": "LOUD"}, 2, "CLOUDTRADER_LOG_LEVEL is 'LOUD'"),
        ({"FEEDER_TOKEN": ""}, 2, "--token"),
        ({"FEEDER_TOKEN": TOKEN, "FEEDER_PORT": "TAKEN"}, 1, "choose another FEEDER_PORT"),
        ({"FEEDER_TOKEN": TOKEN, "CLOUDTRADER_METRICS_PORT": "TAKEN"}, 1, "Choose another CLOUDTRADER_METRICS_PORT"),
    ],
)
async def test_a_feeder_that_cannot_run_says_what_to_change_and_ends(feeder, environment, status, said):
    given = {name: str(feeder.port) if value == "TAKEN" else value for name, value in environment.items()}
    refused = Process("feeder", environment={"FEEDER_PORT": str(free_port()), "FEEDER_REST_URL": "http://127.0.0.1:1", **given})
    await refused.start()
    assert status == await refused.ended()
    assert said in " ".join(refused.lines)
    assert "Traceback" not in " ".join(refused.lines)


async def test_a_replica_without_a_feeder_says_so_and_ages(token):
    async with following(MarketReplica(f"ws://127.0.0.1:{free_port()}", token)) as lonely:
        with pytest.raises(UnavailableError, match="is it running"):
            await lonely.ready(timedelta(milliseconds=300))
        assert lonely.age() >= timedelta(milliseconds=300)
        assert not lonely.connected
