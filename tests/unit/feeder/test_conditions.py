"""Conditions are levels: told once when they begin, held with their beginning, told once when they end."""

import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from feeder.conditions import Condition, Conditions, Facts
from tests.unit.feeder.clock import Clock

WELL = Facts(
    silence=timedelta(seconds=1),
    minutes=400,
    minutes_behind=0,
    refusal="",
    connections=3,
    connections_open=3,
    histories=2400,
    histories_without_past=0,
    remaining=timedelta(),
    clock_offset=timedelta(milliseconds=40),
)
SILENT = replace(WELL, silence=timedelta(seconds=16))
MOSTLY_BEHIND = replace(WELL, minutes_behind=201)


class Watched:
    """Conditions and the clock they go by."""

    def __init__(self) -> None:
        self.clock = Clock(1_000.0)
        self.conditions = Conditions(self.clock)

    def after(self, seconds: float, facts: Facts) -> list[Condition]:
        """What holds when that is so, so many seconds later."""
        self.clock.now += seconds
        self.conditions.examine(facts)
        return [holding.condition for holding in self.conditions.holding]

    @property
    def message(self) -> str:
        return self.conditions.holding[0].message


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_market_that_is_well_has_no_condition(watched: Watched) -> None:
    assert [] == watched.after(0, WELL)
    assert watched.conditions.is_healthy


def test_an_exchange_that_sends_nothing_is_a_stalled_market_at_once(watched: Watched) -> None:
    assert [] == watched.after(0, replace(WELL, silence=timedelta(seconds=15)))
    assert [Condition.MARKET_STALLED] == watched.after(1, SILENT)
    assert not watched.conditions.is_healthy


def test_most_symbols_without_their_minutes_are_a_stalled_market_once_that_has_lasted(watched: Watched) -> None:
    assert [] == watched.after(0, MOSTLY_BEHIND)
    assert [] == watched.after(14, MOSTLY_BEHIND)
    assert [Condition.MARKET_STALLED] == watched.after(1, MOSTLY_BEHIND)
    assert "201 of 400 symbols lack 1m candles" in watched.message


def test_candles_that_are_on_their_way_at_each_minute_are_no_stall(watched: Watched) -> None:
    for _ in range(10):
        assert [] == watched.after(10, MOSTLY_BEHIND)
        assert [] == watched.after(1, WELL)


def test_half_of_the_symbols_are_not_most(watched: Watched) -> None:
    watched.after(0, replace(WELL, minutes_behind=200))
    assert [] == watched.after(60, replace(WELL, minutes_behind=200))


def test_before_any_history_is_known_nothing_can_be_behind(watched: Watched) -> None:
    watched.after(0, replace(WELL, minutes=0))
    assert [] == watched.after(60, replace(WELL, minutes=0))


def test_a_connection_that_is_replaced_within_seconds_is_not_worth_telling(watched: Watched) -> None:
    down = replace(WELL, connections_open=2)
    assert [] == watched.after(0, down)
    assert [] == watched.after(9, down)
    assert [Condition.CONNECTIONS_DOWN] == watched.after(1, down)
    assert "1 of 3 connections to the exchange are not open" == watched.message
    assert [] == watched.after(1, WELL)


def test_a_refusal_of_the_exchange_says_until_when(watched: Watched) -> None:
    refused = replace(WELL, refusal="the exchange answered 418; nobody asks it before 12:04:00 UTC")

    assert [Condition.EXCHANGE_PAUSED_US] == watched.after(0, refused)
    assert refused.refusal == watched.message
    assert not watched.conditions.is_healthy


def test_a_backfill_shows_its_progress_and_is_not_unhealthy(watched: Watched) -> None:
    watched.after(0, replace(WELL, histories_without_past=2400, remaining=None))
    assert [Condition.HISTORIES_INCOMPLETE] == watched.after(2, replace(WELL, histories_without_past=2400, remaining=None))
    since = watched.conditions.holding[0].since
    assert "2400 of 2400 histories are still to be fetched" == watched.message

    watched.after(30, replace(WELL, histories_without_past=600, remaining=timedelta(seconds=30)))
    assert "600 of 2400 histories are still to be fetched, about 30 s left" == watched.message
    assert since == watched.conditions.holding[0].since
    assert watched.conditions.is_healthy


@pytest.mark.parametrize(
    ("offset", "told"), [(timedelta(seconds=1.3), "1.3 s ahead of ours"), (timedelta(seconds=-2), "2.0 s behind ours")]
)
def test_a_clock_that_is_off_is_only_a_warning(watched: Watched, offset: timedelta, told: str) -> None:
    skewed = replace(WELL, clock_offset=offset)
    watched.after(0, skewed)

    assert [Condition.CLOCK_SKEWED] == watched.after(10, skewed)
    assert f"the exchange's clock is {told}" == watched.message
    assert watched.conditions.is_healthy


def test_a_market_with_a_time_of_its_own_has_no_skew(watched: Watched) -> None:
    watched.after(0, replace(WELL, clock_offset=None))
    assert [] == watched.after(60, replace(WELL, clock_offset=None))


def test_what_is_gravest_comes_first(watched: Watched) -> None:
    bad = replace(SILENT, connections_open=0, clock_offset=timedelta(seconds=5))
    watched.after(0, bad)

    assert [Condition.MARKET_STALLED, Condition.CONNECTIONS_DOWN, Condition.CLOCK_SKEWED] == watched.after(60, bad)


def test_an_outage_is_one_line_when_it_begins_and_one_when_it_ends(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for second in range(300):
            watched.after(1, replace(SILENT, silence=timedelta(seconds=16 + second)))
        watched.after(1, MOSTLY_BEHIND)
        watched.after(1, WELL)

    begun, ended = caplog.records
    assert (logging.WARNING, logging.INFO) == (begun.levelno, ended.levelno)
    assert "market_stalled: the exchange has sent nothing" in begun.getMessage()
    assert "market_stalled has ended" in ended.getMessage()


def test_a_stall_whose_cause_changes_goes_on(watched: Watched) -> None:
    watched.after(0, SILENT)
    since = watched.conditions.holding[0].since

    assert [Condition.MARKET_STALLED] == watched.after(1, MOSTLY_BEHIND)
    assert since == watched.conditions.holding[0].since
    assert "lack 1m candles" in watched.message
