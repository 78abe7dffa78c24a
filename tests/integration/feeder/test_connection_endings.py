"""How one connection ends, over real sockets: with a reason, whatever the other side does, and with our own faults not hidden."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import orjson
import pytest
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from adapters.candle_store import CandleStore
from feeder import connection as connections
from feeder import control
from feeder.connection import ConnectionLimits, ConnectionState, ExchangeConnection, Reason
from feeder.dialing import DialBudget
from feeder.intake import Intake
from feeder.statistics import FeederStatistics
from tests.integration.servers import free_port

STREAMS = ["btcusdt@kline_1m", "!miniTicker@arr"]
MINUTE = 60_000
KLINE = {"t": 100 * MINUTE, "i": "1m", "x": True, "o": "1", "h": "2", "l": "1", "c": "2", "v": "3", "q": "4", "n": 5, "V": "1", "Q": "2"}
FRAME = orjson.dumps({"stream": STREAMS[0], "data": {"e": "kline", "E": 101 * MINUTE, "s": "BTCUSDT", "k": KLINE}}).decode()


class Server:
    """An exchange with one line of text to say, over and over, and its own idea of what to reply to requests."""

    def __init__(self, *, replies=lambda request: {"result": None}, says=(FRAME,)):
        self.requests = []
        self._replies = replies
        self._says = says

    async def __call__(self, socket):
        saying = asyncio.create_task(self._speak(socket))
        subscribed = []
        try:
            async for text in socket:
                request = orjson.loads(text)
                self.requests.append(request)
                subscribed += request.get("params", [])
                reply = {"result": subscribed} if request["method"] == "LIST_SUBSCRIPTIONS" else self._replies(request)
                if reply is not None:
                    await socket.send(orjson.dumps(reply | {"id": request["id"]}).decode())
        finally:
            saying.cancel()

    async def _speak(self, socket):
        try:
            while True:
                for said in self._says:
                    await socket.send(said)
                await asyncio.sleep(0.02)
        except ConnectionClosed:
            return


def connection_to(url, *, intake=None, rotate_after=timedelta(hours=23), silent_after=timedelta(seconds=90)):
    statistics = FeederStatistics()
    store = CandleStore()
    store.append(("BTCUSDT",))
    return ExchangeConnection(
        url,
        STREAMS,
        intake or Intake(store, statistics),
        statistics,
        number=1,
        shard=1,
        budget=DialBudget(),
        limits=ConnectionLimits(rotate_after=rotate_after, silent_after=silent_after),
        closed_arrived=lambda: None,
    )


@asynccontextmanager
async def running(server, **options):
    """A connection to the server, and the task that runs it."""
    async with serve(server, "127.0.0.1", 0, close_timeout=0.1) as listening:
        connection = connection_to(f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}", **options)
        task = asyncio.create_task(connection.run())
        try:
            yield connection, task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_connection_is_ready_once_everything_is_confirmed_listed_and_heard_and_closes_politely():
    server = Server()
    async with running(server) as (connection, task):
        await asyncio.wait_for(connection.ready, 30)
        assert ["SUBSCRIBE", "LIST_SUBSCRIPTIONS"] == [request["method"] for request in server.requests]
        report = connection.report()
        assert (ConnectionState.RECEIVING, 2, 2) == (report.state, report.streams, report.confirmed)
        assert report.frames >= 3
        await connection.retire()
        assert Reason.LOST is (await asyncio.wait_for(task, 30)).reason


async def test_messages_that_come_in_several_parts_are_taken_whole():
    parts = [FRAME[:30], FRAME[30:200], FRAME[200:]]
    async with running(Server(says=(parts,))) as (connection, _):
        await asyncio.wait_for(connection.ready, 30)
        assert connection._intake.has_closed
        assert 0 == connection._statistics.malformed_frames


@pytest.mark.parametrize("reply", [None, {"error": {"code": 2, "msg": "no"}}, {"code": 2, "msg": "no"}], ids=["silence", "nested", "flat"])
async def test_an_exchange_that_does_not_subscribe_us_is_left(reply, monkeypatch):
    monkeypatch.setattr(control, "ACKNOWLEDGE_SECONDS", 0.2)
    server = Server(replies=lambda request: reply)
    async with running(server) as (_, task):
        ending = await asyncio.wait_for(task, 60)
    assert Reason.UNSUBSCRIBED is ending.reason
    assert "3 times" in ending.detail
    assert [2, 1, 1, 1] == [len(request["params"]) for request in server.requests]


async def test_an_open_socket_that_says_nothing_is_left(monkeypatch):
    monkeypatch.setattr(connections, "silence_limit", lambda streams: 2)
    async with running(Server(says=())) as (_, task):
        ending = await asyncio.wait_for(task, 60)
    assert Reason.SILENCE is ending.reason


async def test_a_connection_that_is_old_enough_asks_to_be_replaced_and_goes_on():
    async with running(Server(), rotate_after=timedelta(seconds=1)) as (connection, task):
        assert Reason.ROTATION is await asyncio.wait_for(connection.replacement, 30)
        assert ConnectionState.LEAVING is connection.report().state
        assert not task.done()


async def test_a_stream_that_stays_silent_is_subscribed_to_anew_and_then_the_connection_asks_to_be_replaced():
    server = Server()
    async with running(server, silent_after=timedelta(seconds=0.2)) as (connection, _):
        await asyncio.wait_for(connection.ready, 30)
        await asyncio.sleep(0.3)
        connection.revive([STREAMS[0], "ethusdt@kline_1m"])
        assert 1 == connection._statistics.resubscriptions
        await asyncio.sleep(0.3)
        connection.revive([STREAMS[0]])
        assert Reason.SILENT_STREAM is connection.replacement.result()
        async with asyncio.timeout(30):
            while not connection.control.is_settled:  # noqa: ASYNC110 - it waits for another end
                await asyncio.sleep(0.05)
    renewed = [(request["method"], request["params"]) for request in server.requests[2:4]]
    assert [("UNSUBSCRIBE", STREAMS[:1]), ("SUBSCRIBE", STREAMS[:1])] == renewed


async def test_where_nobody_listens_the_connection_is_unreachable():
    ending = await asyncio.wait_for(connection_to(f"ws://127.0.0.1:{free_port()}").run(), 60)
    assert Reason.UNREACHABLE is ending.reason


async def test_a_fault_of_ours_comes_out_of_the_connection():
    class Broken(Intake):
        def receive(self, raw):
            raise KeyError("a bug")

    async with running(Server(), intake=Broken(CandleStore(), FeederStatistics())) as (_, task):
        with pytest.raises(ExceptionGroup) as raised:
            await asyncio.wait_for(task, 60)
    assert raised.value.subgroup(KeyError)
