"""Clients that we did not write, as processes of an environment of their own, against a simulated exchange in another process."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.integration.feeder.conftest import exchange

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-clients/bin/python"
SCRIPTS = Path(__file__).parent / "scripts"
SYMBOLS = ("BTCUSDT", "币安人生USDT")
PATIENCE = 120
NUMBER_OF_SYMBOLS = 77
"""The last of the known assets, whose name is not ASCII, is the 76th."""


async def answer_of(script, *arguments):
    """What a client saw: the JSON document that its script prints. A script that fails fails the test with what it said."""
    process = await asyncio.create_subprocess_exec(
        PYTHON, SCRIPTS / script, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    finally:
        if process.returncode is None:
            process.kill()
    assert (0, "") == (process.returncode, errors.decode()), errors.decode()
    return json.loads(output)


async def told_by(address, path, **parameters):
    """What the exchange itself answers."""
    async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=20) as client:
        return (await client.get(f"/api/v3/{path}", params=parameters)).raise_for_status().json()


async def candles_of(address, symbol):
    """The exchange's own 1m candles that have closed, by open time."""
    now = (await told_by(address, "time"))["serverTime"]
    return {row[0]: row for row in await told_by(address, "klines", symbol=symbol, interval="1m") if row[6] < now}


@pytest.fixture(scope="session", autouse=True)
def _clients():
    assert PYTHON.exists(), "the clients are not installed; `make setup` does that"


@pytest_asyncio.fixture(scope="module")
async def still():
    """The address of an exchange whose clock stands still, so that everybody gets the same answers."""
    async with exchange("--generate", "--symbols", str(NUMBER_OF_SYMBOLS), "--hold") as address:
        yield address


@pytest_asyncio.fixture(scope="module")
async def moving():
    """The address of an exchange where a minute takes two seconds."""
    async with exchange("--generate", "--symbols", str(NUMBER_OF_SYMBOLS), "--speed", "30") as address:
        yield address
