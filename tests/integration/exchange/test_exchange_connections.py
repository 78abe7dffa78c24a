"""The life of a connection: who may come in, how frames look, when it ends."""

import asyncio
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

from local.exchange.session import Lifetime
from tests.integration.exchange.conftest import START
from tests.integration.exchange.test_exchange_faults import BTC, begin, listening, received

HANDSHAKE = (
    b"GET /ws/btcusdt@kline_1m HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
PATIENCE = 20


async def closing_of(client, number):
    async with asyncio.timeout(PATIENCE):
        while True:
            connections = (await client.get("/control/status")).json()["connections"]
            if reason := next((each.get("close_reason") for each in connections if each["id"] == number), None):
                return reason
            await asyncio.sleep(0.05)


async def test_a_client_that_answers_pings_stays_and_one_that_does_not_is_cut(running):
    lifetime = Lifetime(ping_every=0.5, pong_within=1.5)
    async with running(lifetime=lifetime) as (exchange, client), listening(exchange, BTC) as answering:
        reader, writer = await asyncio.open_connection(*exchange.address.split(":"))
        writer.write(HANDSHAKE)
        async with asyncio.timeout(PATIENCE):
            said = await reader.read()
        reason = await closing_of(client, 2)
        await answering.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        reply = await received(answering)
        writer.close()

    assert bytes([0x80 | Opcode.PING]) in said
    assert ("no pong", [BTC]) == (reason, reply["result"])


async def test_an_unasked_for_pong_keeps_a_client_alive_and_counts_as_a_frame(running):
    async with running(lifetime=Lifetime(ping_every=0.2, pong_within=600)) as (exchange, client):
        reader, writer = await asyncio.open_connection(*exchange.address.split(":"))
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        pong = Frame(Opcode.PONG, b"").serialize(mask=True, extensions=[])
        writer.write(pong * 5)
        await asyncio.sleep(0.3)
        most = (await client.get("/control/status")).json()["most_client_frames_per_second"]
        writer.write(pong * 6)
        reason = await closing_of(client, 1)
        writer.close()

    assert (5, "too many requests") == (most, reason)


async def test_a_connection_ends_when_its_time_is_up(running):
    async with running(lifetime=Lifetime(connection=0.5)) as (exchange, client), listening(exchange, BTC) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await received(socket)
        reason = await closing_of(client, 1)

    assert (1001, "its time was up") == (closed.value.rcvd.code, reason)


async def test_an_address_may_connect_so_often_in_five_minutes(running):
    async with running(most_dials=2) as (exchange, client):
        async with listening(exchange), listening(exchange):
            with pytest.raises(InvalidStatus) as refused:
                async with listening(exchange):
                    pass
        dials = (await client.get("/control/status")).json()["dials"]

    assert (429, "300", 3) == (refused.value.response.status_code, refused.value.response.headers["Retry-After"], dials)


@pytest.mark.parametrize(("path", "wrapped"), [("/ws", False), ("/ws/0", False), ("/stream/ws/0", False), ("/stream", True)])
async def test_what_is_not_the_combined_address_is_raw(running, path, wrapped):
    async with running(at=START - 59_000) as (exchange, client), listening(exchange, path=path) as socket:
        await socket.send(json.dumps({"method": "SUBSCRIBE", "params": [BTC], "id": 1}))
        await received(socket)
        await client.post("/control/burst")
        frame = await received(socket)

    assert wrapped == ("stream" in frame)


async def test_times_come_in_microseconds_to_who_asks_for_them(running):
    names = "btcusdt@kline_1m", "btcusdt@ticker"
    async with running(speed=60) as (exchange, client):
        address = f"ws://{exchange.address}/stream?streams={'/'.join(names)}"
        async with connect(f"{address}&timeUnit=MICROSECOND", proxy=None) as fine, connect(address, proxy=None) as coarse:
            await client.post("/control/start")
            told = {(await received(socket))["stream"]: None for socket in (fine, coarse) for _ in range(4)}
            klines = []
            for socket in (fine, coarse):
                while (frame := await received(socket))["stream"] != names[0]:
                    pass
                klines.append(frame["data"])

    fine, coarse = klines
    assert {*names} == set(told)
    assert (16, 13) == (len(str(fine["E"])), len(str(coarse["E"])))
    assert fine["k"]["t"] % 60_000_000 == 0
    assert fine["k"]["t"] + 59_999_999 == fine["k"]["T"]
    assert coarse["k"]["t"] + 59_999 == coarse["k"]["T"]


async def test_the_ticker_stream_has_all_fields_in_binance_order_and_says_what_rest_says(running):
    async with running(speed=60) as (exchange, client), listening(exchange, "btcusdt@ticker", "btcusdt@miniTicker") as socket:
        await client.post("/control/start")
        frames = {}
        while len(frames) < 2:
            frame = await received(socket)
            frames[frame["e"]] = frame
    full, mini = frames["24hrTicker"], frames["24hrMiniTicker"]

    assert [*"eEspPwxcQbBaAohlvqOCFLn"] == list(full)
    assert {name: full[name] for name in "Ecohlvq"} == {name: mini[name] for name in "Ecohlvq"}
    assert full["n"] == full["L"] - full["F"] + 1
    assert full["C"] - full["O"] == 86_400_000


async def test_silence_is_not_the_end_of_a_connection_that_answers_pings(running):
    async with running(lifetime=Lifetime(ping_every=0.3, pong_within=1.0)) as (exchange, client), listening(exchange, BTC) as socket:
        await begin(client, "silence")
        await asyncio.sleep(3)
        async with asyncio.timeout(PATIENCE):
            await (await socket.ping())
        status = (await client.get("/control/status")).json()

    assert [None] == [each.get("close_reason") for each in status["connections"]]
