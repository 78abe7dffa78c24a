"""What Binance really sent, replayed through our parser: recorded streams, raw REST replies and the documented shapes of both."""

import asyncio
import gzip
import json
import logging
import statistics
from collections import Counter
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from adapters.binance.market_frames import Acknowledgement, KlineEvent, TickerEvent, WireError, parse_frame
from adapters.binance.rest import BinanceRest
from adapters.binance.weight import Lane
from adapters.candle_store import CLOSED, CandleStore
from domain.errors import UnavailableError
from domain.market import Interval, SymbolStatus, epoch_milliseconds
from feeder.intake import Intake
from feeder.statistics import FeederStatistics
from local.exchange.http11 import Response, take_request

DATA = Path(__file__).parents[3] / "shared/data"
SHAPES = DATA / "rest/endpoint_shapes"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the recordings (../shared/data) are not on this machine")

DEPTH, TRADES, BOOK, BOOK_SNAPSHOT, KLINE = "depthUpdate", "trades", "book ticker", "book snapshot", "kline"
RECORDINGS = {
    "cryptofeed_BINANCE.ws.1.0.gz": {DEPTH: 177, BOOK: 84, TRADES: 2, KLINE: 2},
    "cryptofeed_BINANCE_US.ws.1.0.gz": {DEPTH: 336, BOOK: 128, TRADES: 11, KLINE: 5},
    "hftbacktest_spot_btcusdt_20240808.gz": {DEPTH: 3451, BOOK: 28040, TRADES: 9757, BOOK_SNAPSHOT: 1},
    "hftbacktest_spot_ethusdt_20240808.gz": {DEPTH: 3434, BOOK: 24077, TRADES: 6106, BOOK_SNAPSHOT: 1},
}
"""Every recorded frame by its kind. All but the candles are of streams that we do not subscribe to."""


@lru_cache
def recorded(name):
    """The frames of a recording: (when it was received, epoch seconds by the recorder's clock; the frame)."""
    frames = []
    for line in gzip.decompress((DATA / "ws" / name).read_bytes()).splitlines():
        moment, _, raw = line.partition(b" ")
        if raw.startswith(b"{"):
            seconds = float(moment.rstrip(b":"))
            frames.append((seconds / 1e9 if seconds > 1e12 else seconds, raw))
    return frames


def kind_of(raw):
    message = json.loads(raw)
    data = message.get("data", message)
    match data.get("e"):
        case "trade" | "aggTrade":
            return TRADES
        case None:
            return BOOK if {"u", "s", "b", "B", "a", "A"} == data.keys() else BOOK_SNAPSHOT if "lastUpdateId" in data else "unknown"
        case event:
            return event


def followed(name):
    """A market that follows every symbol of a recording."""
    store = CandleStore()
    store.append(sorted({event.symbol for _, raw in recorded(name) if isinstance(event := parse_frame(raw), KlineEvent)}))
    counted = FeederStatistics()
    return store, counted, Intake(store, counted)


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_recorded_frame_is_understood_or_of_a_kind_that_is_not_asked_for(name):
    _, counted, intake = followed(name)
    controls = [intake.receive(raw) for _, raw in recorded(name)]
    ignored = {kind: times for kind, times in RECORDINGS[name].items() if kind != KLINE}

    assert RECORDINGS[name] == Counter(kind_of(raw) for _, raw in recorded(name))
    assert (sum(RECORDINGS[name].values()), 0, sum(ignored.values())) == (
        counted.frames,
        counted.malformed_frames,
        counted.ignored_frames,
    )
    assert [None] * len(controls) == controls


def test_a_candle_that_was_said_to_be_final_1_755_s_after_its_close_is_final():
    name = "cryptofeed_BINANCE_US.ws.1.0.gz"
    store, counted, intake = followed(name)
    for _, raw in recorded(name):
        intake.receive(raw)
    closed, _ = intake.take_closed()
    intake.take_forming()
    frame, row, index = store.frame(Interval.M1), store.rows["OMGBUSD"], int(closed["index"][0])
    column = index - frame.first_index

    assert (1, 1) == (len(closed), counted.closed_candles)
    assert 1_755 == int(closed["event_time"][0]) - epoch_milliseconds(Interval.M1.close_time(index))
    assert CLOSED == frame.flags[row, column]
    assert {"open": 13.7212, "high": 13.8076, "low": 13.7212, "close": 13.7664, "volume": 536.51, "trades": 14.0} == {
        name: float(frame.columns[name][row, column]) for name in ("open", "high", "low", "close", "volume", "trades")
    }


@pytest.mark.parametrize("name", [name for name in RECORDINGS if name.startswith("hftbacktest")])
def test_event_times_tell_that_the_recorders_clock_was_1_27_s_behind(name):
    ahead = [json.loads(raw).get("data", {}).get("E", 0) / 1000 - received for received, raw in recorded(name)]
    ahead = [seconds for seconds in ahead if seconds > -1_000]

    assert 1.27 == round(statistics.median(ahead), 2)
    # What varies is the way from the exchange, and that is never shorter than nothing.
    assert 0 <= max(ahead) - statistics.median(ahead) < 0.005


@asynccontextmanager
async def answering(path, body):
    """Our REST client against a server that has one reply."""

    async def serve(reader, writer):
        buffer = bytearray()
        while data := await reader.read(65_536):
            buffer += data
            while request := take_request(buffer, "127.0.0.1"):
                assert path == request.path
                writer.write(Response(body=body).encode(request))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with BinanceRest(f"http://127.0.0.1:{port}") as rest:
            yield rest


@pytest.fixture(autouse=True)
def _no_warnings(caplog):
    caplog.set_level(logging.WARNING)
    yield
    assert [] == [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("name", "limit", "statuses", "leveraged"),
    [
        ("exchangeInfo_2021-10-12", 1_200, {SymbolStatus.TRADING: 1_262, SymbolStatus.BREAK: 433}, 40),
        ("exchangeInfo_2024-09-08", 6_000, {SymbolStatus.TRADING: 1_248}, 0),
    ],
)
async def test_a_real_exchange_info_is_read_whole(name, limit, statuses, leveraged):
    async with answering("/api/v3/exchangeInfo", gzip.decompress((DATA / f"rest/{name}.json.gz").read_bytes())) as rest:
        listed = await rest.listings()

        assert limit == rest.limiter.state().limit
    assert statuses == Counter(symbol.status for symbol in listed)
    assert leveraged == sum(symbol.is_leveraged for symbol in listed)
    assert sum(statuses.values()) - leveraged == sum(symbol.is_spot for symbol in listed)
    assert all(symbol.symbol == symbol.base_asset + symbol.quote_asset for symbol in listed)


async def test_of_the_real_tickers_the_dead_ones_are_left_out():
    raw = gzip.decompress((DATA / "rest/ticker24hr_2024-01-05.json.gz").read_bytes())
    async with answering("/api/v3/ticker/24hr", raw) as rest:
        tickers = await rest.tickers()

    told = {item["symbol"]: item for item in json.loads(raw)}
    assert (2_429, 1_235) == (len(told), sum(item["count"] == 0 for item in told.values()))
    assert {name for name, item in told.items() if item["count"]} == {ticker.symbol for ticker in tickers}
    assert all(float(told[ticker.symbol]["lastPrice"]) == ticker.values[0] for ticker in tickers)
    assert all(float(told[ticker.symbol]["quoteVolume"]) == ticker.values[5] for ticker in tickers)


@pytest.mark.parametrize("symbol", ["1INCHUSDT", "BNBUSDT", "BTCUSDT", "ETHUSDT", "PEOPLEUSDT", "SOLUSDT"])
async def test_real_klines_are_read_value_by_value(symbol):
    raw = (DATA / f"rest/klines_3d_raw/{symbol}.json").read_bytes()
    async with answering("/api/v3/klines", raw) as rest:
        # Candles of three days open on the grid of one day.
        records = await rest.klines(symbol, Interval.D1, Lane.BACKFILL)

    told = json.loads(raw)
    names = ("open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume")
    assert [row[0] // Interval.D1.milliseconds for row in told] == records["index"].tolist()
    assert {12} == {len(row) for row in told}
    assert np.array([[float(row[place]) for place in (1, 2, 3, 4, 5, 7, 8, 9, 10)] for row in told]).T.tolist() == [
        records[name].tolist() for name in names
    ]


def asked_by_the_recorder():
    lines = gzip.decompress((DATA / "rest/cryptofeed_BINANCE.http.0.0.gz").read_bytes()).decode().splitlines()
    return [(line.split(" -> ", 1)[0], line.split(": ", 1)[1]) for line in lines if line]


async def test_the_recorded_replies_are_of_a_call_we_do_not_make_and_taken_for_no_other():
    asked = asked_by_the_recorder()

    assert ["NKNUSDT", "BLZETH", "LRCBTC", "RUNEEUR"] == [url.split("symbol=")[1].split("&")[0] for url, _ in asked]
    for url, body in asked:
        assert url.startswith("https://api.binance.com/api/v3/depth?")
        async with answering("/api/v3/klines", body.encode()) as rest:
            with pytest.raises(UnavailableError, match="not what Binance describes"):
                await rest.klines("NKNUSDT", Interval.M1, Lane.BACKFILL)


def reply_shape(name):
    """The reply of a documented endpoint: third line on, after the method, the path and whether it is signed."""
    return json.loads((SHAPES / f"Endpoints/Spot/ExchangeData/{name}.txt").read_text().split("\n", 3)[3])


def socket_shape(name):
    """The same for the WebSocket API, which wraps it."""
    return json.loads((SHAPES / f"Socket/Spot/ExchangeData/{name}.txt").read_text().split("\n= \n", 1)[1])["result"]


async def test_documented_replies_of_the_market_endpoints_are_read():
    for shape in (reply_shape("GetExchangeInfo") | {"rateLimits": []}, socket_shape("GetExchangeInfo")):
        # The first leaves out what a limit consists of.
        async with answering("/api/v3/exchangeInfo", json.dumps(shape).encode()) as rest:
            assert [item["symbol"] for item in shape["symbols"]] == [listed.symbol for listed in await rest.listings()]
    for shape in ([reply_shape("GetTicker")], socket_shape("GetTickers")):
        # The first is of one symbol; we ask for all, which is a list.
        async with answering("/api/v3/ticker/24hr", json.dumps(shape).encode()) as rest:
            assert [item["symbol"] for item in shape] == [ticker.symbol for ticker in await rest.tickers()]
    for shape, interval in ((reply_shape("GetKlines"), Interval.D1), (socket_shape("GetKlines"), Interval.H1)):
        async with answering("/api/v3/klines", json.dumps(shape).encode()) as rest:
            assert [float(row[4]) for row in shape] == (await rest.klines("ETHUSDT", interval, Lane.BACKFILL))["close"].tolist()
    async with answering("/api/v3/time", json.dumps(reply_shape("GetServerTime")).encode()) as rest:
        assert reply_shape("GetServerTime")["serverTime"] == (await rest.server_time()).time


def stream_shape(name):
    """The frame of a documented stream."""
    return json.loads((SHAPES / f"Subscriptions/Spot/ExchangeData/{name}.txt").read_text().split("\n= \n", 1)[1])


@pytest.mark.parametrize("name", ["AggregatedTrades", "BookTicker", "PartialBook", "RollingWindowTicker", "Ticker", "Trades"])
def test_documented_frames_of_streams_we_do_not_subscribe_to_are_ignored(name):
    assert parse_frame(json.dumps(stream_shape(name))) is None


def test_documented_frames_of_our_streams_are_understood():
    kline, ticker = stream_shape("Klines"), stream_shape("MiniTicker")
    assert [TickerEvent("BNBBTC", 1672515782136, (0.0025, 0.001, 0.0025, 0.001, 10000.0, 18.0))] == parse_frame(json.dumps(ticker))
    with pytest.raises(WireError, match="off the 1m grid"):  # the example's times are invented
        parse_frame(json.dumps(kline))
    kline["data"]["k"]["t"] = 1672515780000
    understood = KlineEvent(
        "BNBBTC", Interval.M1, 27875263, 1672515782136, False, (0.001, 0.0025, 0.0015, 0.002, 1000.0, 1.0, 100.0, 500.0, 0.5)
    )
    assert understood == parse_frame(json.dumps(kline))
    assert Acknowledgement(1, "") == parse_frame('{ "result": null, "id": 1 }')
