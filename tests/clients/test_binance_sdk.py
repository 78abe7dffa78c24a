"""`binance-sdk-spot`, Binance's own client: what it returns is what the exchange says."""

from collections import Counter

import pytest
import pytest_asyncio

from tests.clients.conftest import NUMBER_OF_SYMBOLS, SYMBOLS, answer_of, candles_of, told_by

CLOSED_CANDLES = 3
pytestmark = pytest.mark.timeout(600)


@pytest_asyncio.fixture(scope="module")
async def answers(still):
    """What its REST client returned."""
    return await answer_of("sdk_rest.py", still, *SYMBOLS)


@pytest_asyncio.fixture(scope="module")
async def received(moving):
    """What its stream client received."""
    return await answer_of("sdk_streams.py", moving.replace("http", "ws"), str(CLOSED_CANDLES), *SYMBOLS)


async def test_its_rest_client_returns_what_the_exchange_says(still, answers):
    assert await told_by(still, "time") == answers["time"]
    assert {symbol: await told_by(still, "klines", symbol=symbol, interval="1m", limit=50) for symbol in SYMBOLS} == answers["klines"]
    assert {symbol: await told_by(still, "ticker/24hr", symbol=symbol) for symbol in SYMBOLS} == answers["ticker"]
    assert await told_by(still, "ticker/24hr") == answers["tickers"]


async def test_its_models_take_the_exchange_info_whole(still, answers):
    told = await told_by(still, "exchangeInfo")

    assert NUMBER_OF_SYMBOLS == len(answers["exchangeInfo"]["symbols"])
    assert {name: told[name] for name in ("symbols", "rateLimits")} == {
        name: answers["exchangeInfo"][name] for name in ("symbols", "rateLimits")
    }


async def test_it_reads_the_request_weight_from_the_headers(answers):
    assert answers["weight"]["header"] == answers["weight"]["understood"] > 0


async def test_its_stream_client_receives_every_closed_candle_as_rest_has_it(moving, received):
    told = {symbol: await candles_of(moving, symbol) for symbol in SYMBOLS}

    closed = [event["k"] for event in received["klines"] if event["k"]["x"]]
    assert [told[kline["s"]][kline["t"]] for kline in closed] == [row_of(kline) for kline in closed]
    assert set(SYMBOLS) == {symbol for symbol, times in Counter(kline["s"] for kline in closed).items() if times >= CLOSED_CANDLES}


async def test_its_stream_client_receives_tickers(received):
    assert set(SYMBOLS) >= {ticker["s"] for ticker in received["tickers"]}
    assert all(float(ticker["l"]) <= float(ticker["c"]) <= float(ticker["h"]) for ticker in received["tickers"])
    assert received["all"] >= 1


def row_of(kline):
    """A kline of a stream in the form of REST."""
    return [*(kline[name] for name in "tohlcvTqnVQ"), "0"]
