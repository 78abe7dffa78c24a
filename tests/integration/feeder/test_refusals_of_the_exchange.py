"""An exchange that refuses, bans or talks nonsense over real sockets: we stop when told, go on when allowed, and never hammer it."""

import asyncio
import time
from collections import Counter
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from itertools import pairwise

import orjson
import pytest

from adapters.binance import rest
from adapters.binance.refusals import DEFAULT_PAUSE, FIREWALL_PAUSE
from adapters.binance.rest import BinanceRest
from adapters.binance.weight import Lane
from domain.errors import RefusedError, UnavailableError
from domain.market import Interval, Market
from feeder.feeder import Feeder
from feeder.repair_work import WORKERS
from feeder.settings import FeederSettings
from local.exchange.http11 import Response, take_request
from tests.integration.servers import free_port

TIME = Response(body=b'{"serverTime": 1767225600000}')
SILENCE = None


def refusal(status, message="Too much request weight used.", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status=HTTPStatus(status), body=orjson.dumps({"code": -1003, "msg": message}), headers=named)


class Exchange:
    """Answers as it is told: with one reply after the other, then with the last for ever. Notes when it was asked for what."""

    def __init__(self, *replies):
        self.replies = list(replies)
        self.asked = []
        self._server = None

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()

    @property
    def moments(self):
        return [moment for moment, _ in self.asked]

    def reply(self, request):
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    async def _serve(self, reader, writer):
        buffer = bytearray()
        while data := await reader.read(65_536):
            buffer += data
            while request := take_request(buffer, "127.0.0.1"):
                self.asked.append((time.monotonic(), request))
                reply = self.reply(request)
                if reply is SILENCE:
                    await asyncio.sleep(60)
                writer.write(reply.encode(request))
        writer.close()


async def moment_of(client):
    return (await client.server_time()).time


@pytest.mark.parametrize(("status", "pause"), [(429, 1), (418, 2)])
async def test_a_refusal_stops_every_request_for_the_time_it_states_and_then_all_goes_on(status, pause):
    async with Exchange(refusal(status, Retry_After=str(pause)), TIME) as exchange, BinanceRest(exchange.url) as client:
        with pytest.raises(UnavailableError, match=f"{status}.*Too much request weight"):
            await client.server_time()
        refused = time.monotonic()
        assert [1_767_225_600_000] * 5 == await asyncio.gather(*(moment_of(client) for _ in range(5)))
        assert 6 == len(exchange.asked)
        assert exchange.moments[1] - refused >= pause - 0.05
        assert exchange.moments[-1] - refused < pause + 10


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (403, {}, FIREWALL_PAUSE),
        (429, {}, DEFAULT_PAUSE),
        (429, {"Retry_After": "Wed, 21 Oct 2026 07:28:00 GMT"}, DEFAULT_PAUSE),
        (429, {"Retry_After": "nan"}, DEFAULT_PAUSE),
        (418, {"Retry_After": "259200"}, 259_200.0),
        (429, {"Retry_After": "0"}, 1.0),
        (429, {"Retry_After": "-5"}, 1.0),
    ],
)
async def test_a_pause_is_never_left_out_whatever_the_header_says(status, headers, expected):
    async with Exchange(refusal(status, **headers)) as exchange, BinanceRest(exchange.url) as client:
        with pytest.raises(UnavailableError):
            await client.server_time()
        assert pytest.approx(expected, abs=0.5) == client.limiter.delay(1, Lane.URGENT)


@pytest.mark.parametrize(
    ("stated", "retry_after", "expected"), [(900, "120", 900), (60, "120", 120), (-5_000, "120", 120)], ids=["message", "header", "past"]
)
async def test_a_ban_lasts_until_the_later_of_what_its_message_and_its_header_say(stated, retry_after, expected):
    """By the exchange's clock, which here is two hours ahead of ours."""
    now = time.time() + 7_200
    ban = refusal(
        418,
        f"Way too much request weight used; IP banned until {round(1000 * (now + stated))}. Please use WebSocket Streams.",
        Retry_After=retry_after,
        Date=formatdate(now, usegmt=True),
    )
    async with Exchange(ban) as exchange, BinanceRest(exchange.url) as client:
        with pytest.raises(UnavailableError):
            await client.server_time()
        assert pytest.approx(expected, abs=3) == client.limiter.delay(1, Lane.URGENT)
        assert "the exchange answered 418" == client.limiter.state().reason


async def test_an_exchange_that_refuses_again_after_its_own_pause_is_asked_once_per_pause_and_the_pauses_grow():
    async with Exchange(refusal(429, Retry_After="1")) as exchange, BinanceRest(exchange.url) as client:

        async def ask_for_ever():
            while True:
                with suppress(UnavailableError):
                    await client.server_time()

        asking = [asyncio.create_task(ask_for_ever()) for _ in range(3)]
        await asyncio.sleep(4)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    # What was under way before the first answer, one request after a second, and one two seconds later.
    first, *later = [moment for moment in exchange.moments if moment - exchange.moments[0] > 0.9 or moment == exchange.moments[0]]
    assert 1 <= len(later) <= 2
    assert all(pause >= least for least, pause in zip((0.95, 1.95), pairwise_differences([first, *later]), strict=False))


def pairwise_differences(moments):
    return [after - before for before, after in pairwise(moments)]


@pytest.mark.parametrize("used", ["3100", "nonsense"])
async def test_weight_that_others_behind_the_address_used_up_stops_backfill_until_the_exchanges_minute_ends(used):
    twenty_seconds_on = formatdate(1_767_225_620, usegmt=True)
    reply = Response(body=TIME.body, headers={"X-MBX-USED-WEIGHT-1M": used, "Date": twenty_seconds_on})
    async with Exchange(reply) as exchange, BinanceRest(exchange.url) as client:
        await client.server_time()
        expected = 40 if used == "3100" else 0
        assert pytest.approx(expected, abs=3) == client.limiter.delay(1, Lane.BACKFILL)
        assert client.limiter.delay(1, Lane.URGENT) == 0


async def test_the_answer_to_what_is_the_time_tells_how_far_ahead_the_exchange_is():
    ahead = Response(body=orjson.dumps({"serverTime": round(1000 * (time.time() + 7_200))}))
    async with Exchange(ahead) as exchange, BinanceRest(exchange.url) as client:
        told = await client.server_time()
    assert pytest.approx(7_200, abs=10) == told.offset
    assert 0 < told.round_trip < 10


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>maintenance</html>", b"[[1767225600000", b"{}", b"[]", b"null", b'[["x"]]', b'[[1767225600000, "a"]]', b'{"symbols": 3}'],
)
async def test_a_reply_that_is_nonsense_is_an_outage_and_not_a_crash(body):
    async with Exchange(Response(body=body)) as exchange, BinanceRest(exchange.url) as client:
        for path, call in (
            ("/api/v3/time", client.server_time()),
            ("/api/v3/exchangeInfo", client.listings()),
            ("/api/v3/klines", client.klines("BTCUSDT", Interval.M1, Lane.URGENT)),
        ):
            if (path, body) == ("/api/v3/klines", b"[]"):  # a symbol without candles
                assert 0 == len(await call)
            else:
                with pytest.raises(UnavailableError, match=f"GET {path}: the reply is not"):
                    await call


@pytest.mark.parametrize(("status", "kind"), [(400, RefusedError), (404, RefusedError), (500, UnavailableError), (503, UnavailableError)])
async def test_an_error_says_whether_asking_again_may_help(status, kind):
    async with Exchange(refusal(status)) as exchange, BinanceRest(exchange.url) as client:
        with pytest.raises(kind, match=str(status)):
            await client.server_time()
        assert 0 == client.limiter.delay(1, Lane.URGENT)


async def test_an_exchange_that_is_away_or_says_nothing_is_an_outage(monkeypatch):
    monkeypatch.setattr(rest, "TIMEOUT_SECONDS", 0.3)
    async with Exchange(SILENCE) as exchange, BinanceRest(exchange.url) as client, BinanceRest(f"http://127.0.0.1:{free_port()}") as nobody:
        with pytest.raises(UnavailableError, match="ReadTimeout"):
            await client.server_time()
        with pytest.raises(UnavailableError, match="ConnectError"):
            await nobody.server_time()


class Market24(Exchange):
    """Lists two symbols, and answers for their candles as it is told."""

    def reply(self, request):
        names = ("lastPrice", "openPrice", "highPrice", "lowPrice", "volume", "quoteVolume")
        symbols = [
            {"symbol": name, "status": "TRADING", "baseAsset": name[:3], "quoteAsset": "USDT", "isSpotTradingAllowed": True}
            for name in ("BTCUSDT", "ETHUSDT")
        ]
        fixed = {
            "/api/v3/time": TIME,
            "/api/v3/exchangeInfo": Response(body=orjson.dumps({"symbols": symbols})),
            "/api/v3/ticker/24hr": Response(
                body=orjson.dumps([{"symbol": "BTCUSDT", "closeTime": 1_767_225_600_000} | dict.fromkeys(names, "1")])
            ),
        }
        return fixed.get(request.path) or super().reply(request)


async def feed_for(seconds, exchange):
    """A feeder that lives so long; its requests for candles."""
    settings = FeederSettings(
        rest_url=exchange.url,
        stream_url=f"ws://127.0.0.1:{free_port()}",
        market=Market.BINANCE,
        quote_asset="USDT",
        host="127.0.0.1",
        port=free_port(),
        token="a secret of the tests",
    )
    running = asyncio.create_task(Feeder(settings).run())
    await asyncio.sleep(seconds)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return [(moment, request.query) for moment, request in exchange.asked if request.path == "/api/v3/klines"]


@pytest.mark.parametrize("reply", [refusal(500), Response(body=b"<html>"), refusal(400)], ids=["broken", "nonsense", "refused"])
async def test_a_feeder_asks_for_the_same_candles_ever_more_rarely_while_they_do_not_come(reply):
    async with Market24(reply) as exchange:
        asked = await feed_for(4, exchange)
    times = Counter((query["symbol"], query["interval"]) for _, query in asked)
    assert 2 * len(Interval) == len(times)
    assert 2 * len(Interval) < times.total(), "each is asked for again"
    assert max(times.values()) <= 3


async def test_an_outage_is_told_once_when_it_begins_and_once_when_it_ends(caplog):
    caplog.set_level("INFO", logger="feeder.repair_work")
    async with Market24(refusal(500)) as exchange:
        # Every repair fails at once and is tried again a second later.
        asyncio.get_running_loop().call_later(0.8, exchange.replies.append, Response(body=b"[]"))
        asyncio.get_running_loop().call_later(0.8, exchange.replies.pop, 0)
        await feed_for(3, exchange)
    told = [record.getMessage() for record in caplog.records if "REST" in record.getMessage()]
    assert ["Candles cannot be repaired until REST", "REST answers again"] == [text.split(" answers again: ")[0] for text in told]


async def test_a_feeder_that_is_refused_keeps_all_its_workers_from_asking():
    async with Market24(refusal(429, Retry_After="2")) as exchange:
        moments = [moment for moment, _ in await feed_for(3.5, exchange)]
    at_once = [moment for moment in moments if moment < moments[0] + 1]
    later = [moment for moment in moments if moment >= moments[0] + 1]
    assert len(at_once) <= WORKERS[Lane.BACKFILL]  # one of each worker at most was under way
    assert min(later, default=max(at_once) + 2) - max(at_once) >= 1.9
    assert len(later) <= WORKERS[Lane.BACKFILL]
