"""Whatever the exchange loses or refuses, what it has subscribed becomes what is wanted, and it is never asked too fast."""

from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.binance.market_frames import Acknowledgement
from domain.errors import UnavailableError
from feeder.control import ACKNOWLEDGE_SECONDS, AUDIT_AGAIN_SECONDS, AUDIT_SECONDS, MOST_FRAMES, FramePace, SubscriptionControl
from feeder.statistics import FeederStatistics
from feeder.subscriptions import kline_streams

STREAMS = kline_streams(f"S{number}USDT" for number in range(150))
EARLIEST = 1e-9


class Exchange:
    """The other end of one connection on a clock of its own: answers after 50 ms, or as it is told to for the next frames."""

    def __init__(self, streams, statistics=None, fates=()):
        self.now = 1_000.0
        self.subscribed = {}
        self.frames = []
        self.sent_at = []
        self.fates = list(fates)
        self.statistics = statistics or FeederStatistics()
        self._replies = []
        self.control = self.connect(streams)

    def connect(self, streams):
        """A new connection, on which nothing is subscribed."""
        self.subscribed, self._replies = {}, []
        self.control = SubscriptionControl(streams, self.statistics, lambda: self.now)
        return self.control

    def run(self, seconds):
        """Let time pass, as the shell of a connection does."""
        end = self.now + seconds
        while self.now < end:
            while self._replies and self._replies[0][0] <= self.now:
                self.control.receive(self._replies.pop(0)[1])
            while (frame := self.control.next_frame()) is not None:
                self.sent_at.append(self.now)
                self._receive(orjson.loads(frame))
            next_reply = self._replies[0][0] - self.now if self._replies else end
            self.now = min(end, self.now + max(EARLIEST, min(next_reply, self.control.pause())))

    def asked(self, method):
        return [frame["params"] for frame in self.frames if frame["method"] == method]

    def _receive(self, frame):
        self.frames.append(frame)
        fate = self.fates.pop(0) if self.fates else "done"
        if fate in ("done", "unanswered", "late"):
            self._obey(frame)
        if fate in ("done", "refused", "late"):
            listed = tuple(self.subscribed) if frame["method"] == "LIST_SUBSCRIPTIONS" else ()
            delay = 11.0 if fate == "late" else 0.05
            self._replies.append((self.now + delay, Acknowledgement(frame["id"], "no" if fate == "refused" else "", listed)))
            self._replies.sort()

    def _obey(self, frame):
        match frame["method"]:
            case "SUBSCRIBE":
                self.subscribed |= dict.fromkeys(frame["params"])
            case "UNSUBSCRIBE":
                for stream in frame["params"]:
                    self.subscribed.pop(stream, None)


def test_900_streams_are_subscribed_and_listed_within_three_seconds():
    exchange = Exchange(STREAMS)
    exchange.run(3)
    assert STREAMS == list(exchange.subscribed)
    assert exchange.control.is_settled
    assert ["SUBSCRIBE"] * 6 + ["LIST_SUBSCRIPTIONS"] == [frame["method"] for frame in exchange.frames]
    assert list(range(1, 8)) == [frame["id"] for frame in exchange.frames]


def test_it_is_not_settled_before_the_exchange_has_listed_what_it_subscribed():
    exchange = Exchange(STREAMS[:6])
    exchange.run(0.1)
    assert STREAMS[:6] == list(exchange.control.confirmed)
    assert not exchange.control.is_settled
    exchange.run(1)
    assert exchange.control.is_settled


def test_what_becomes_wanted_or_unwanted_is_asked_for_on_the_live_connection_and_nothing_else():
    exchange = Exchange(STREAMS[:300])
    exchange.run(3)
    exchange.frames.clear()
    exchange.control.want(STREAMS[6:306])
    assert not exchange.control.is_settled
    exchange.run(3)
    assert [STREAMS[:6]] == exchange.asked("UNSUBSCRIBE")
    assert [STREAMS[300:306]] == exchange.asked("SUBSCRIBE")
    assert set(STREAMS[6:306]) == set(exchange.subscribed)
    assert exchange.control.is_settled


@pytest.mark.parametrize(("fate", "within"), [("ignored", 12), ("unanswered", 12), ("refused", 3)])
def test_a_subscription_that_is_not_confirmed_is_split_in_halves(fate, within):
    exchange = Exchange(STREAMS[:100], fates=[fate])
    exchange.run(within)
    assert [STREAMS[:100], STREAMS[:50], STREAMS[50:100]] == exchange.asked("SUBSCRIBE")
    assert exchange.control.is_settled
    assert (1, int(fate == "refused")) == (exchange.statistics.subscriptions_split, exchange.statistics.subscriptions_refused)


def test_a_confirmation_that_comes_too_late_is_not_taken_for_that_of_the_next_request():
    exchange = Exchange(STREAMS[:4], fates=["late", "ignored"])
    exchange.run(ACKNOWLEDGE_SECONDS + 2)
    assert not exchange.control.confirmed
    exchange.run(20)
    assert exchange.control.is_settled


@pytest.mark.parametrize("fate", ["ignored", "refused"])
def test_a_single_stream_that_fails_three_times_makes_the_connection_useless(fate):
    exchange = Exchange(STREAMS[:1], fates=[fate] * 3)
    with pytest.raises(UnavailableError, match="s0usdt@kline_1m 3 times"):
        exchange.run(31)
    assert 3 == len(exchange.frames)


def test_a_list_that_is_not_told_three_times_makes_the_connection_useless():
    exchange = Exchange(STREAMS[:1], fates=["done", "ignored", "ignored", "ignored"])
    with pytest.raises(UnavailableError, match="LIST_SUBSCRIPTIONS"):
        exchange.run(40)


def test_what_the_exchange_forgot_or_made_up_is_put_right_at_the_next_audit():
    exchange = Exchange(STREAMS[:12])
    exchange.run(3)
    del exchange.subscribed[STREAMS[3]]
    exchange.subscribed["bnbusdt@kline_1m"] = None
    exchange.run(AUDIT_SECONDS + 5)
    assert set(STREAMS[:12]) == set(exchange.subscribed)
    assert exchange.control.is_settled
    assert 2 == exchange.statistics.subscriptions_amended


def test_audits_are_ten_minutes_apart_and_one_that_found_something_is_repeated_after_a_minute():
    exchange = Exchange(STREAMS[:12])
    exchange.run(AUDIT_SECONDS)
    exchange.subscribed.clear()
    begun = exchange.now
    exchange.run(AUDIT_SECONDS + AUDIT_AGAIN_SECONDS + 10)
    listed = [at - begun for at, frame in zip(exchange.sent_at, exchange.frames, strict=True) if "params" not in frame]
    assert [-599, 1, 61, 661] == [pytest.approx(at, abs=2) for at in listed]


def test_a_renewed_stream_is_unsubscribed_and_subscribed_again():
    exchange = Exchange(STREAMS[:12])
    exchange.run(3)
    exchange.frames.clear()
    exchange.control.renew([STREAMS[5], "btcusdt@kline_1m"])
    exchange.run(3)
    assert ["UNSUBSCRIBE", "SUBSCRIBE", "LIST_SUBSCRIPTIONS"] == [frame["method"] for frame in exchange.frames]
    assert [[STREAMS[5]]] * 2 == [frame["params"] for frame in exchange.frames[:2]]
    assert exchange.control.is_settled


def test_an_exchange_that_stood_still_sees_our_frames_no_closer_together():
    exchange = Exchange(STREAMS)
    exchange.run(0.01)
    exchange.now += 5
    replied = exchange.now
    exchange.run(1)
    assert replied + 0.34 <= exchange.sent_at[1]


def most_in_any_second(moments):
    return max((sum(1 for other in moments if moment <= other < moment + 1) for moment in moments), default=0)


fates = st.sampled_from(["done", "ignored", "unanswered", "refused", "late"])
universes = st.sets(st.integers(0, 40)).map(lambda numbers: [STREAMS[number] for number in sorted(numbers)])


@given(st.lists(st.tuples(universes, st.floats(0.01, 25), st.sets(st.sampled_from(STREAMS[:40]))), min_size=1, max_size=5), st.lists(fates))
def test_whatever_is_lost_in_the_end_the_exchange_has_what_is_wanted(changes, first_fates):
    exchange = Exchange(changes[0][0], fates=first_fates)
    for wanted, seconds, renewed in [*changes, (changes[-1][0], 400, ())]:
        exchange.control.want(wanted)
        exchange.control.renew(renewed)
        end = exchange.now + seconds
        while exchange.now < end:
            try:
                exchange.run(end - exchange.now)
            except UnavailableError:
                exchange.connect(wanted)
    while exchange.fates or not exchange.control.is_settled:
        try:
            exchange.run(700)
        except UnavailableError:
            exchange.connect(changes[-1][0])
    assert set(changes[-1][0]) == exchange.subscribed.keys() == exchange.control.confirmed.keys()


@given(st.lists(fates, max_size=30), st.floats(1, 20))
def test_no_second_sees_more_than_four_frames_with_the_pongs_between_them(first_fates, first_ping):
    exchange = Exchange(STREAMS, fates=first_fates)
    answered = []
    for _ in range(3):
        try:
            exchange.run(first_ping)
        except UnavailableError:
            break
        exchange.control.pace.answered()
        answered.append(exchange.now)
    assert most_in_any_second(exchange.sent_at + answered) <= MOST_FRAMES
    assert exchange.control.pace.most <= MOST_FRAMES
    assert all(later - earlier >= 1 / 3 for earlier, later in pairwise(exchange.sent_at))


def test_the_pace_holds_our_frames_back_while_pongs_fill_the_second():
    now = 100.0
    pace = FramePace(lambda: now)
    pace.sent()
    for _ in range(3):
        pace.answered()
    assert pytest.approx(1.0) == pace.delay()
    now = 100.6
    assert pytest.approx(0.4) == pace.delay()
    now = 101.01
    assert 0 == pace.delay()
    assert 4 == pace.most
