"""A client that joins at any moment ends with the feeder's contents, and notices a missing message."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.candle_store import CANDLE, CLOSED, INTERVALS, LAST_RANK, CandleStore
from adapters.feeder_protocol import ProtocolError, Status, decode, encode
from adapters.feeder_session import FeederSession
from adapters.tickers import TICKER
from domain.market import HISTORY_BLOCK, Interval, Market
from feeder.broadcast import Broadcast
from feeder.statistics import FeederStatistics

FIRST = 100 * HISTORY_BLOCK
NOW = Status(as_of=1, age=0.0, behind=0)


class Source:
    """A feeder's store and broadcast, fed by hand."""

    def __init__(self, symbols, queue_limit=2**20):
        self.store = CandleStore()
        self.store.append(symbols)
        self.statistics = FeederStatistics()
        self.broadcast = Broadcast(self.store, Market.SIMULATED, self.statistics, lambda: NOW, queue_limit=queue_limit)

    def candle(self, row, index, close=1.0, interval=0, flags=CLOSED):
        batch = np.array([(row, interval, flags, index, int(close * 10), close, close, close, close, 1, 1, 1, 1, 1)], CANDLE)
        self.store.apply(batch)
        self.broadcast.candles(batch)

    def begin(self, row, index, interval=0):
        self.store.frame(INTERVALS[interval]).set_begin(np.array([row]), np.array([index]))
        self.broadcast.row_begin(interval, row, index)

    def ticker(self, row, last):
        batch = np.array([(row, int(last), last, 1, 2, 3, 4, 5)], TICKER)
        self.store.tickers.apply(batch)
        self.broadcast.tickers(batch)

    def add(self, *symbols):
        self.broadcast.symbols(self.store.append(symbols))

    def list(self, status):
        rows = len(self.store.symbols)
        self.store.set_listing(np.full(rows, status, np.uint8), np.arange(rows, dtype=np.uint16)[::-1].copy())
        self.broadcast.listing()


def next_message(client):
    """What would be sent now; None when the client has everything."""
    return client.take() or next(client.snapshot, None)


def drain(client, session):
    while (message := next_message(client)) is not None:
        session.receive(message)


def by_symbol(store):
    """What evaluations can see of each symbol, whatever its row."""
    return {
        (symbol, interval): (
            frame.first_index,
            np.nan_to_num(frame.values[:, row], nan=-1).tobytes(),
            frame.flags[row].tobytes(),
            int(frame.as_of[row]),
            int(frame.closed_from[row]),
            int(frame.closed_through[row]),
        )
        for interval, frame in store.frames.items()
        for row, symbol in enumerate(store.symbols)
    }


def listed(store):
    return {symbol: (int(store.status[row]), int(store.rank[row])) for row, symbol in enumerate(store.symbols)}


def tickers_of(store):
    return {symbol: store.tickers.columns["last"][row] for row, symbol in enumerate(store.symbols)}


actions = st.one_of(
    st.tuples(st.just("candle"), st.integers(0, 2), st.integers(FIRST - 300, FIRST + 300), st.integers(1, 3).map(float), st.integers(0, 5)),
    st.tuples(st.just("begin"), st.integers(0, 2), st.integers(FIRST - 300, FIRST + 300), st.integers(0, 5)),
    st.tuples(st.just("ticker"), st.integers(0, 2), st.integers(1, 9).map(float)),
    st.tuples(st.just("add"), st.sampled_from(("DUSDT", "EUSDT"))),
    st.tuples(st.just("list"), st.integers(0, 4)),
    st.tuples(st.just("send"), st.integers(1, 9)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(actions, max_size=25), st.lists(actions, max_size=25))
def test_a_snapshot_taken_while_the_market_moves_ends_in_the_feeders_contents(before, during):
    source = Source(("AUSDT", "BUSDT", "CUSDT"))
    replica = CandleStore()
    replica.append(("CUSDT", "OLDUSDT", "AUSDT"))
    session = FeederSession(replica)
    for name, *arguments in before:
        if name != "send":
            getattr(source, name)(*arguments)
    client = source.broadcast.join()
    for name, *arguments in during:
        if name == "send":
            for message in filter(None, (next_message(client) for _ in range(arguments[0]))):
                session.receive(message)
        else:
            getattr(source, name)(*arguments)
    drain(client, session)
    expected = by_symbol(source.store)
    assert expected == {key: value for key, value in by_symbol(replica).items() if key[0] != "OLDUSDT"}
    assert {**tickers_of(source.store), "OLDUSDT": np.nan} == pytest.approx(tickers_of(replica), nan_ok=True)
    assert {**listed(source.store), "OLDUSDT": (4, LAST_RANK)} == listed(replica)
    assert replica.symbols[:3] == ("CUSDT", "OLDUSDT", "AUSDT")
    assert source.store.seq == replica.seq


def test_a_lost_message_is_noticed_by_the_next_one():
    source, session = Source(("AUSDT",)), FeederSession(CandleStore())
    client = source.broadcast.join()
    drain(client, session)
    source.candle(0, FIRST)
    client.take()
    source.broadcast.heartbeat()
    with pytest.raises(ProtocolError, match="Expected message 0 of the feeder and got 1"):
        drain(client, session)


def test_a_new_session_repairs_what_the_lost_message_left_out():
    source, replica = Source(("AUSDT",)), CandleStore()
    client = source.broadcast.join()
    drain(client, FeederSession(replica))
    source.candle(0, FIRST)
    source.begin(0, FIRST)
    version = replica.frame(Interval.M1).version
    drain(source.broadcast.join(), FeederSession(replica))
    assert by_symbol(source.store) == by_symbol(replica)
    assert replica.frame(Interval.M1).version > version


def test_a_row_that_the_feeder_forgot_is_forgotten():
    source, replica = Source(("AUSDT", "BUSDT")), CandleStore()
    session, client = FeederSession(replica), source.broadcast.join()
    for row in (0, 1):
        source.candle(row, FIRST, close=9.0)
        source.begin(row, FIRST)
    drain(client, session)
    source.store.frame(Interval.M1).forget(np.array([0]))
    source.broadcast.row_begin(0, 0, -1)
    source.candle(0, FIRST, close=1.0)
    drain(client, session)
    assert by_symbol(source.store) == by_symbol(replica)
    frame = replica.frame(Interval.M1)
    assert ([-1, FIRST], 1.0) == (frame.closed_through.tolist(), frame.columns["close"][0, FIRST - frame.first_index])


def test_the_old_contents_stay_until_the_new_snapshot_of_the_interval_is_whole():
    source, replica = Source(tuple(f"S{number}USDT" for number in range(40))), CandleStore()
    source.candle(0, FIRST)
    source.begin(0, FIRST)
    drain(source.broadcast.join(), FeederSession(replica))
    source.candle(39, FIRST + 1)
    client, session = source.broadcast.join(), FeederSession(replica)
    old = replica.frame(Interval.M1)
    for _ in ("hello", "listing", "the first of two chunks"):
        session.receive(next_message(client))
    assert old is replica.frame(Interval.M1)
    session.receive(next_message(client))
    assert by_symbol(source.store)["S39USDT", Interval.M1] == by_symbol(replica)["S39USDT", Interval.M1]


def test_arrivals_name_the_newest_candle_and_how_many_symbols_still_lack_it():
    source, session = Source(("AUSDT", "BUSDT", "CUSDT")), FeederSession(CandleStore())
    for row in range(3):
        source.candle(row, FIRST)
        source.begin(row, FIRST)
    client = source.broadcast.join()
    drain(client, session)
    source.candle(1, FIRST + 1)
    _, arrivals = session.receive(client.take())
    assert [(arrival.interval, arrival.newest, arrival.missing) for arrival in arrivals] == [(Interval.M1, FIRST + 1, 2)]
    source.candle(1, FIRST + 2, flags=0)
    assert session.receive(client.take())[1] == ()


def test_a_client_that_lags_too_far_is_cut_and_holds_no_memory():
    source = Source(("AUSDT",), queue_limit=2_000)
    client, quick = source.broadcast.join(), source.broadcast.join()
    for index in range(50):
        source.candle(0, FIRST + index)
        while quick.take():
            pass
    assert client.overflowed.is_set()
    assert not quick.overflowed.is_set()
    assert source.statistics.clients_cut == 1
    assert client.take() is None


def test_another_protocol_version_is_refused_with_what_to_do():
    source = Source(("AUSDT",))
    hello = source.broadcast.join().take().replace(b'"protocol":3', b'"protocol":9')
    with pytest.raises(ProtocolError, match="run the same version of both"):
        FeederSession(CandleStore()).receive(hello)


@pytest.mark.parametrize("raw", [b"", b"\x05\x00\x00\x00{}", b"\xff\xff\xff\xff", b"\x02\x00\x00\x00[]"])
def test_what_cannot_be_read_is_a_protocol_error(raw):
    with pytest.raises(ProtocolError):
        decode(raw)


def test_every_message_of_a_session_survives_encoding():
    source = Source(("AUSDT", "币安人生USDT"))
    client = source.broadcast.join()
    source.candle(0, FIRST)
    source.ticker(1, 5.0)
    source.begin(0, FIRST)
    source.add("NEWUSDT")
    source.list(2)
    source.broadcast.heartbeat()
    while (raw := next_message(client)) is not None:
        assert raw == encode(decode(raw))
