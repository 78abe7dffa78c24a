"""A trader's health is what it evaluated against what has closed, not whether its processes live."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.supabase.executions import RecordedEvaluation
from adapters.supabase.traders import TraderVersion
from api.deployments import TraderStanding
from cli.health import Health, State, health_of
from domain.filters import FailureKind, FilterFailure, Trigger
from domain.market import Interval, Market
from domain.traders import TraderStatus
from tests.unit.cli.test_trader_views import REPORT, SETTINGS, STORED

FAILURE = FilterFailure(kind=FailureKind.RUNTIME, message="x is undefined", line=2, symbol="BTCUSDT", symbols=3)
NOW = datetime(2026, 11, 22, 15, 42, 1, tzinfo=UTC)
MINUTE = replace(SETTINGS, filter=replace(SETTINGS.filter, interval=Interval.M1))
VERSION = TraderVersion(version=2, settings=MINUTE, created_at=NOW - timedelta(days=2), deployed_at=NOW - timedelta(days=1))
REPORTED = replace(REPORT, version=2, since=NOW - timedelta(hours=5))


@dataclass(frozen=True)
class Feed:
    as_of: datetime | None = NOW
    age: timedelta = timedelta(seconds=0.2)


def evaluation(candle: str, ago: float, **changes: object) -> RecordedEvaluation:
    """Of the candle that opened at this time of NOW's day, made so many seconds before NOW."""
    hour, minute = map(int, candle.split(":"))
    made = RecordedEvaluation(
        trader_version=2,
        started_at=NOW - timedelta(seconds=ago),
        duration=timedelta(milliseconds=3),
        outcome="evaluated",
        market=Market.BINANCE,
        symbols_processed=400,
        symbols_not_ready=0,
        signals_generated=0,
        candle_open_time=NOW.replace(hour=hour, minute=minute, second=0),
        candles=1,
        data_age=timedelta(milliseconds=200),
        error="",
    )
    return replace(made, **changes)


def standing(last: RecordedEvaluation | None, **changes: object) -> TraderStanding:
    return replace(TraderStanding(stored=STORED, report=REPORTED, running=VERSION, last_evaluation=last), **changes)


def of_interval(interval: Interval, trigger: Trigger = Trigger.CLOSE) -> TraderVersion:
    return replace(VERSION, settings=replace(MINUTE, filter=replace(MINUTE.filter, interval=interval, trigger=trigger)))


def said(last: RecordedEvaluation | None, *, feed: Feed | None = Feed(), **changes: object) -> str:
    return str(health_of(standing(last, **changes), feed, NOW))


def test_the_newest_closed_candle_evaluated_is_healthy() -> None:
    assert "healthy: evaluated candle 15:41 1.0 s ago" == said(evaluation("15:41", ago=1))


def test_a_candle_that_closed_a_moment_ago_is_waited_for() -> None:
    assert "waiting for the 15:41 candle" == said(evaluation("15:40", ago=60))


def test_an_hourly_trader_is_healthy_all_the_hour() -> None:
    assert "healthy: evaluated candle 14:00 42 min 0 s ago" == said(evaluation("14:00", ago=2520), running=of_interval(Interval.H1))


def test_an_hour_that_closed_and_was_not_evaluated_within_two_cadences_is_unhealthy() -> None:
    expected = "unhealthy: no evaluation for 1 candle, the last was 13:00 1 h 41 min ago"
    assert expected == said(evaluation("13:00", ago=6_100), running=of_interval(Interval.H1))


def test_a_trader_that_died_misses_candles() -> None:
    assert "unhealthy: no evaluation for 3 candles, the last was 15:38 3 min 0 s ago" == said(evaluation("15:38", ago=180))


@pytest.mark.parametrize(("ago", "state"), [(61.0, State.WAITING), (100.0, State.UNHEALTHY)])
def test_a_market_that_runs_sixty_times_faster_is_judged_by_what_our_clock_allows(ago: float, state: State) -> None:
    """An hour passes in a minute: 61 s after an evaluation a candle is one second overdue, 100 s after it forty seconds."""
    feed = Feed(as_of=NOW.replace(hour=10, minute=0, second=0) + timedelta(seconds=60 * ago))
    last = evaluation("09:00", ago=ago)
    assert state is health_of(standing(last, running=of_interval(Interval.H1)), feed, NOW).state


def test_a_feeder_that_is_away_or_a_market_that_is_silent_is_said() -> None:
    last = evaluation("15:41", ago=1)
    assert "unhealthy: the feeder does not answer, so no candle comes" == said(last, feed=None)
    assert "unhealthy: the feeder has no market data yet" == said(last, feed=Feed(as_of=None))
    silent = Feed(age=timedelta(seconds=40))
    assert "unhealthy: market data is stale, the exchange has sent nothing for 40 s" == said(last, feed=silent)


def test_a_filter_that_fails_is_named_until_it_evaluates_again() -> None:
    told = {"outcome": "failed", "candle_open_time": None, "error": "runtime: line 2: x is undefined"}
    failed = evaluation("15:41", ago=5, failures=(FAILURE,), **told)
    last = evaluation("15:40", ago=61)
    assert "unhealthy: its filter failed 5.0 s ago: runtime: line 2: x is undefined" == said(last, trouble=failed)
    assert said(last, trouble=replace(failed, failures=())).startswith("unhealthy: its filter could not be run 5.0 s ago: ")


def test_a_filter_that_fails_for_some_symbols_is_not_well_though_it_evaluates() -> None:
    partly = evaluation("15:41", ago=1, symbols_failed=3, failures=(FAILURE,))
    told = "runtime: line 2: x is undefined (BTCUSDT and 2 more); `cloudtrader trader errors` shows all"
    assert f"unhealthy: its filter failed for 3 of 400 symbols: {told}" == said(partly)


def test_stale_data_at_the_worker_is_told_only_where_a_candle_is_missing() -> None:
    stale = evaluation("15:41", ago=100, outcome="stale", candle_open_time=None)
    assert said(evaluation("15:38", ago=180), trouble=stale).endswith("; the worker saw stale market data 1 min 40 s ago")
    assert said(evaluation("14:00", ago=2520), trouble=stale, running=of_interval(Interval.H1)).startswith("healthy")


def test_before_the_first_evaluation_the_forming_candle_is_waited_for_but_not_for_ever() -> None:
    fresh = replace(REPORTED, since=NOW - timedelta(seconds=30))
    assert "waiting for the 15:42 candle" == said(None, report=fresh)
    assert "unhealthy: no evaluation since it began 5 h 0 min ago" == said(None)


def test_what_was_evaluated_before_a_pause_or_by_an_earlier_version_does_not_count() -> None:
    resumed = replace(REPORTED, since=NOW - timedelta(seconds=30))
    failed_before = evaluation("15:40", ago=90, outcome="failed", error="x")
    assert "waiting for the 15:42 candle" == said(evaluation("15:40", ago=100), report=resumed, trouble=failed_before)
    earlier = evaluation("15:41", ago=1, trader_version=1)
    assert "unhealthy: no evaluation since it began 5 h 0 min ago" == said(earlier)


def test_a_trader_of_the_forming_candle_is_judged_by_its_cadence() -> None:
    ticking = of_interval(Interval.H1, Trigger.TICK)
    assert "healthy: evaluated the forming candle 6.0 s ago" == said(evaluation("15:00", ago=6), running=ticking)
    assert "unhealthy: no evaluation for 30 s" == said(evaluation("15:00", ago=30), running=ticking)


def test_a_trader_nobody_wants_to_look_is_idle_and_one_in_error_is_not_well() -> None:
    paused = replace(REPORTED, status=TraderStatus.PAUSED)
    assert Health(state=State.IDLE, text="it is paused") == health_of(standing(None, report=paused), Feed(), NOW)
    never = replace(STORED, status=None)
    assert "idle: it is not deployed" == said(None, report=None, stored=never)
    broken = replace(REPORTED, status=TraderStatus.ERROR, reason="the filter failed three times")
    assert "unhealthy: in error: the filter failed three times" == said(None, report=broken)


def test_a_trader_that_should_run_and_cannot_be_asked_is_unhealthy_whatever_it_evaluated() -> None:
    running = replace(STORED, status=TraderStatus.RUNNING)
    assert "unhealthy: no worker answers" == said(
        evaluation("15:41", ago=1), report=None, why_no_report="no worker answers", stored=running, running=None
    )
