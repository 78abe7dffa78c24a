"""Outages and symbols that come, halt and go: over REST and the streams at once."""

import asyncio
import json
from collections import defaultdict

import pytest

from tests.integration.exchange.conftest import START
from tests.integration.exchange.test_exchange_faults import begin, listening, received

HOUR, MINUTE = 3_600_000, 60_000
OPEN = START // HOUR * HOUR
"""The hour that ends a second after START."""
PATIENCE = 30


async def klines(client, symbol, interval="1m", **parameters):
    return (await client.get("/api/v3/klines", params={"symbol": symbol, "interval": interval, **parameters})).json()


async def play(client, until, speed=1_200):
    await client.post("/control/speed", json={"speed": speed})
    await client.post("/control/start")
    async with asyncio.timeout(PATIENCE):
        while True:
            if (await client.get("/control/status")).json()["time"] >= until:
                return (await client.post("/control/hold")).json()
            await asyncio.sleep(0.05)


async def sent(socket):
    frames = []
    try:
        while True:
            async with asyncio.timeout(0.5):
                frames.append(json.loads(await socket.recv()))
    except TimeoutError:
        return frames


def minutes_of(frames, symbol, *, closed=True):
    return [(frame["k"]["t"] - OPEN) // MINUTE for frame in frames if frame["s"] == symbol and frame["k"]["x"] is closed]


async def status_of(client, symbol):
    info = (await client.get("/api/v3/exchangeInfo")).json()["symbols"]
    return next((entry["status"] for entry in info if entry["symbol"] == symbol), None)


async def test_an_outage_is_a_hole_on_the_streams_and_in_rest(running):
    async with running() as (exchange, client), listening(exchange, "btcusdt@kline_1m", "ethusdt@kline_5m") as socket:
        hole = await begin(client, "outage", minutes=12)
        await play(client, OPEN + 85 * MINUTE)
        frames = await sent(socket)
        rows = {interval: await klines(client, "BTCUSDT", interval, startTime=OPEN + 50 * MINUTE) for interval in ("1m", "5m", "1h")}
        larger = await klines(client, "ETHUSDT", "5m", startTime=OPEN + 60 * MINUTE, limit=1)

    assert (OPEN + 60 * MINUTE, OPEN + 72 * MINUTE) == (hole["begins"], hole["ends"])
    assert [59, *range(72, 85)] == minutes_of(frames, "BTCUSDT")[: 1 + 13]
    assert [*range(50, 60), *range(72, 85)] == [(row[0] - OPEN) // MINUTE for row in rows["1m"]][:23]
    assert [50, 55, 70, 75, 80] == [(row[0] - OPEN) // MINUTE for row in rows["5m"]][:5]
    assert [60] == [(row[0] - OPEN) // MINUTE for row in rows["1h"]][:1]
    assert sum(row[8] for row in rows["1m"][10:13]) == rows["5m"][2][8], "the candle of 70 to 75 is made of 72, 73 and 74"
    assert 70 == (larger[0][0] - OPEN) // MINUTE
    assert {55, 70, 75} <= set(minutes_of(frames, "ETHUSDT"))


async def test_a_page_of_klines_goes_on_behind_a_hole(running):
    async with running() as (_, client):
        await begin(client, "outage", minutes=44)
        await play(client, OPEN + 130 * MINUTE)
        forward = await klines(client, "BTCUSDT", startTime=OPEN + 50 * MINUTE, limit=20)
        newest = await klines(client, "BTCUSDT", endTime=OPEN + 110 * MINUTE, limit=20)

    expected = [*range(50, 60), *range(104, 114)], [*range(47, 60), *range(104, 111)]
    assert expected == tuple([(row[0] - OPEN) // MINUTE for row in rows] for rows in (forward, newest))


@pytest.mark.parametrize(("kind", "status"), [("delist", "BREAK"), ("cancel_only", "CANCEL_ONLY")])
async def test_a_symbol_that_stops_trading_is_listed_without_frames_and_keeps_its_past(running, kind, status):
    async with running() as (exchange, client), listening(exchange, "btcusdt@kline_1m", "ethusdt@kline_1m", "!miniTicker@arr") as socket:
        told = await begin(client, kind, symbol="ETHUSDT")
        listed = await status_of(client, "ETHUSDT")
        await play(client, OPEN + 95 * MINUTE, speed=600)
        frames = await sent(socket)
        past = await klines(client, "ETHUSDT", limit=3)
        trading = await client.get("/api/v3/exchangeInfo", params={"symbolStatus": "TRADING"})
        ticker = (await client.get("/api/v3/ticker/24hr?symbol=ETHUSDT")).json()
        traded = [[entry["s"] for entry in frame] for frame in frames if isinstance(frame, list)]
        back = (await begin(client, "relist", symbol="ETHUSDT"))["from"]
        await play(client, back + 4 * MINUTE, speed=600)
        afterwards = await sent(socket)
        relisted = await status_of(client, "ETHUSDT")

    klines_of = [frame for frame in frames if isinstance(frame, dict)]
    assert (OPEN + 60 * MINUTE, status, "TRADING") == (told["from"], listed, relisted)
    assert [59] == minutes_of(klines_of, "ETHUSDT")
    assert [57, 58, 59] == [(row[0] - OPEN) // MINUTE for row in past]
    assert "ETHUSDT" not in [entry["symbol"] for entry in trading.json()["symbols"]]
    assert (kind == "delist") == (ticker["count"] == 0)
    assert any("BTCUSDT" in symbols for symbols in traded[1:])
    assert not any("ETHUSDT" in symbols for symbols in traded[1:])
    assert minutes_of([frame for frame in afterwards if isinstance(frame, dict)], "ETHUSDT")[0] == (back - OPEN) // MINUTE


async def test_a_halted_symbol_has_frames_nevertheless(running):
    async with running() as (exchange, client), listening(exchange, "ethusdt@kline_1m") as socket:
        await begin(client, "halt", symbol="ETHUSDT")
        await play(client, OPEN + 65 * MINUTE)
        frames = await sent(socket)
        status = await status_of(client, "ETHUSDT")

    assert ("HALT", [59, 60, 61, 62, 63, 64]) == (status, minutes_of(frames, "ETHUSDT")[:6])


async def test_a_symbol_that_is_not_listed_any_more_is_not_known(running):
    async with running() as (_, client):
        await begin(client, "delist", symbol="ETHUSDT", absent=True)
        listed = await status_of(client, "ETHUSDT")
        tickers = (await client.get("/api/v3/ticker/24hr")).json()
        refused = await klines(client, "ETHUSDT")
        symbols = (await client.get("/control/status")).json()["symbols"]

    assert (None, -1121, 76) == (listed, refused["code"], symbols)
    assert "ETHUSDT" not in {ticker["symbol"] for ticker in tickers}


async def test_a_symbol_that_is_listed_now_has_no_past(running, market):
    new = market.listings[-1].symbol
    async with running(reserved=3) as (exchange, client), listening(exchange, f"{new.lower()}@kline_1m") as socket:
        before = await status_of(client, new), (await klines(client, new))["code"]
        refused = await client.post("/control/faults", json={"kind": "list", "symbol": "BTCUSDT"})
        told = await begin(client, "list", symbol=new)
        listed = await status_of(client, new)
        await play(client, OPEN + 80 * MINUTE)
        frames = await sent(socket)
        past = await klines(client, new, startTime=0, limit=5)
        hours = await klines(client, new, "1h")
        mini = (await client.get("/api/v3/ticker/24hr", params={"symbol": new})).json()

    assert ((None, -1121), "TRADING", OPEN + 60 * MINUTE) == (before, listed, told["from"])
    assert "held back are:" in refused.json()["msg"]
    assert [60, 61, 62, 63, 64] == [(row[0] - OPEN) // MINUTE for row in past] == minutes_of(frames, new)[:5]
    assert [60] == [(row[0] - OPEN) // MINUTE for row in hours][:1]
    assert (past[0][1], sum(row[8] for row in hours)) == (mini["openPrice"], mini["count"])


async def test_every_closed_candle_of_a_day_with_holes_is_on_the_stream_or_in_rest(running):
    streams = [f"{name}usdt@kline_{interval}" for name in ("btc", "eth", "sol") for interval in ("1m", "5m", "15m", "1h")]
    async with running() as (exchange, client), listening(exchange, *streams) as socket:
        await begin(client, "outage", minutes=31)
        await play(client, OPEN + 100 * MINUTE)
        await begin(client, "delist", symbol="SOLUSDT")
        await play(client, OPEN + 130 * MINUTE)
        await begin(client, "relist", symbol="SOLUSDT")
        now = (await play(client, OPEN + 185 * MINUTE))["time"]
        closed = defaultdict(dict)
        for frame in await sent(socket):
            if frame["k"]["x"]:
                closed[frame["s"], frame["k"]["i"]][frame["k"]["t"]] = [frame["k"][name] for name in "tohlcvTqnVQB"]
        rest = {stream: await klines(client, *stream, startTime=OPEN, limit=1000) for stream in closed}

    for stream, rows in rest.items():
        known = {row[0]: row for row in rows if row[6] < now - 2 * MINUTE}
        assert closed[stream] == {row[0]: row for row in rows if row[0] in closed[stream]}
        if stream[1] == "1m":
            assert {opened for opened in known if opened >= OPEN + 59 * MINUTE} <= closed[stream].keys()


async def test_a_stranger_is_refused(running):
    async with running() as (_, client):
        replies = [
            await client.post("/control/faults", json={"kind": kind, "symbol": "NOPE"}) for kind in ("delist", "halt", "relist", "list")
        ]

    assert [(400, "there is no symbol NOPE")] * 4 == [(reply.status_code, reply.json()["msg"]) for reply in replies]


async def test_a_hole_that_was_asked_for_at_the_start_is_there(running):
    hole = (OPEN - 284 * MINUTE, OPEN)
    async with running(holes=[hole]) as (_, client):
        rows = await klines(client, "BTCUSDT", limit=61)

    assert [-285, *range(60)] == [(row[0] - OPEN) // MINUTE for row in rows]


async def test_the_first_frame_after_listing_is_received(running, market):
    new = market.listings[-1].symbol
    async with running(reserved=1) as (exchange, client), listening(exchange, f"{new.lower()}@kline_1m") as socket:
        await begin(client, "list", symbol=new)
        await play(client, OPEN + 62 * MINUTE, speed=60)
        frame = await received(socket)

    assert (new, OPEN + 60 * MINUTE) == (frame["s"], frame["k"]["t"])
