"""A replica between feeders: real servers and sockets, markets fed by hand."""

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from adapters import feeder_choice
from adapters.candle_store import CANDLE, CLOSED, CandleStore
from adapters.feeder_client import MarketReplica
from adapters.feeder_link import LONGEST_RETRY, feeder_addresses, retry_delay
from adapters.feeder_protocol import Heartbeat, Status, TickerSnapshot
from adapters.tickers import TICKER
from domain.errors import RefusedError
from domain.market import HISTORY_BLOCK, Interval, Market
from feeder import server
from feeder.broadcast import Broadcast
from feeder.server import MarketServer
from feeder.statistics import FeederStatistics
from filters.evaluation import Evaluator
from tests.integration.feeder import processes
from tests.integration.feeder.watching import Trader, assert_each_once, request
from tests.integration.servers import free_port
from workers.screens import ReplicaScreens

TOKEN = "a secret of the tests"
FIRST = 100_000 * HISTORY_BLOCK
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SYMBOLS = ("AUSDT", "BUSDT")


class Feeder:
    """A feeder without an exchange: it says of itself what `status` is."""

    def __init__(self, market=Market.SIMULATED):
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}"
        self.store = CandleStore()
        self.store.append(SYMBOLS)
        self.status = Status(as_of=int(1000 * NOW.timestamp()), age=100, behind=0)
        self.broadcast = Broadcast(self.store, market, FeederStatistics(), lambda: self.status, queue_limit=2**20)
        self._server = MarketServer(self.broadcast, TOKEN, {})
        self._serving = None

    def closed(self, *indices, received_at=0.0, rows=(0, 1)):
        """These minutes closed, of these symbols; every third rose."""
        records = [(row, 0, CLOSED, index, index, 1.0, 3.0, 1.0, 1.0 + (index % 3 == row), *[1.0] * 5) for index in indices for row in rows]
        batch = np.array(records, CANDLE)
        self.store.apply(batch)
        self.broadcast.candles(batch, received_at)

    def forming(self, index, received_at):
        batch = np.array([(0, 0, 0, index, index, *[1.0] * 9)], CANDLE)
        self.store.apply(batch)
        self.broadcast.candles(batch, received_at)

    def begins(self, index):
        """All histories begin there."""
        for row in range(len(SYMBOLS)):
            self.store.frame(Interval.M1).set_begin(np.array([row]), np.array([index]))
            self.broadcast.row_begin(0, row, index)

    async def start(self):
        self._serving = asyncio.create_task(self._serve())
        await asyncio.sleep(0.05)

    async def stop(self):
        self._serving.cancel()
        await asyncio.gather(self._serving, return_exceptions=True)

    async def _serve(self):
        async with self._server.listening("127.0.0.1", self.port):
            while True:
                self.broadcast.heartbeat()
                await asyncio.sleep(0.2)


@asynccontextmanager
async def served(*feeders):
    for feeder in feeders:
        await feeder.start()
    try:
        yield feeders
    finally:
        for feeder in feeders:
            await feeder.stop()


def following(*feeders, token=TOKEN):
    return processes.following(MarketReplica(",".join(feeder.url for feeder in feeders), token))


async def until(condition, timeout=30.0):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.01)


@pytest.fixture
def soon(monkeypatch):
    """Feeders are judged from the start."""
    monkeypatch.setattr(feeder_choice, "AT_LEAST_FOLLOWED", 0.0)


async def synchronised(replica, times=1):
    await until(lambda: replica.statistics.synchronisations >= times)


def told(caplog):
    return [record.getMessage() for record in caplog.records]


async def test_of_two_feeders_one_is_followed_and_the_other_sends_heartbeats_only():
    first, second = Feeder(), Feeder()
    async with served(first, second), following(first, second) as replica:
        await synchronised(replica)
        assert first.url == replica.followed
        assert (1, 0) == (len(first.broadcast.clients), len(second.broadcast.clients))


async def test_when_the_connection_is_lost_the_other_feeder_is_followed_at_once(soon):
    first, second = Feeder(), Feeder()
    first.begins(FIRST)
    second.begins(FIRST)
    async with served(first, second), following(first, second) as replica:
        await synchronised(replica)
        first.closed(FIRST)
        second.closed(FIRST, FIRST + 1)
        await until(lambda: [FIRST] * 2 == replica.store.frame(Interval.M1).closed_through.tolist())
        seen = replica.settled(Interval.M1)
        await first.stop()
        assert seen < await asyncio.wait_for(replica.changed(Interval.M1, seen), 30)
        assert [FIRST + 1] * 2 == replica.store.frame(Interval.M1).closed_through.tolist()
        assert (second.url, 1) == (replica.followed, replica.statistics.switches)
        await first.start()


async def test_a_feeder_that_is_candles_behind_makes_nothing_be_evaluated_twice_or_never(soon):
    """The candles that one feeder brought last, the newest of them not whole yet, are gone with it; the other brings them later."""
    ahead, behind = Feeder(), Feeder()
    begin = FIRST - HISTORY_BLOCK * 3
    async with served(ahead, behind), following(ahead, behind) as replica:
        for feeder in (ahead, behind):
            feeder.closed(*range(begin, FIRST))
            feeder.begins(begin)
        await synchronised(replica)
        trader, screens = Trader(), ReplicaScreens(replica, Evaluator())
        watching = asyncio.create_task(trader.watch(await screens.open(request()), SYMBOLS))
        for index in range(FIRST, FIRST + 4):
            ahead.closed(index)
            await until(lambda index=index: trader.progress.evaluated == index)
        ahead.closed(FIRST + 4, rows=(0,))
        await ahead.stop()
        await synchronised(replica, times=2)
        went_back = replica.store.frame(Interval.M1).closed_through.tolist()
        for index in range(FIRST, FIRST + 7):
            behind.closed(index, rows=(1,))
            await asyncio.sleep(0.02)
            behind.closed(index, rows=(0,))
        await until(lambda: trader.progress.evaluated == FIRST + 6 and not trader.progress.behind)
        watching.cancel()
        assert [FIRST - 1] * 2 == went_back
        assert_each_once(trader, replica.store, FIRST + 6)


@pytest.mark.parametrize("trouble", [{"age": 60_000}, {"behind": 500}], ids=["stalled", "far behind"])
async def test_a_feeder_in_trouble_is_left_for_the_other_and_not_followed_again_when_it_is_over(soon, trouble):
    first, second = Feeder(), Feeder()
    async with served(first, second), following(first, second) as replica:
        await synchronised(replica)
        fine = first.status
        first.status = Status(**{"as_of": fine.as_of, "age": fine.age, "behind": fine.behind, **trouble})
        await until(lambda: replica.followed == second.url)
        await synchronised(replica, times=2)
        first.status = fine
        await asyncio.sleep(1.5)
        assert (second.url, 1) == (replica.followed, replica.statistics.switches)


async def test_at_the_start_the_feeder_whose_market_is_whole_is_chosen():
    first, second = Feeder(), Feeder()
    first.status = Status(as_of=first.status.as_of, age=100, behind=2_000)
    async with served(first, second), following(first, second) as replica:
        await synchronised(replica)
        assert second.url == replica.followed


async def test_a_feeder_of_another_market_is_never_followed(soon, caplog):
    ours, foreign = Feeder(), Feeder(Market.REPLAY)
    async with served(ours, foreign), following(ours, foreign) as replica:
        await synchronised(replica)
        await ours.stop()
        await until(lambda: any("name feeders of one market" in line for line in told(caplog)))
        assert (Market.SIMULATED, 1, 0) == (replica.market, replica.statistics.synchronisations, replica.store.seq)
        await ours.start()
        await synchronised(replica, times=2)
        assert ours.url == replica.followed


async def test_a_feeder_without_a_market_sends_no_heartbeats_and_is_not_chosen():
    empty, whole = Feeder(), Feeder()
    empty.status = Status(as_of=0, age=0, behind=0)
    async with served(empty, whole), following(empty, whole) as replica:
        await synchronised(replica)
        assert whole.url == replica.followed


async def test_a_refused_token_is_said_clearly_and_tried_again_slowly(caplog):
    feeder = Feeder()
    async with served(feeder), following(feeder, token="wrong") as replica:
        await until(lambda: told(caplog))
        assert any("CLOUDTRADER_FEEDER_TOKEN must be what its FEEDER_TOKEN is" in line for line in told(caplog))
        assert not replica.connected
    assert LONGEST_RETRY == retry_delay(1, LONGEST_RETRY, RefusedError("it refuses the token"))


@pytest.mark.parametrize(("is_loopback", "warnings"), [(True, 0), (False, 1)])
async def test_a_feeder_that_others_can_reach_without_tls_says_so_loudly(monkeypatch, caplog, is_loopback, warnings):
    monkeypatch.setattr(server, "is_loopback", lambda host: is_loopback)
    async with served(Feeder()):
        await asyncio.sleep(0.05)
    assert warnings == sum("without TLS" in line for line in told(caplog))


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("feeder", False)],
)
def test_only_this_machine_reaches_a_loopback_address(host, expected):
    assert expected is server.is_loopback(host)


async def test_tries_come_at_random_and_ever_more_rarely_up_to_a_limit():
    delays = [retry_delay(failures, LONGEST_RETRY) for failures in (1, 3, 1000) for _ in range(300)]
    assert max(delays[:300]) <= 1 < max(delays[300:600]) <= 4 < max(delays[600:]) <= LONGEST_RETRY
    assert min(delays) < 0.1


async def test_delays_of_closed_and_of_forming_candles_are_kept_apart():
    measured = []
    feeder = Feeder()
    feeder.begins(FIRST)
    replica = MarketReplica(feeder.url, TOKEN, measure_delay=lambda kind, seconds: measured.append(kind))
    async with served(feeder):
        task = asyncio.create_task(replica.run())
        await synchronised(replica)
        feeder.closed(FIRST, received_at=time.time() - 500)
        feeder.forming(FIRST + 1, received_at=time.time() - 100)
        feeder.closed(FIRST + 2)  # from REST: its speed does not matter
        await until(lambda: len(measured) == 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        replica.close()
    assert ["closed", "forming"] == measured
    assert [500, 500] == pytest.approx(list(replica.statistics.delays_closed), abs=40)
    assert [100] == pytest.approx(list(replica.statistics.delays_forming), abs=40)


async def test_what_is_here_counts_as_fresh_only_when_the_snapshot_is_whole():
    replica = MarketReplica("ws://127.0.0.1:1", TOKEN)
    long_ago, as_of = time.monotonic() - 600, int(1000 * NOW.timestamp())
    replica._fresh_at = long_ago
    replica.as_of = NOW - timedelta(minutes=10)
    replica._note(Heartbeat(5, Status(as_of=as_of, age=100, behind=0)), time.monotonic())
    assert replica.age() > timedelta(seconds=599)
    assert NOW == replica.as_of, "what was told of intervals that are here already may be as new"
    replica._note(TickerSnapshot(5, np.empty(0, TICKER)), time.monotonic())
    assert replica.age() < timedelta(seconds=60)
    replica.close()


async def test_as_of_goes_back_only_once_the_older_market_of_another_feeder_is_here():
    replica = MarketReplica("ws://127.0.0.1:1", TOKEN)
    replica.as_of = NOW
    older = Status(as_of=int(1000 * (NOW - timedelta(seconds=3)).timestamp()), age=0, behind=0)
    replica._note(Heartbeat(5, older), time.monotonic())
    mixed = replica.as_of
    replica._note(TickerSnapshot(5, np.empty(0, TICKER)), time.monotonic())
    assert [NOW, NOW - timedelta(seconds=3)] == [mixed, replica.as_of]
    replica.close()


def test_feeders_are_named_in_order_with_commas_between():
    addresses = feeder_addresses(" ws://a:1/, wss://b:2 ,ws://a:1", "token")
    assert [("ws://a:1", False), ("wss://b:2", True)] == [(address.url, address.tls is not None) for address in addresses]


@pytest.mark.parametrize("urls", ["", " , ", "http://a:1", "ws://a:1,b:2", "ws://"])
def test_addresses_that_make_no_sense_are_refused_with_what_they_should_be(urls):
    with pytest.raises(RefusedError, match=r"CLOUDTRADER_FEEDER_URL names .* ws://HOST:PORT"):
        feeder_addresses(urls, "token")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_refused(tmp_path, content):
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    with pytest.raises(RefusedError, match="CLOUDTRADER_FEEDER_CA"):
        feeder_addresses("wss://a:1", "token", str(file))
