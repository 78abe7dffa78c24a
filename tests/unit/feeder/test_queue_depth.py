"""What waits for a client is counted until it is sent or the client is cut, and no closed candle is ever left out of it."""

import numpy as np
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.candle_store import CandleStore, is_closed
from adapters.feeder_protocol import Candles, Message, Status
from adapters.feeder_session import FeederSession
from domain.market import HISTORY_BLOCK, Interval, Market
from feeder.broadcast import Broadcast, Client
from feeder.intake import Intake
from feeder.statistics import FeederStatistics

FIRST = 100 * HISTORY_BLOCK
SYMBOLS = ("AUSDT", "BUSDT", "CUSDT")


def test_messages_that_wait_are_counted_until_they_are_taken() -> None:
    client = Client(b"hello", iter(()), queue_limit=100)
    client.offer(b"candles")
    assert (2, 12) == (client.waiting_messages, client.waiting_bytes)

    client.take()
    assert (1, 7) == (client.waiting_messages, client.waiting_bytes)


def test_nothing_waits_for_a_client_that_was_cut() -> None:
    client = Client(b"hello", iter(()), queue_limit=10)

    assert client.offer(b"more than it may have waiting") is False
    assert 0 == client.waiting_messages


class Line:
    """A feeder from the frames to one client that reads when it is told to."""

    def __init__(self) -> None:
        self.store = CandleStore()
        self.store.append(SYMBOLS)
        statistics = FeederStatistics()
        self._intake = Intake(self.store, statistics)
        self._broadcast = Broadcast(self.store, Market.SIMULATED, statistics, lambda: Status(1, 0.0, 0), queue_limit=2**26)
        self._client = self._broadcast.join()
        self.replica = CandleStore()
        self._session = FeederSession(self.replica)
        self.told: list[tuple[int, int, bool]] = []
        """Row, index and whether it was closed, of every candle in a message to the client."""

    def frame(self, row: int, minute: int, second: int, *, closed: bool) -> None:
        """A frame of the exchange, its closed candle told at once as the feeder does."""
        opened = (FIRST + minute) * 60_000
        values = {"o": "1", "h": "2", "l": "1", "c": f"1.{second:02}", "v": "3", "q": "4", "n": second, "V": "1", "Q": "1"}
        body = {"t": opened, "i": "1m", "x": closed, **values}
        event = {"e": "kline", "E": opened + 60_000 if closed else opened + 1_000 * second, "s": SYMBOLS[row], "k": body}
        self._intake.receive(orjson.dumps(event))
        if self._intake.has_closed:
            self._broadcast.candles(*self._intake.take_closed())

    def conflate(self) -> None:
        """The turn of the forming candles."""
        self._broadcast.candles(*self._intake.take_forming())

    def read(self, messages: int) -> None:
        """The client takes so many messages at most."""
        for _ in range(messages):
            raw = self._client.take() or next(self._client.snapshot, None)
            if raw is None:
                return
            self._note(self._session.receive(raw)[0])

    def _note(self, message: Message) -> None:
        if isinstance(message, Candles):
            rows = zip(message.records["row"], message.records["index"], is_closed(message.records["flags"]), strict=True)
            self.told += [(int(row), int(index), bool(closed)) for row, index, closed in rows]


def contents(store: CandleStore) -> tuple[bytes, bytes]:
    frame = store.frame(Interval.M1)
    return frame.flags.tobytes(), np.nan_to_num(frame.values, nan=-1).tobytes()


steps = st.one_of(
    st.tuples(st.just("frame"), st.integers(0, 2), st.integers(0, 5), st.integers(0, 59), st.booleans()),
    st.tuples(st.just("conflate")),
    st.tuples(st.just("read"), st.integers(1, 12)),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(steps, max_size=80))
def test_a_client_is_told_of_every_closed_candle_in_order_however_slowly_it_reads(script: list[tuple[object, ...]]) -> None:
    line, closed = Line(), []
    for step in script:
        match step:
            case ("frame", int(row), int(minute), int(second), bool(is_last)):
                line.frame(row, minute, second, closed=is_last)
                closed += [(row, FIRST + minute, True)] * is_last
            case ("conflate",):
                line.conflate()
            case ("read", int(messages)):
                line.read(messages)
    line.conflate()
    line.read(10_000)
    assert closed == [candle for candle in line.told if candle[2]]
    assert contents(line.store) == contents(line.replica)
