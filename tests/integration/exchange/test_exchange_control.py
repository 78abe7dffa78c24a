"""The clock over HTTP, and the process from start to end."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import httpx
import polars as pl
import pytest

from local.exchange.recorded import RecordedMarket
from tests.integration.exchange.conftest import START

PARENT = """
import subprocess, sys
command = [sys.executable, "-m", "local.exchange", "--port", "0", "--generate", "--symbols", "3"]
child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
child.stderr.readline()
print(child.pid)
"""
"""Starts an exchange, waits until it listens, and dies."""


async def test_status_says_what_kind_of_market_it_is(running):
    async with running() as (_, client):
        status = (await client.get("/control/status")).json()

    assert tuple(status[name] for name in ("market", "time", "speed", "held", "finished", "symbols")) == (
        "simulated",
        START,
        1.0,
        True,
        False,
        77,
    )


async def test_a_market_that_has_ended_goes_on_answering(running, tmp_path):
    rows = [
        {
            "symbol": "AUSDT",
            "open_time": START // 60_000 * 60_000 + minute * 60_000,
            "open": 1.0,
            "high": 3.0,
            "low": 1.0,
            "close": 2.0,
            "volume": 5.5,
        }
        for minute in range(4)
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "short.parquet")
    market = RecordedMarket(tmp_path / "short.parquet")
    async with running(market, at=market.ends - 60_000, speed=600, held=False) as (_, client):
        await asyncio.sleep(0.3)
        status = (await client.get("/control/status")).json()
        klines = (await client.get("/api/v3/klines?symbol=AUSDT&interval=1m")).json()
        hours = (await client.get("/api/v3/klines?symbol=AUSDT&interval=1h")).json()
        ticker = (await client.get("/api/v3/ticker/24hr?symbol=AUSDT")).json()

    assert ("replay", True, market.ends) == (status["market"], status["finished"], status["time"])
    assert (len(klines), ticker["lastPrice"], ticker["volume"]) == (4, "2.00000000", "22.00000000")
    assert [row[5] for row in hours] == ["16.50000000"]


async def test_the_clock_stands_still_until_started_and_again_when_held(running):
    async with running(speed=100) as (_, client):
        before = (await client.get("/api/v3/time")).json()["serverTime"]
        await client.post("/control/start")
        await asyncio.sleep(0.1)
        held = (await client.post("/control/hold")).json()
        await asyncio.sleep(0.1)
        after = (await client.get("/api/v3/time")).json()["serverTime"]

    assert before == START
    assert START + 10_000 <= held["time"] == after


async def test_the_speed_is_changed_and_nonsense_refused(running):
    async with running() as (_, client):
        changed = await client.post("/control/speed", json={"speed": 60})
        refused = [
            await client.post("/control/speed", content=body) for body in (b"", b"{}", b'{"speed":0}', b'{"speed":"x"}', b'{"speed":1e9}')
        ]

    assert changed.json()["speed"] == 60
    assert [reply.status_code for reply in refused] == [400] * 5
    assert all(reply.json()["msg"] for reply in refused)


def started(*options: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen([sys.executable, "-m", "local.exchange", "--port", "0", *options], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    return process, line.split("listening on ")[-1].strip()


def test_the_process_serves_and_stops_promptly_when_told():
    process, address = started("--generate", "--symbols", "5")
    try:
        status = httpx.get(f"{address}/control/status", trust_env=False, timeout=10).json()
        told = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=10)
    finally:
        process.kill()

    assert abs(status["time"] - time.time() * 1000) < 60_000
    assert code == 0
    assert time.monotonic() - told < 5


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
def test_the_process_ends_with_its_parent():
    parent = subprocess.run([sys.executable, "-c", PARENT], capture_output=True, text=True, check=True, timeout=30)
    child, deadline = int(parent.stdout), time.monotonic() + 10
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert not alive(child)


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{process}/stat") as stat:  # noqa: PTH123 -- it may vanish between two calls either way
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--replay", "nowhere.parquet"], "nowhere.parquet: cannot be read"),
        (["--generate", "--symbols", "0"], "symbols"),
        (["--generate", "--speed", "0"], "speed must be"),
        (["--generate", "--start", "2011-01-01"], "outside the market"),
        (["--generate", "--start", "yesterday"], "invalid"),
        (["--generate", "--symbols", "3", "--reserve", "3"], "0 to 2 of 3 symbols can be held back, not 3"),
        (["--generate", "--symbols", "3", "--hole", "2021-04-25T04:01"], "is not two ISO times with a slash between them"),
        (["--generate", "--symbols", "3", "--hole", "2021-04-25T04:01:30/2021-04-25T08:45"], "where 1m candles open"),
        ([], "one of the arguments --generate --replay is required"),
    ],
)
def test_what_cannot_be_started_ends_with_one_clear_line(options, reason):
    ended = subprocess.run(
        [sys.executable, "-m", "local.exchange", "--port", "0", *options], capture_output=True, text=True, check=False, timeout=30
    )

    assert ended.returncode == 2
    assert reason in ended.stderr.splitlines()[-1]
