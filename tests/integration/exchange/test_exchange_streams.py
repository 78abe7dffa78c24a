"""The market streams over real sockets: control messages, frames, and every closed candle exactly once."""

import asyncio
import json
import socket as sockets
from collections import defaultdict
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from local.exchange import session
from local.exchange.recorded import RecordedMarket
from tests.integration.exchange.conftest import START

REAL = Path(__file__).parents[4] / "shared" / "data" / "klines" / "1m_94usdt_2021-05-11_2021-05-13.parquet"
INTERVALS = ("1m", "5m", "15m", "1h", "4h", "1d")
WIDTHS = dict(zip(INTERVALS, (60_000, 300_000, 900_000, 3_600_000, 14_400_000, 86_400_000), strict=True))
PATIENCE = 20
HANDSHAKE = (
    b"GET /ws/%s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@asynccontextmanager
async def listening(exchange, path="/stream"):
    async with connect(f"ws://{exchange.address}{path}", proxy=None, max_queue=None, compression=None) as socket:
        yield socket


async def received(socket):
    async with asyncio.timeout(PATIENCE):
        return json.loads(await socket.recv())


async def asked(socket, **message):
    await socket.send(json.dumps(message))
    return await received(socket)


async def subscribed(socket, streams):
    for first in range(0, len(streams), 150):
        await asked(socket, method="SUBSCRIBE", params=streams[first : first + 150], id=first)
        await asyncio.sleep(0.21)


async def test_control_messages_are_acknowledged(running):
    async with running() as (exchange, _), listening(exchange) as socket:
        replies = [
            await asked(socket, method="SUBSCRIBE", params=["btcusdt@kline_1m", "!miniTicker@arr"], id=1),
            await asked(socket, method="UNSUBSCRIBE", params=["!miniTicker@arr"], id="abc312"),
            await asked(socket, method="LIST_SUBSCRIPTIONS", id=3),
            await asked(socket, method="GET_PROPERTY", params=["combined"], id=None),
            await asked(socket, method="SET_PROPERTY", params=["combined", False], id=5),
        ]

    assert replies == [
        {"result": None, "id": 1},
        {"result": None, "id": "abc312"},
        {"result": ["btcusdt@kline_1m"], "id": 3},
        {"result": True, "id": None},
        {"result": None, "id": 5},
    ]


@pytest.mark.parametrize(
    ("text", "code", "identity"),
    [
        ("{nonsense", 3, None),
        ("[]", 2, None),
        ('{"method":"DANCE","id":4}', 2, 4),
        ('{"method":"SUBSCRIBE","params":[7],"id":4}', 2, 4),
        ('{"method":"SUBSCRIBE","params":"btcusdt@kline_1m","id":4}', 2, 4),
        ('{"method":"LIST_SUBSCRIPTIONS","id":"not alphanumeric!"}', 2, None),
        ('{"method":"SET_PROPERTY","params":["colour",true],"id":4}', 0, 4),
        ('{"method":"SET_PROPERTY","params":["combined","yes"],"id":4}', 1, 4),
    ],
)
async def test_a_wrong_control_message_is_answered_with_a_nested_error(running, text, code, identity):
    async with running() as (exchange, _), listening(exchange) as socket:
        await socket.send(text)
        reply = await received(socket)

    assert (code, identity) == (reply["error"]["code"], reply["id"])
    assert reply["error"]["msg"]


async def test_a_stream_that_does_not_exist_is_acknowledged_and_silent(running):
    unknown = ["foobar@kline_1m", "btcusdt@kline_7m", "BTCUSDT@kline_1m"]
    async with running(speed=60) as (exchange, client), listening(exchange) as socket:
        reply = await asked(socket, method="SUBSCRIBE", params=[*unknown, "ethusdt@kline_1m"], id=1)
        await client.post("/control/start")
        frames = [await received(socket) for _ in range(4)]

    assert reply == {"result": None, "id": 1}
    assert {"ethusdt@kline_1m"} == {frame["stream"] for frame in frames}


async def test_more_streams_than_allowed_are_refused_and_none_is_added(running):
    async with running() as (exchange, _), listening(exchange) as socket:
        full = await asked(socket, method="SUBSCRIBE", params=[f"s{number}@kline_1m" for number in range(1_024)], id=1)
        beyond = await asked(socket, method="SUBSCRIBE", params=["one@more"], id=2)
        listed = await asked(socket, method="LIST_SUBSCRIPTIONS", id=3)

    assert (full["result"], beyond["error"]["code"], len(listed["result"])) == (None, 2, 1_024)


@pytest.mark.parametrize("kind", ["messages", "pings"])
async def test_more_than_five_frames_a_second_close_the_connection(running, kind):
    async with running() as (exchange, _), listening(exchange) as socket:
        for number in range(6):
            await (socket.ping() if kind == "pings" else socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number})))
        with pytest.raises(ConnectionClosed) as closed:
            await collected(socket, asyncio.create_task(asyncio.sleep(PATIENCE)))

    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "Too many requests")


async def test_a_client_that_does_not_read_is_disconnected_and_others_go_on(running, market, monkeypatch):
    monkeypatch.setattr(session, "_LARGEST_BACKLOG", 100_000)
    streams = "/".join(f"{listing.symbol.lower()}@kline_1m" for listing in market.listings[:60])
    async with running(speed=3_600) as (exchange, client), listening(exchange, "/ws/btcusdt@kline_1m") as reading:
        with sockets.socket() as silent:
            silent.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
            silent.connect(("127.0.0.1", int(exchange.address.rpartition(":")[2])))
            silent.sendall(HANDSHAKE % streams.encode())
            await client.post("/control/start")
            counts = [(await client.get("/control/status")).json()["streams"]]
            async with asyncio.timeout(PATIENCE):
                while counts[-1] != 1:
                    await received(reading)
                    counts.append((await client.get("/control/status")).json()["streams"])
        frame = await received(reading)

    assert (60, "BTCUSDT") == (max(counts), frame["s"])


async def test_a_stopping_exchange_says_so(running):
    async with running() as (exchange, _), listening(exchange) as combined, listening(exchange, "/ws") as raw:
        await exchange.__aexit__(None, None, None)
        last = [await received(combined), await received(raw)]

    assert last == [{"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": START}}, {"e": "serverShutdown", "E": START}]


@pytest.mark.parametrize(
    ("path", "wrapped"),
    [
        ("/ws/btcusdt@kline_1m", False),
        ("/stream?streams=btcusdt@kline_1m/foo@bar", True),
        ("/stream?streams=btcusdt%40kline_1m", True),
    ],
)
async def test_streams_in_the_address_are_raw_or_combined(running, path, wrapped):
    async with running(speed=60) as (exchange, client), listening(exchange, path) as socket:
        await client.post("/control/start")
        frame = await received(socket)

    assert wrapped == ("stream" in frame)
    assert (frame["data"] if wrapped else frame)["e"] == "kline"


async def test_a_kline_frame_is_complete_and_in_binance_order(running):
    async with running(speed=60) as (exchange, client), listening(exchange, "/ws/币安人生usdt@kline_5m") as socket:
        await client.post("/control/start")
        async with asyncio.timeout(PATIENCE):
            text = await socket.recv()
    frame = json.loads(text)
    kline = frame["k"]

    assert list(frame) == ["e", "E", "s", "k"]
    assert list("tTsifLochlvnxqVQB") == list(kline)
    assert (kline["s"], kline["i"], kline["B"]) == ("币安人生USDT", "5m", "0")
    assert kline["n"] == kline["L"] - kline["f"] + 1
    assert all(isinstance(kline[name], str) and len(kline[name].split(".")[1]) == 8 for name in "ochlvqVQ")
    assert kline["t"] + 299_999 == kline["T"]


async def test_the_mini_ticker_array_holds_what_changed(running):
    async with running(speed=60) as (exchange, client), listening(exchange, "/ws/!miniTicker@arr") as socket:
        await client.post("/control/start")
        first, second = await received(socket), await received(socket)

    assert list(first[0]) == ["e", "E", "s", "c", "o", "h", "l", "v", "q"]
    assert second[0]["E"] - first[0]["E"] >= 50_000
    assert 0 < len(second) <= 77


def follow(frames):
    """Check the order of all frames, and return the closed candles by stream in the order they came."""
    closed, reached = defaultdict(list), {}
    for frame in frames:
        kline = frame["data"]["k"]
        stream = (kline["s"], kline["i"])
        position = (kline["t"], kline["x"], kline["n"])
        assert stream not in reached or reached[stream] < position, "a frame after the closed one, or one that goes back"
        reached[stream] = position
        if kline["x"]:
            closed[stream].append(kline)
    return closed


def as_row(kline):
    return [kline[name] for name in "tohlcvTqnVQB"]


async def until(client, moment):
    async with asyncio.timeout(60):
        while True:
            status = (await client.get("/control/status")).json()
            if status["time"] >= moment or status["finished"]:
                return
            await asyncio.sleep(0.1)


async def collected(socket, done):
    frames = []
    while True:
        receive = asyncio.ensure_future(socket.recv())
        finished, _ = await asyncio.wait({receive, done}, return_when=asyncio.FIRST_COMPLETED)
        if receive not in finished:
            receive.cancel()
            return frames
        frames.append(json.loads(receive.result()))


async def played(running, market, symbols, *, at, hours, speed):
    """All frames of all intervals of some symbols over some market hours, and the REST candles of the same time."""
    streams = [f"{symbol.lower()}@kline_{interval}" for symbol in symbols for interval in INTERVALS]
    ends = at + hours * 3_600_000
    async with running(market, at=at, speed=speed) as (exchange, client), listening(exchange) as socket:
        await subscribed(socket, streams)
        done = asyncio.create_task(until(client, ends + 30_000))
        await client.post("/control/start")
        frames = await collected(socket, done)
        await client.post("/control/hold")
        rest = {
            (symbol, interval): (
                await client.get(
                    "/api/v3/klines",
                    params={
                        "symbol": symbol,
                        "interval": interval,
                        "startTime": at // width * width,
                        "endTime": ends - width,
                        "limit": 1000,
                    },
                )
            ).json()
            for symbol in symbols
            for interval, width in WIDTHS.items()
        }
    return frames, rest


async def test_every_closed_candle_comes_exactly_once_and_equals_rest_at_600_times_the_speed(running, market):
    symbols = [listing.symbol for listing in market.listings[:40]]
    frames, rest = await played(running, market, symbols, at=START // 86_400_000 * 86_400_000 + 20 * 3_600_000 - 5_000, hours=1, speed=600)
    closed = follow(frames)
    compared = {stream: [as_row(kline) for kline in closed[stream] if kline["t"] <= rows[-1][0]] for stream, rows in rest.items() if rows}

    assert {stream: rows for stream, rows in rest.items() if rows} == compared
    assert min(len(rows) for (_, interval), rows in compared.items() if interval == "1m") >= 60


async def test_a_recording_is_streamed_as_recorded_up_to_its_end(running):
    if not REAL.exists():
        pytest.skip(f"{REAL.name} is not here")
    market = RecordedMarket(REAL)
    frames, rest = await played(running, market, ["BTCUSDT", "1INCHUSDT"], at=market.ends - 4 * 3_600_000, hours=4, speed=3_000)
    closed = follow(frames)

    assert rest == {stream: [as_row(kline) for kline in closed[stream]] for stream in rest}
    assert {i: len(closed["BTCUSDT", i]) for i in INTERVALS} == {"1m": 240, "5m": 48, "15m": 16, "1h": 4, "4h": 1, "1d": 1}


async def test_at_a_shared_boundary_closed_candles_come_smallest_interval_first_and_before_the_next(running):
    streams = [f"btcusdt@kline_{interval}" for interval in INTERVALS]
    midnight = START // 86_400_000 * 86_400_000
    async with running(at=midnight - 60_000, speed=60) as (exchange, client), listening(exchange) as socket:
        await subscribed(socket, streams)
        await client.post("/control/start")
        frames = []
        while not frames or frames[-1]["t"] < midnight:
            frames.append((await received(socket))["data"]["k"])

    assert list(INTERVALS) == [kline["i"] for kline in frames if kline["x"]]
    assert [kline["x"] for kline in frames[-7:]] == [True] * 6 + [False]


async def test_a_candle_forms_in_several_frames_before_it_closes_at_high_speed(running):
    async with running(at=START - 59_000, speed=120) as (exchange, client), listening(exchange, "/ws/btcusdt@kline_1m") as socket:
        await client.post("/control/start")
        frames = []
        while sum(frame["x"] for frame in frames) < 5:
            frames.append((await received(socket))["k"])

    forming = [sum(1 for frame in frames if frame["t"] == candle["t"] and not frame["x"]) for candle in frames if candle["x"]]
    assert all(1 <= count <= 2 for count in forming[1:])
