"""The trader's story in markdown: what the Temporal Web UI shows an operator."""

from datetime import datetime

from workflows.contracts import TraderConfig, TraderState

SHOWN_SYMBOLS = 12


def summary_of(config: TraderConfig) -> str:
    """One line for lists."""
    rule, cadence = config.settings.filter, config.settings.cadence
    return f"{config.name} · {config.tier} · {rule.interval} {rule.trigger} every {_seconds(cadence.total_seconds())}"


def story_of(config: TraderConfig, state: TraderState) -> str:
    """Everything an operator asks first, on one page."""
    parts = [
        f"## {state.status}{f' — {state.reason}' if state.reason else ''}",
        f"{summary_of(config)} · version {config.version} · {config.mode}" + (f" · since {_moment(state.since)}" if state.since else ""),
        _market(state),
        f"**Matching now ({len(state.progress.matching)})**: {_some(state.progress.matching)}",
    ]
    if state.conditions:
        parts.append("**Conditions**: " + " · ".join(f"{label}: {count}" for label, count in state.conditions.items()))
    parts.append(_totals(state))
    if state.recent_signals:
        parts.append("**Last signals**\n\n" + "\n".join(f"- {line}" for line in state.recent_signals))
    if state.events:
        parts.append("**What happened**\n\n" + "\n".join(f"- {line}" for line in state.events))
    return "\n\n".join(parts)


def _market(state: TraderState) -> str:
    if state.last_tick is None:
        return "No tick yet."
    candle = f" · last candle {_moment(state.last_candle)}" if state.last_candle else ""
    return (
        f"Last tick {_moment(state.last_tick)}{candle} · market {state.market or 'unknown'} as of {_moment(state.as_of)} · "
        f"data {_seconds(state.data_age.total_seconds())} old · {state.symbols} symbols, {state.not_ready} not ready"
    )


def _totals(state: TraderState) -> str:
    totals = state.totals
    return (
        f"**Totals**: {totals.signals} signals · {totals.evaluations} evaluations of {totals.candles} candles · {totals.ticks} ticks · "
        f"{totals.windows} windows · {totals.missed_candles} candles missed · {totals.dropped_matches} matches over the limit · "
        f"{totals.stale_ticks} stale ticks · {totals.failed_evaluations} failures · {len(state.open_monitors)} open monitors"
    )


def _some(symbols: tuple[str, ...]) -> str:
    more = len(symbols) - SHOWN_SYMBOLS
    return (", ".join(symbols[:SHOWN_SYMBOLS]) or "none") + (f" and {more} more" if more > 0 else "")


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "never"


def _seconds(seconds: float) -> str:
    return f"{seconds:.3g} s"
