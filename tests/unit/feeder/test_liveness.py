"""A stream counts as silent when its symbol trades and it says nothing, however little that is; remedies come one after the other."""

from datetime import timedelta

import numpy as np
import pytest

from adapters.candle_store import CANDLE, INTERVAL_CODES
from domain.market import Interval
from feeder.liveness import Remedies, Remedy, StreamLiveness

LIMIT = timedelta(seconds=90)
M1, M5 = INTERVAL_CODES[Interval.M1], INTERVAL_CODES[Interval.M5]
ALL = range(len(Interval))
MINUTE = 60_000
NOON = 1_000_000 * MINUTE


class Market:
    """Two symbols whose streams are heard second by second, but for those that are muted; scanned every five seconds."""

    def __init__(self):
        self.now = 1_000.0
        self.liveness = StreamLiveness(lambda: self.now)
        self.silent = []

    def run(self, seconds, *, muted=(), quiet=()):
        for _ in range(seconds):
            self.now += 1
            for row in {0, 1} - {*quiet}:
                for code in ALL:
                    if (row, code) not in muted:
                        self.liveness.heard(row, code, self.now, self.event_time, traded=True)
            if self.now % 5 == 0:
                self.silent = self.liveness.silent(LIMIT)

    @property
    def event_time(self):
        return NOON + int(1000 * (self.now - 1_000))

    def repair(self, row, *, trades):
        """REST tells of the one-minute candle that closed last."""
        closed = np.zeros(1, CANDLE)
        closed["index"], closed["trades"] = self.event_time // MINUTE - 1, trades
        self.liveness.repaired(row, Interval.M1, closed, self.event_time)


@pytest.fixture
def market():
    market = Market()
    market.run(100)
    return market


def test_streams_that_speak_are_not_silent(market):
    assert [] == market.silent


def test_one_stream_that_says_nothing_while_its_symbol_trades_is_silent_after_ninety_seconds(market):
    market.run(89, muted={(1, M5)})
    assert [] == market.silent
    market.run(6, muted={(1, M5)})
    assert [(1, M5)] == market.silent


def test_a_stream_that_speaks_again_is_no_longer_silent(market):
    market.run(100, muted={(1, M5)})
    market.run(5)
    assert [] == market.silent


def test_a_symbol_that_does_not_trade_is_not_silent_nor_when_its_first_trade_reaches_one_stream_before_another(market):
    market.run(3_600, quiet={0})
    assert [] == market.silent
    market.liveness.heard(0, M1, market.now, market.event_time, traded=True)
    assert [] == market.liveness.silent(LIMIT)
    market.now += 3
    market.liveness.heard(0, M5, market.now, market.event_time, traded=True)
    assert [] == [stream for stream in market.liveness.silent(LIMIT) if stream in ((0, M1), (0, M5))]


def test_a_closed_candle_without_trades_proves_nothing(market):
    market.run(100, quiet={0})
    for _ in range(30):
        market.liveness.heard(0, M1, market.now, market.event_time, traded=False)
        market.run(5, quiet={0})
    assert [] == market.silent


@pytest.mark.parametrize(("trades", "expected"), [(3, [(0, code) for code in ALL]), (0, [])])
def test_candles_from_rest_prove_that_a_whole_symbol_is_silent_only_if_they_had_trades(market, trades, expected):
    market.run(130, quiet={0})
    market.repair(0, trades=trades)
    market.run(20, quiet={0})
    assert expected == market.silent


def test_a_candle_from_rest_that_had_begun_when_the_stream_was_last_heard_proves_nothing(market):
    market.run(20, quiet={0})
    market.repair(0, trades=3)
    market.run(200, quiet={0})
    assert [] == market.silent


def test_the_past_of_a_symbol_that_was_never_heard_proves_nothing():
    market = Market()
    for _ in range(3):
        market.repair(0, trades=3)
    market.run(200, quiet={0})
    assert [] == market.silent


def test_a_symbol_that_was_never_heard_is_silent_once_rest_shows_that_it_trades():
    market = Market()
    market.repair(0, trades=3)
    market.run(150, quiet={0})
    market.repair(0, trades=3)
    market.run(20, quiet={0})
    assert [(0, code) for code in ALL] == market.silent


def test_a_silent_stream_is_subscribed_anew_once_and_then_its_connection_goes():
    now = 0.0
    remedies = Remedies(LIMIT, lambda: now)
    decisions = []
    for moment in (60, 91, 96, 180, 182):
        now = moment
        decisions.append(remedies.decide(["a"]))
    nothing = Remedy([], replace=False)
    assert [nothing, Remedy(["a"], replace=False), nothing, nothing, Remedy([], replace=True)] == decisions


def test_a_stream_that_spoke_in_between_begins_anew():
    now = 0.0
    remedies = Remedies(LIMIT, lambda: now)
    decisions = []
    for moment, silent in ((91, ["a"]), (100, []), (181, ["a"]), (190, ["a", "b"])):
        now = moment
        decisions.append(remedies.decide(silent))
    assert [["a"], [], ["a"], ["b"]] == [decision.renew for decision in decisions]
    assert not any(decision.replace for decision in decisions)
