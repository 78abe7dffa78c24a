"""Whether a trader does its work, in one line: a trader whose machine is well and which evaluates nothing is not healthy."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from adapters.supabase.executions import RecordedEvaluation
from api.deployments import TraderStanding
from cli.output import duration
from domain.filters import Trigger
from domain.market import Interval
from domain.tiers import LIMITS
from domain.traders import TraderSettings, TraderStatus
from workflows.contracts import TraderReport

ALLOWANCE = timedelta(seconds=10)
"""For a candle to be confirmed, evaluated and committed, beside two cadences of the trader."""


class State(StrEnum):
    """How a trader is."""

    HEALTHY = "healthy"
    WAITING = "waiting"
    UNHEALTHY = "unhealthy"
    IDLE = "idle"
    """Nobody wants it to look."""


@dataclass(frozen=True, kw_only=True)
class Health:
    """How a trader is, and why."""

    state: State
    text: str

    def __str__(self) -> str:
        separator = " " if self.state is State.WAITING else ": "
        return f"{self.state}{separator}{self.text}"


class MarketNow(Protocol):
    """What the feeder says of its market."""

    @property
    def as_of(self) -> datetime | None:
        """The exchange's clock, which may run faster than ours."""

    @property
    def age(self) -> timedelta:
        """How long the exchange has sent nothing."""


def health_of(standing: TraderStanding, market: MarketNow | None, now: datetime) -> Health:
    """Judge by what must have happened by `now` (UTC). `market` is `None` where the feeder does not answer."""
    report, stored = standing.report, standing.stored
    status = report.status if report else stored.status
    if status is TraderStatus.ERROR:
        return _unhealthy(f"in error: {report.reason if report else stored.status_reason}")
    if status not in (TraderStatus.STARTING, TraderStatus.RUNNING):
        return Health(state=State.IDLE, text=f"it is {status or 'not deployed'}")
    if report is None:
        return _unhealthy(standing.why_no_report)
    if problem := _problem_of_market(market, LIMITS[report.tier].stale_after):
        return _unhealthy(problem)
    assert market is not None
    assert market.as_of is not None
    return _of_running(standing, report, market.as_of, now)


def _problem_of_market(market: MarketNow | None, stale_after: timedelta) -> str:
    if market is None:
        return "the feeder does not answer, so no candle comes"
    if market.as_of is None:
        return "the feeder has no market data yet"
    return f"market data is stale, the exchange has sent nothing for {duration(market.age)}" if market.age > stale_after else ""


def _of_running(standing: TraderStanding, report: TraderReport, as_of: datetime, now: datetime) -> Health:
    running = standing.running
    if running is None or running.settings is None:
        return _unhealthy(running.problem if running else f"version {report.version}, which runs, is not stored")
    began = max((moment for moment in (report.since, running.deployed_at) if moment), default=now)
    trouble, last = (_since(began, row, report.version) for row in (standing.trouble, standing.last_evaluation))
    if trouble is not None and trouble.error:
        what = "its filter failed" if trouble.failures else "its filter could not be run"
        return _unhealthy(f"{what} {duration(now - trouble.started_at)} ago: {trouble.error}")
    if last is not None and last.failures:
        told = f"{last.failures[0]}; `cloudtrader trader errors` shows all"
        return _unhealthy(f"its filter failed for {last.symbols_failed} of {last.symbols_processed} symbols: {told}")
    if last is None or last.candle_open_time is None:
        return _before_the_first(running.settings, began, as_of, now)
    if running.settings.filter.trigger is Trigger.TICK:
        return _of_ticks(running.settings, last, now)
    health = _of_candles(running.settings, last, last.candle_open_time, as_of, now)
    if trouble is not None and health.state is State.UNHEALTHY:
        return _unhealthy(f"{health.text}; the worker saw stale market data {duration(now - trouble.started_at)} ago")
    return health


def _since(began: datetime, row: RecordedEvaluation | None, version: int) -> RecordedEvaluation | None:
    """The row, unless it tells of an earlier version or of the time before a pause. The clocks of two machines may differ a little."""
    return row if row and row.trader_version == version and row.started_at >= began - ALLOWANCE else None


def _before_the_first(settings: TraderSettings, began: datetime, as_of: datetime, now: datetime) -> Health:
    interval = settings.filter.interval
    if now - began > interval.duration + _patience(settings):
        return _unhealthy(f"no evaluation since it began {duration(now - began)} ago")
    return _waiting(interval, interval.index_at(as_of))


def _of_ticks(settings: TraderSettings, last: RecordedEvaluation, now: datetime) -> Health:
    since = now - last.started_at
    if since > _patience(settings):
        return _unhealthy(f"no evaluation for {duration(since)}")
    return Health(state=State.HEALTHY, text=f"evaluated the forming candle {duration(since)} ago")


def _of_candles(settings: TraderSettings, last: RecordedEvaluation, candle: datetime, as_of: datetime, now: datetime) -> Health:
    """Every candle that has closed must have been evaluated, but for those that closed a moment ago."""
    interval = settings.filter.interval
    evaluated = interval.index_at(candle)
    missing = interval.index_at(as_of) - 1 - evaluated
    since = now - last.started_at
    if missing <= 0:
        return Health(state=State.HEALTHY, text=f"evaluated candle {_named(interval, evaluated)} {duration(since)} ago")
    # The market may run faster than our clock, so what is overdue is scaled by how far each went since the last evaluation.
    market_since = as_of - interval.close_time(evaluated)
    overdue = since * ((market_since - interval.duration) / market_since)
    if overdue <= _patience(settings):
        return _waiting(interval, evaluated + 1)
    candles = "candle" if missing == 1 else "candles"
    return _unhealthy(f"no evaluation for {missing} {candles}, the last was {_named(interval, evaluated)} {duration(since)} ago")


def _patience(settings: TraderSettings) -> timedelta:
    return 2 * settings.cadence + ALLOWANCE


def _waiting(interval: Interval, index: int) -> Health:
    return Health(state=State.WAITING, text=f"for the {_named(interval, index)} candle")


def _named(interval: Interval, index: int) -> str:
    return f"{interval.open_time(index):{'%Y-%m-%d' if interval is Interval.D1 else '%H:%M'}}"


def _unhealthy(text: str) -> Health:
    return Health(state=State.UNHEALTHY, text=text)
