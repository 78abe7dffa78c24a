"""ccxt and ccxt.pro: what they return is what the exchange says, in their words and as floats."""

import asyncio
import json

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from tests.clients.conftest import NUMBER_OF_SYMBOLS, answer_of, candles_of, told_by

SYMBOLS = {"BTC/USDT": "BTCUSDT", "币安人生/USDT": "币安人生USDT"}
CANDLES = 3
pytestmark = pytest.mark.timeout(600)


@pytest_asyncio.fixture(scope="module")
async def answers(still):
    """What its REST client returned."""
    return await answer_of("ccxt_rest.py", still, *SYMBOLS)


@pytest_asyncio.fixture(scope="module")
async def received(moving):
    """What ccxt.pro received."""
    return await answer_of("ccxt_streams.py", moving, str(CANDLES), *SYMBOLS)


async def test_its_markets_are_those_of_the_exchange(still, answers):
    told = (await told_by(still, "exchangeInfo"))["symbols"]

    assert NUMBER_OF_SYMBOLS == len(answers["markets"])
    assert {
        f"{item['baseAsset']}/{item['quoteAsset']}": {
            "id": item["symbol"],
            "base": item["baseAsset"],
            "quote": item["quoteAsset"],
            "spot": True,
            "active": True,
            "precision": [step_of(item, "PRICE_FILTER", "tickSize"), step_of(item, "LOT_SIZE", "stepSize")],
        }
        for item in told
    } == answers["markets"]


async def test_its_rest_client_returns_what_the_exchange_says(still, answers):
    tickers = {item["symbol"]: item for item in await told_by(still, "ticker/24hr")}

    assert (await told_by(still, "time"))["serverTime"] == answers["time"]
    for name, symbol in SYMBOLS.items():
        rows = await told_by(still, "klines", symbol=symbol, interval="1m", limit=50)
        assert [[row[0], *map(float, row[1:6])] for row in rows] == answers["candles"][name]
        assert float(tickers[symbol]["lastPrice"]) == answers["tickers"][name]["last"]
    assert tickers == {ticker["info"]["symbol"]: ticker["info"] for ticker in answers["tickers"].values()}


async def test_its_streams_bring_the_candles_that_rest_has(moving, received):
    for name, symbol in SYMBOLS.items():
        told = await candles_of(moving, symbol)
        # It drops the closed flag and may have seen less than the whole of a candle: only its open is certain.
        opens = {candle[0]: candle[1] for candle in received["candles"][name] if candle[0] in told}
        assert {open_time: float(told[open_time][1]) for open_time in opens} == opens
        assert len(opens) >= CANDLES


async def test_its_streams_bring_tickers(received):
    assert set(SYMBOLS) >= received["tickers"].keys()
    assert {name: SYMBOLS[name] for name in received["tickers"]} == {
        name: ticker["info"]["s"] for name, ticker in received["tickers"].items()
    }
    assert received["tickers"]


async def test_frames_are_raw_where_ccxt_pro_connects(moving):
    async with connect(f"{moving.replace('http', 'ws')}/stream/ws/0", proxy=None) as connection:
        await connection.send('{"method": "SUBSCRIBE", "params": ["btcusdt@kline_1m"], "id": "7"}')
        acknowledgement, frame = json.loads(await connection.recv()), json.loads(await asyncio.wait_for(connection.recv(), 30))

    assert {"result": None, "id": "7"} == acknowledgement
    assert ("kline", "BTCUSDT") == (frame["e"], frame["s"])


def step_of(item, kind, name):
    """The step that a symbol's rule of this kind demands."""
    return next(float(rule[name]) for rule in item["filters"] if rule["filterType"] == kind)
