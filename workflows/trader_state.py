"""What a window's result does to a trader's state, and what the state says to people. Pure functions."""

from dataclasses import replace
from datetime import datetime

from temporalio.exceptions import ApplicationError

from activities.screening import WindowResult
from domain.filters import Trigger
from domain.screening import Match, Progress
from workflows.contracts import TraderConfig, TraderReport, TraderState

RECENT_SIGNALS = 5
KEPT_EVENTS = 8


def absorbed(state: TraderState, result: WindowResult) -> TraderState:
    """The state after a window whose signals are recorded."""
    counts, totals = result.counts, state.totals
    return replace(
        _with_condition(state, result),
        progress=result.progress,
        totals=replace(
            totals,
            ticks=totals.ticks + counts.ticks,
            evaluations=totals.evaluations + counts.evaluations,
            candles=totals.candles + counts.candles,
            missed_candles=totals.missed_candles + counts.missed_candles,
            dropped_matches=totals.dropped_matches + counts.dropped_matches,
            stale_ticks=totals.stale_ticks + counts.stale,
            failed_evaluations=totals.failed_evaluations + counts.failed,
            evaluations_failed_in_part=totals.evaluations_failed_in_part + counts.failed_in_part,
        ),
        conditions=result.conditions or state.conditions,
        last_tick=result.last_tick or state.last_tick,
        last_candle=result.newest_candle or state.last_candle,
        as_of=result.as_of or state.as_of,
        data_age=result.data_age,
        market=result.market,
        symbols=counts.symbols or state.symbols,
        not_ready=counts.not_ready if counts.symbols else state.not_ready,
        symbols_stale=result.symbols_stale,
        stale_symbols=result.stale_symbols,
        stale_since=(state.stale_since or result.last_tick) if result.symbols_stale else None,
    )


def _with_condition(state: TraderState, result: WindowResult) -> TraderState:
    """The state with the filter's condition. A window that evaluated nothing says nothing of it."""
    if not result.counts.evaluations and not result.counts.failed:
        return state
    is_same = state.condition and result.condition and state.condition.code == result.condition.code
    began = result.last_tick if result.condition else None
    return replace(
        state,
        condition=result.condition,
        condition_since=state.condition_since if is_same else began,
        symbols_failed=result.counts.symbols_failed,
        failures=result.failures,
        failures_in_a_row=result.failures_in_a_row,
    )


def forgiven(state: TraderState) -> TraderState:
    """The state of a trader that looks anew: how its filter did before no longer counts."""
    return replace(state, condition=None, condition_since=None, symbols_failed=0, failures=(), failures_in_a_row=0)


def with_signals(state: TraderState, matches: list[Match]) -> TraderState:
    """The state after these matches became signals."""
    lines = (*state.recent_signals, *(_line_of(match) for match in matches))
    return replace(state, totals=replace(state.totals, signals=state.totals.signals + len(matches)), recent_signals=lines[-RECENT_SIGNALS:])


def with_event(state: TraderState, moment: datetime, what: str) -> TraderState:
    """The state with one more thing out of the ordinary."""
    return replace(state, events=(*state.events, f"{clock(moment)} {what}")[-KEPT_EVENTS:])


def oddities_of(result: WindowResult) -> list[str]:
    """What a window's owner should hear of."""
    counts = result.counts
    said = {
        f"market data was stale on {counts.stale} of {counts.ticks} ticks": counts.stale,
        f"caught up: {counts.candles} candles": counts.candles > counts.evaluations + 1,
        f"{counts.missed_candles} candles were missed: the outage was longer than the history kept": counts.missed_candles,
        f"{counts.failed} evaluations failed: {said_of(result)}": counts.failed,
        f"{counts.failed_in_part} evaluations failed for some symbols: {said_of(result)}": counts.failed_in_part,
    }
    return [what for what, happened in said.items() if happened]


def said_of(result: WindowResult) -> str:
    """What its last evaluation says of the filter."""
    return result.condition.message if result.condition else "the last one was good"


def rebased(progress: Progress, trigger: Trigger) -> Progress:
    """Where a new version begins: the last evaluated candle is its baseline, so that no later candle is lost to it."""
    if progress.evaluated is None or trigger is not Trigger.CLOSE:
        return Progress()
    return Progress(baseline=progress.evaluated, evaluated=progress.evaluated - 1)


def refuse_takeover(running: TraderConfig, config: TraderConfig) -> None:
    """Raise unless `config` may replace what runs."""
    settings, limits = config.settings, config.limits
    if (config.trader_id, config.user_id) != (running.trader_id, running.user_id):
        raise ApplicationError("These settings belong to another trader.", type="RefusedError")
    if config.version < running.version:
        raise ApplicationError(
            f"Version {config.version} is older than version {running.version}, which runs. Load the trader again.", type="RefusedError"
        )
    if settings.cadence < limits.fastest_cadence:
        raise ApplicationError(
            f"A cadence of {settings.cadence.total_seconds():g} s is faster than tier {config.tier} allows "
            f"({limits.fastest_cadence.total_seconds():g} s).",
            type="LimitReachedError",
        )
    if limits.max_symbols is not None and len(settings.symbols) > limits.max_symbols:
        raise ApplicationError(
            f"Tier {config.tier} allows {limits.max_symbols} symbols, the trader names {len(settings.symbols)}.", type="LimitReachedError"
        )


def report_of(config: TraderConfig, state: TraderState) -> TraderReport:
    """The answer to the `status` query."""
    baseline = state.progress.baseline
    return TraderReport(
        trader_id=config.trader_id,
        name=config.name,
        version=config.version,
        tier=config.tier,
        status=state.status,
        reason=state.reason,
        since=state.since,
        matching=state.progress.matching,
        conditions=state.conditions,
        totals=state.totals,
        last_tick=state.last_tick,
        last_candle=state.last_candle,
        as_of=state.as_of,
        data_age=state.data_age,
        market=state.market,
        symbols=state.symbols,
        not_ready=state.not_ready,
        baseline_candle=None if baseline is None else config.settings.filter.interval.open_time(baseline),
        recent_signals=state.recent_signals,
        events=state.events,
        open_monitors=len(state.open_monitors),
        symbols_stale=state.symbols_stale,
        stale_symbols=state.stale_symbols,
        stale_since=state.stale_since,
        condition=state.condition,
        condition_since=state.condition_since,
        symbols_failed=state.symbols_failed,
        failures=state.failures,
    )


def clock(moment: datetime) -> str:
    """A moment as operators read it, UTC."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _line_of(match: Match) -> str:
    late = " (late)" if match.late else ""
    return f"{clock(match.candle_open_time)} {match.symbol} at {match.price:f}{late} {' · '.join(match.conditions)}".rstrip()
