"""REST requests stay within a share of the declared weight, pressing ones are not held up, and all stop when the exchange says so."""

import asyncio
from datetime import UTC, datetime

import pytest

from adapters.binance.weight import Lane, WeightLimiter
from tests.unit.feeder.clock import Clock

BEGAN = 1_767_225_600.0  # a full minute


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def limiter(clock):
    return WeightLimiter(6_000, clock, lambda: BEGAN + clock.now)


def spend(limiter, clock, weight, until, *lanes):
    """Spend as much as each lane lets through, the lanes in turn; the weight spent per lane."""
    spent = dict.fromkeys(lanes, 0)
    while clock.now < until:
        due = [lane for lane in lanes if limiter.delay(weight, lane) == 0]
        for lane in due:
            if limiter.delay(weight, lane) == 0:
                limiter._spend(weight, lane)  # what acquire does once it is due
                spent[lane] += weight
        clock.now += 0 if due else 0.01
    return spent


@pytest.mark.parametrize(("lanes", "most"), [([Lane.BACKFILL], 2_400), ([Lane.URGENT], 3_000), ([Lane.URGENT, Lane.BACKFILL], 3_000)])
def test_any_minute_takes_no_more_than_the_budget_and_nearly_all_of_it(limiter, clock, lanes, most):
    for minute in (60.0, 120.0):
        spent = sum(spend(limiter, clock, 2, minute, *lanes).values())
        assert most * 0.95 <= spent <= most


async def test_pressing_requests_go_first_and_backfill_still_gets_its_turn(limiter, clock, monkeypatch):
    """A hundred of each ask at once: a flood of pressing requests leaves backfill about one request a second."""
    order = []
    sleep = asyncio.sleep

    async def pass_time(seconds):
        if asyncio.current_task() not in asking:  # other tests' tasks live on the same loop
            return await sleep(seconds)
        clock.now += max(seconds, 0.001)
        return await sleep(0)

    async def ask(lane):
        await limiter.acquire(20, lane)
        order.append(lane)

    monkeypatch.setattr(asyncio, "sleep", pass_time)
    asking = [asyncio.create_task(ask(lane)) for lane in (Lane.BACKFILL, Lane.URGENT) for _ in range(100)]
    await asyncio.gather(*asking)
    first = order[: order.index(Lane.URGENT, 99)]
    assert first.count(Lane.BACKFILL) < 40
    rest = order[10 : 1 + max(place for place, lane in enumerate(order) if lane is Lane.URGENT)]
    assert 10 < rest.count(Lane.BACKFILL) < 0.7 * rest.count(Lane.URGENT)


def test_a_pressing_request_goes_at_once_while_backfill_waits(limiter, clock):
    spend(limiter, clock, 2, 30.0, Lane.BACKFILL)
    limiter._spend(2, Lane.BACKFILL)
    assert limiter.delay(2, Lane.BACKFILL) > 0
    assert limiter.delay(20, Lane.URGENT) == 0


def test_a_lower_limit_that_is_declared_counts_at_once(limiter, clock):
    limiter.set_limit(600)
    assert spend(limiter, clock, 2, 60.0, Lane.BACKFILL)[Lane.BACKFILL] <= 240


def test_a_request_heavier_than_the_burst_is_let_through_once_in_a_while(clock):
    limiter = WeightLimiter(600, clock)
    assert limiter.delay(80, Lane.URGENT) == 0
    limiter._spend(80, Lane.URGENT)
    assert pytest.approx(16.5, abs=0.1) == limiter.delay(80, Lane.URGENT)


@pytest.mark.parametrize(("used", "backfill", "urgent"), [(2_999, 0, 0), (3_000, 40, 0), (4_799, 40, 0), (4_800, 40, 40)])
def test_what_the_whole_address_used_stops_a_lane_until_the_exchanges_minute_ends(limiter, clock, used, backfill, urgent):
    limiter.report(used, BEGAN + 20)
    assert (backfill, urgent) == (limiter.delay(2, Lane.BACKFILL), limiter.delay(2, Lane.URGENT))
    clock.now = 40.0
    assert (0, 0) == (limiter.delay(2, Lane.BACKFILL), limiter.delay(2, Lane.URGENT))


def test_a_refusal_stops_everything_for_its_time(limiter):
    limiter.refuse(30, "429")
    limiter.refuse(10, "429")
    assert {30} == {limiter.delay(1, lane) for lane in Lane}


def test_after_a_refusal_one_request_goes_alone_and_when_it_is_answered_all_may_go(limiter, clock):
    limiter.refuse(30, "429")
    clock.now = 30.0
    limiter.allow()  # one that was under way when the exchange refused
    assert limiter.delay(1, Lane.BACKFILL) == 0
    limiter._spend(1, Lane.BACKFILL)
    assert limiter.delay(1, Lane.URGENT) == 10
    limiter.allow()
    assert limiter.delay(1, Lane.URGENT) == 0
    limiter._spend(1, Lane.URGENT)
    assert limiter.delay(1, Lane.URGENT) == 0


def test_when_nothing_comes_of_the_one_request_another_goes(limiter, clock):
    limiter.refuse(30, "429")
    clock.now = 30.0
    limiter._spend(1, Lane.URGENT)
    clock.now = 40.0
    assert limiter.delay(1, Lane.URGENT) == 0
    limiter._spend(1, Lane.URGENT)
    assert limiter.delay(1, Lane.URGENT) == 10


def test_an_exchange_that_refuses_again_and_again_is_asked_ever_more_rarely(limiter, clock):
    pauses = []
    for _ in range(14):
        pauses.append(limiter.refuse(1, "429"))
        limiter.refuse(1, "429")  # a second one was under way
        clock.now += pauses[-1]
        limiter._spend(1, Lane.URGENT)
    assert [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300, 300] == pauses
    limiter.allow()
    assert limiter.refuse(1, "429") == 1


def test_the_longest_ban_there_is_counts_in_full_and_nonsense_no_longer(limiter):
    assert limiter.refuse(259_200, "418") == 259_200
    assert WeightLimiter().refuse(1e300, "418") == 259_200


def test_the_state_tells_what_is_used_and_until_when_and_why_all_wait(limiter, clock):
    limiter.report(1_234, BEGAN + 50)
    assert (6_000, 1_234, None, "") == read(limiter)
    limiter.report(3_100, BEGAN + 50)
    assert (6_000, 3_100, at(10), "3100 of 6000 weight is used in this minute") == read(limiter)
    limiter.refuse(60, "the exchange answered 429")
    assert (6_000, 3_100, at(60), "the exchange answered 429") == read(limiter)
    clock.now = 10.0
    assert read(limiter)[1] == 0
    clock.now = 60.0
    assert (6_000, 0, None, "") == read(limiter)


def at(seconds):
    return datetime.fromtimestamp(BEGAN + seconds, UTC)


def read(limiter):
    state = limiter.state()
    return state.limit, state.used, state.paused_until, state.reason
