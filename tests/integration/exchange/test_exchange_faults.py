"""Every fault over real sockets: what it does, what it leaves alone, and that it ends."""

import asyncio
import json
import time
from collections import Counter
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from local.exchange import faults
from local.exchange.faults import KINDS
from local.exchange.http11 import Request
from tests.integration.exchange.conftest import START

PATIENCE = 20
MINUTE = 60_000
BTC, ETH = "btcusdt@kline_1m", "ethusdt@kline_1m"


@asynccontextmanager
async def listening(exchange, *streams, path="/ws/"):
    address = f"ws://{exchange.address}{path}{'/'.join(streams)}"
    async with connect(address, proxy=None, max_queue=None, compression=None, close_timeout=1) as socket:
        yield socket


async def received(socket):
    async with asyncio.timeout(PATIENCE):
        return json.loads(await socket.recv())


async def heard(socket, seconds):
    """All texts that come within some seconds."""
    texts = []
    try:
        async with asyncio.timeout(seconds):
            while True:
                texts.append(await socket.recv())
    except TimeoutError:
        return texts


async def begin(client, kind, **parameters):
    reply = await client.post("/control/faults", json={"kind": kind, **parameters})
    assert reply.is_success, reply.text
    return reply.json()


async def candles(socket, count):
    """The frames until so many closed ones have come, in the order in which they came."""
    frames = []
    while sum(frame["k"]["x"] for frame in frames) < count:
        frames.append(await received(socket))
    return frames


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "kinds are: silence, mute"),
        (b"[]", "kinds are:"),
        (b'{"kind":"earthquake"}', "kinds are:"),
        (b'{"kind":"duplicate"}', "duplicate: share: Field required"),
        (b'{"kind":"duplicate","share":2}', "share: Input should be less than or equal to 1"),
        (b'{"kind":"refuse","share":1}', "its parameters: seconds"),
        (b'{"kind":"mute","stream":"nopeusdt@kline_1m"}', "there is no stream nopeusdt@kline_1m"),
        (b'{"kind":"silence","connection":99}', "there is no open connection 99; open are: none"),
    ],
)
async def test_a_wrong_fault_is_refused_with_the_reason(running, body, told):
    async with running() as (_, client):
        reply = await client.post("/control/faults", content=body)
        going_on = (await client.get("/control/faults")).json()

    assert (400, []) == (reply.status_code, going_on)
    assert told in reply.json()["msg"]


async def test_faults_are_listed_until_they_are_cleared_or_their_time_is_up(running):
    async with running() as (_, client):
        first = await begin(client, "refuse", seconds=300)
        second = await begin(client, "skew", milliseconds=1300)
        await begin(client, "late_final", milliseconds=100, seconds=1)
        listed = [(await client.get("/control/faults")).json()]
        await asyncio.sleep(1.1)
        listed.append((await client.get("/control/faults")).json())
        listed.append((await client.delete(f"/control/faults/{first['id']}")).json())
        again = await client.delete(f"/control/faults/{first['id']}")
        listed.append((await client.delete("/control/faults")).json())

    assert [["refuse", "skew", "late_final"], ["refuse", "skew"], ["skew"], []] == [[fault["kind"] for fault in each] for each in listed]
    assert 290 < listed[0][0]["seconds_left"] <= 300
    assert listed[0][1]["milliseconds"] == second["milliseconds"] == 1300
    assert (400, "there is no fault 1; going on are: 2") == (again.status_code, again.json()["msg"])


async def test_a_silent_connection_answers_pings_alone_and_others_go_on(running):
    async with running(speed=60) as (exchange, client), listening(exchange, BTC) as silent, listening(exchange, BTC) as other:
        fault = await begin(client, "silence", connection=1)
        await client.post("/control/start")
        told = [await received(other) for _ in range(3)]
        async with asyncio.timeout(PATIENCE):
            await (await silent.ping())
        await silent.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        nothing = await heard(silent, 0.5)
        await client.delete("/control/faults")
        afterwards = await received(silent)

    assert [1] == fault["connections"]
    assert ([], 3) == (nothing, len(told))
    assert afterwards["s"] == "BTCUSDT"


async def test_a_connection_that_is_opened_during_silence_is_not_silent(running):
    async with running(speed=60) as (exchange, client), listening(exchange, BTC) as silent:
        await begin(client, "silence")
        await client.post("/control/start")
        async with listening(exchange, BTC) as new:
            frame = await received(new)
        nothing = await heard(silent, 0.1)

    assert ("BTCUSDT", []) == (frame["s"], nothing)


async def test_a_muted_stream_is_listed_and_silent_until_it_is_subscribed_to_anew(running):
    async with running(speed=60) as (exchange, client), listening(exchange, BTC, ETH) as socket:
        fault = await begin(client, "mute", stream=BTC)
        await client.post("/control/start")
        during = [await received(socket) for _ in range(4)]
        await client.post("/control/hold")
        await socket.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        while "result" not in (listed := await received(socket)):
            pass
        await socket.send(json.dumps({"method": "SUBSCRIBE", "params": [BTC], "id": 2}))
        await received(socket)
        await client.post("/control/start")
        afterwards = {(await received(socket))["s"] for _ in range(6)}

    assert (1, {"ETHUSDT"}) == (fault["subscriptions"], {frame["s"] for frame in during})
    assert [BTC, ETH] == listed["result"]
    assert {"BTCUSDT", "ETHUSDT"} == afterwards


async def test_one_connection_or_all_are_cut_without_a_close_frame(running):
    async with running() as (exchange, client), listening(exchange) as first, listening(exchange) as second, listening(exchange) as third:
        hit = [(await begin(client, "disconnect", connection=2))["connections"]]
        with pytest.raises(ConnectionClosed) as cut:
            await received(second)
        still = (await client.get("/control/status")).json()["connections"]
        hit.append((await begin(client, "disconnect"))["connections"])
        for socket in (first, third):
            with pytest.raises(ConnectionClosed):
                await received(socket)

    assert [[2], [1, 3]] == hit
    assert cut.value.rcvd is None
    assert {2: "fault: disconnect", 1: None, 3: None} == {each["id"]: each.get("close_reason") for each in still}


async def test_a_shutdown_is_announced_and_then_the_connection_closed(running):
    async with running() as (exchange, client), listening(exchange, path="/stream") as leaving, listening(exchange) as staying:
        await begin(client, "shutdown", connection=1, seconds=0.2)
        announced = await received(leaving)
        with pytest.raises(ConnectionClosed) as closed:
            await received(leaving)
        await staying.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        reply = await received(staying)

    assert {"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": START}} == announced
    assert (1001, []) == (closed.value.rcvd.code, reply["result"])


async def test_a_shutdown_that_is_cleared_closes_nothing(running):
    async with running() as (exchange, client), listening(exchange) as socket:
        await begin(client, "shutdown", seconds=0.2)
        announced = await received(socket)
        await client.delete("/control/faults")
        await asyncio.sleep(0.4)
        await socket.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        reply = await received(socket)

    assert ("serverShutdown", []) == (announced["e"], reply["result"])


async def test_new_connections_are_refused_while_rest_and_old_ones_go_on(running):
    async with running() as (exchange, client), listening(exchange) as old:
        await begin(client, "refuse")
        with pytest.raises((OSError, WebSocketException)):
            async with listening(exchange):
                pass
        await old.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        reply, ping = await received(old), await client.get("/api/v3/ping")
        await client.delete("/control/faults")
        async with listening(exchange):
            status = (await client.get("/control/status")).json()

    assert ([], 200) == (reply["result"], ping.status_code)
    assert (3, [1, 3]) == (status["dials"], [each["id"] for each in status["connections"]])


@pytest.mark.parametrize(("kind", "status", "message"), [("rate_limit", 429, "weight"), ("ban", 418, "banned until")])
async def test_rest_refuses_for_a_time_and_says_how_long(running, kind, status, message):
    async with running() as (_, client):
        await begin(client, kind, seconds=30)
        reply = await client.get("/api/v3/time")
        control = await client.get("/control/status")
        await client.delete("/control/faults")
        afterwards = await client.get("/api/v3/time")

    assert (status, -1003, 200, 200) == (reply.status_code, reply.json()["code"], control.status_code, afterwards.status_code)
    assert message in reply.json()["msg"]
    assert 15 <= int(reply.headers["retry-after"]) <= 30
    assert reply.headers["x-mbx-used-weight-1m"] == "1"


async def test_a_share_of_rest_requests_fails(running):
    async with running() as (_, client):
        await begin(client, "rest_error", status=503, share=0.5)
        codes = Counter([(await client.get("/api/v3/ping")).status_code for _ in range(60)])

    assert {200, 503} == set(codes)
    assert 10 <= codes[503] <= 50


async def test_a_late_final_frame_comes_after_the_first_of_the_next_candle(running):
    async with running(at=START - 5_000, speed=10) as (exchange, client), listening(exchange, BTC) as socket:
        await begin(client, "late_final", milliseconds=4_000)
        await client.post("/control/start")
        frames = await candles(socket, 1)

    opened = [frame["k"]["t"] for frame in frames]
    assert frames[-1]["k"]["t"] < max(opened)


async def test_a_withheld_final_frame_comes_with_a_later_trade_and_rest_has_the_candle(running, monkeypatch):
    monkeypatch.setattr(faults, "_WITHHELD_FOR", 2.0)
    async with running(at=START, speed=60) as (exchange, client), listening(exchange, BTC) as socket:
        await begin(client, "withhold_final", share=1)
        await client.post("/control/start")
        frames = await candles(socket, 1)
        late = frames[-1]["k"]
        rows = (await client.get(f"/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime={late['t']}&limit=1")).json()

    begun = next(frame["E"] for frame in frames if frame["k"]["t"] > late["t"])
    assert frames[-1]["E"] < begun, "the frame says when it should have been sent"
    assert [late[name] for name in "tohlcvTqnVQB"] == rows[0]


async def test_duplicates_repeat_frames_at_once_and_after_newer_ones(running):
    async with running(at=START, speed=60) as (exchange, client), listening(exchange, BTC) as socket:
        await begin(client, "duplicate", share=1)
        await client.post("/control/start")
        texts = await heard(socket, 6)

    times = [json.loads(text)["E"] for text in texts]
    repeated = Counter(texts)
    assert 2 == max(repeated.values())
    assert times != sorted(times), "none came after a newer one"
    assert any(first == second for first, second in pairwise(texts)), "none came at once"


async def test_reordered_frames_all_come_but_not_in_order(running):
    streams = [f"{name}usdt@kline_1m" for name in ("btc", "eth", "sol", "bnb")]
    async with running(at=START, speed=240) as (exchange, client), listening(exchange, *streams) as socket:
        await begin(client, "reorder", share=0.5)
        await client.post("/control/start")
        await asyncio.sleep(3)
        await client.post("/control/hold")
        frames = [json.loads(text) for text in await heard(socket, 1.5)]

    closed = Counter((frame["s"], frame["k"]["t"]) for frame in frames if frame["k"]["x"])
    times = [frame["E"] for frame in frames]
    assert times != sorted(times)
    assert {1} == set(closed.values())
    assert len({opened for _, opened in closed}) * len(streams) == len(closed)


async def test_a_truncated_frame_is_no_json_and_the_rest_are_whole(running):
    async with running(at=START, speed=600) as (exchange, client), listening(exchange, BTC, ETH) as socket:
        await begin(client, "truncate", share=0.5)
        await client.post("/control/start")
        texts = [await asyncio.wait_for(socket.recv(), PATIENCE) for _ in range(60)]

    whole = [text for text in texts if text.endswith("}}")]
    assert 5 < len(whole) < 55
    for text in set(texts) - set(whole):
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)


async def test_delayed_frames_come_late_and_in_order(running):
    async with running(at=START, speed=60) as (exchange, client), listening(exchange, BTC) as socket:
        await begin(client, "delay", milliseconds=700)
        await client.post("/control/start")
        frames, ages = [], []
        for _ in range(8):
            frames.append(await received(socket))
            ages.append((await client.get("/control/status")).json()["time"] - frames[-1]["E"])

    assert min(ages) >= 0.65 * MINUTE
    assert [frame["E"] for frame in frames] == sorted(frame["E"] for frame in frames)


async def test_a_skewed_clock_is_wrong_everywhere_and_right_again(running):
    async with running() as (exchange, client), listening(exchange) as socket:
        await begin(client, "skew", milliseconds=-1_300)
        times = [(await client.get("/api/v3/time")).json()["serverTime"], (await client.get("/api/v3/exchangeInfo")).json()["serverTime"]]
        times.append((await client.get("/api/v3/ticker/24hr?symbol=BTCUSDT")).json()["closeTime"])
        await begin(client, "shutdown")
        times.append((await received(socket))["E"])
        await client.delete("/control/faults")
        times.append((await client.get("/api/v3/time")).json()["serverTime"])

    assert [START - 1_300] * 4 + [START] == times


async def test_load_is_steady_at_the_rate_that_is_asked_for_whatever_the_market_does(running, market):
    streams = [f"{listing.symbol.lower()}@kline_{interval}" for listing in market.listings[:60] for interval in ("1m", "1h")]
    async with running(at=START - 59_000) as (exchange, client), listening(exchange, *streams) as socket:
        began = time.monotonic()
        await client.post("/control/rate", json={"frames_per_second": 40})
        await asyncio.sleep(3)
        await client.post("/control/rate", json={"frames_per_second": None})
        lasted = time.monotonic() - began
        frames = [json.loads(text) for text in await heard(socket, 0.5)]

    of_a_stream = Counter(frame["s"] + frame["k"]["i"] for frame in frames)
    assert 0.7 * 40 * lasted <= len(frames) <= 40 * lasted + 1
    assert len(streams) == len(of_a_stream) or max(of_a_stream.values()) == 1


async def test_a_rate_is_at_most_one_frame_per_stream_in_two_seconds(running):
    async with running(at=START - 59_000) as (exchange, client), listening(exchange, BTC, ETH) as socket:
        began = time.monotonic()
        await client.post("/control/rate", json={"frames_per_second": 1_000})
        await asyncio.sleep(3)
        await client.post("/control/rate", json={"frames_per_second": None})
        lasted = time.monotonic() - began
        frames = await heard(socket, 0.5)

    assert 2 <= len(frames) <= lasted + 1


async def test_a_burst_is_two_frames_on_every_stream(running):
    async with running(at=START - 59_000) as (exchange, client), listening(exchange, BTC, ETH, "btcusdt@kline_1d") as socket:
        await client.post("/control/burst")
        frames = Counter((frame["s"], frame["k"]["i"]) for frame in map(json.loads, await heard(socket, 0.5)))

    assert {("BTCUSDT", "1m"): 2, ("ETHUSDT", "1m"): 2, ("BTCUSDT", "1d"): 2} == frames


async def test_the_status_tells_of_connections_and_of_the_most_that_clients_did(running):
    async with running() as (exchange, client), listening(exchange, BTC, ETH) as socket:
        for number in range(4):
            await socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
        for _ in range(4):
            await received(socket)
        await client.get("/api/v3/exchangeInfo")
        status = (await client.get("/control/status")).json()
        await socket.close()
        async with asyncio.timeout(PATIENCE):
            while "close_reason" not in (closed := (await client.get("/control/status")).json()["connections"][0]):
                pass

    assert (4, 20, 1) == tuple(status[name] for name in ("most_client_frames_per_second", "most_weight_per_minute", "dials"))
    assert [(1, 2, 4)] == [(c["id"], c["streams"], c["most_client_frames_per_second"]) for c in status["connections"]]
    assert "the client left" == closed["close_reason"]


async def test_control_is_refused_to_other_machines(running):
    async with running() as (exchange, _):
        request = Request(method="POST", path="/control/faults", query={}, headers={}, body=b'{"kind":"refuse"}', peer="192.0.2.7")
        refused = exchange.control.answer(request)

    assert (403, 0) == (refused.status, exchange.door.refusals)


def test_every_kind_says_what_it_does_in_one_line():
    assert all((kind.__doc__ or "").strip().endswith(".") and "\n" not in kind.__doc__.strip() for kind in KINDS.values())
