"""REST requests stay within 40 % of the declared weight, and stop when the exchange says so."""

import pytest

from adapters.binance.weight import WeightLimiter


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def spend(limiter, clock, weight, until):
    spent = 0
    while clock.now < until:
        if delay := limiter.delay(weight):
            clock.now += delay + 1e-6
        else:
            limiter._available -= weight  # what acquire does once it is due
            spent += weight
    return spent


def test_a_minute_takes_no_more_than_the_budget_and_its_burst(clock):
    limiter = WeightLimiter(6_000, clock)
    assert pytest.approx(spend(limiter, clock, 2, 60.0), abs=4) == 2_400 + 400
    assert pytest.approx(spend(limiter, clock, 2, 120.0), abs=4) == 2_400


def test_a_lower_limit_that_is_declared_counts_at_once(clock):
    limiter = WeightLimiter(6_000, clock)
    limiter.set_limit(600)
    assert pytest.approx(spend(limiter, clock, 2, 60.0), abs=4) == 240 + 40


def test_a_request_heavier_than_the_burst_is_let_through_once_in_a_while(clock):
    limiter = WeightLimiter(600, clock)
    assert limiter.delay(80) == 0
    limiter._available -= 80
    assert pytest.approx(limiter.delay(80)) == 20


def test_a_pause_stops_everything_for_its_time(clock):
    limiter = WeightLimiter(6_000, clock)
    limiter.pause(30)
    limiter.pause(10)
    assert limiter.delay(1) == 30


@pytest.mark.parametrize(("used", "expected"), [(4_200, 0.0), (4_201, 10.0)])
def test_requests_wait_when_others_behind_the_address_use_up_the_weight(clock, used, expected):
    limiter = WeightLimiter(6_000, clock)
    limiter.report(used)
    assert expected == limiter.delay(1)
