"""The offset of the exchange's clock is that of its quickest answer, and a silent market is asked for its time."""

import asyncio
from datetime import timedelta

import pytest

from adapters.binance.rest import TimeSample
from adapters.candle_store import CandleStore
from domain.errors import UnavailableError
from feeder import exchange_clock
from feeder.exchange_clock import ExchangeClock
from feeder.intake import Intake
from feeder.statistics import FeederStatistics

T0 = 1_767_225_600_000


class Market:
    """The exchange's time, our clock, and answers that take as long as they are told to."""

    def __init__(self):
        self.now = 0.0
        self.ahead = 0.3
        self.speed = 1.0
        self.round_trips = [0.1]
        self.asked = 0
        self.is_away = False
        self.intake = Intake(CandleStore(), FeederStatistics(), self.clock)
        self.watch = ExchangeClock(self.intake, self.clock)

    def clock(self):
        return self.now

    async def server_time(self):
        """Half of the answer's time is wrongly taken for the way there: the slower, the further off."""
        self.asked += 1
        if self.is_away:
            raise UnavailableError("away")
        took = self.round_trips[self.asked % len(self.round_trips)]
        told = T0 + round(1000 * self.now * self.speed)
        return TimeSample(told, self.ahead + self.now * (self.speed - 1) + took / 4, took)

    async def after(self, seconds, *, silent=False):
        """What is asked when the clock is looked at so much later."""
        before = self.asked
        self.now += seconds
        if not silent:
            self.intake.receive(b"[]")
        await self.watch.look(self)
        return self.asked - before


@pytest.fixture
def market():
    return Market()


async def test_the_quickest_of_five_answers_counts(market):
    market.round_trips = [2.0, 0.4, 1.0, 0.2, 3.0]
    assert market.watch.offset is None
    assert market.watch.round_trip is None
    assert 5 == await market.after(0)
    assert timedelta(seconds=0.35) == market.watch.offset
    assert timedelta(seconds=0.2) == market.watch.round_trip


async def test_it_is_measured_anew_every_ten_minutes_and_looked_at_once_a_minute(market):
    asked = [await market.after(seconds) for seconds in (0, 30, 30, 30, 30)]
    assert [5, 0, 1, 0, 1] == asked
    assert 5 == await market.after(480)


async def test_it_is_measured_anew_when_an_answer_disagrees_by_more_than_a_second(market):
    await market.after(0)
    market.ahead += 0.9
    assert 1 == await market.after(60)
    market.ahead += 0.2
    assert 6 == await market.after(60)
    assert timedelta(seconds=1.425) == market.watch.offset


async def test_while_the_streams_are_silent_the_market_is_asked_for_its_time_at_every_look(market):
    await market.after(0)
    assert [0, 0, 1, 1, 1] == [await market.after(2, silent=True) for _ in range(5)]
    assert T0 + 10_000 == market.intake.as_of
    assert 0 == await market.after(2)


async def test_the_time_of_a_market_that_runs_faster_is_its_own(market):
    market.speed = 60.0
    await market.after(0)
    for _ in range(4):
        await market.after(2, silent=True)
    assert T0 + 8_000 * 60 == market.intake.as_of


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - it waits for whatever it is told
            await asyncio.sleep(0)


async def test_an_exchange_that_does_not_answer_is_asked_again(market, monkeypatch):
    monkeypatch.setattr(exchange_clock, "LOOK_SECONDS", 0.001)
    market.is_away = True
    following = asyncio.create_task(market.watch.follow(market))
    await until(lambda: market.asked >= 3)
    market.is_away = False
    await until(lambda: market.watch.offset is not None)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert T0 == market.intake.as_of
