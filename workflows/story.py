"""The trader's story in markdown: what the Temporal Web UI shows an operator."""

import re
from datetime import datetime

from domain.filters import Language
from workflows.contracts import TraderConfig, TraderState

SHOWN_SYMBOLS = 12
SYNTAX = {Language.EXPRESSION: "python", Language.JAVASCRIPT: "javascript", Language.GO: "go"}


def summary_of(config: TraderConfig) -> str:
    """One line for lists."""
    return f"{config.name} · {config.tier} · {_rule(config)}"


def details_of(config: TraderConfig) -> str:
    """What the trader looks for."""
    rule = config.settings.filter
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", rule.code)), default=0))
    return f"**Filter**\n\n{fence}{SYNTAX[rule.language]}\n{rule.code.strip()}\n{fence}"


def story_of(config: TraderConfig, state: TraderState) -> str:
    """Everything an operator asks first, on one page. The filter too: the server forgets static details at continue-as-new."""
    parts = [
        f"## {state.status}{f' — {state.reason}' if state.reason else ''}",
        f"**{config.name}** · {config.tier} · {_rule(config)} · version {config.version} · {config.mode} · since {_moment(state.since)}",
        "\n".join(f"- {fact}" for fact in _facts(state)),
    ]
    if state.recent_signals:
        parts.append("**Last signals**\n\n" + "\n".join(f"- {line}" for line in reversed(state.recent_signals)))
    if state.events:
        parts.append("**What happened**\n\n" + "\n".join(f"- {line}" for line in reversed(state.events)))
    return "\n\n".join((*parts, details_of(config)))


def _rule(config: TraderConfig) -> str:
    rule, cadence = config.settings.filter, config.settings.cadence
    return f"{rule.interval} {rule.trigger} every {cadence.total_seconds():g} s"


def _facts(state: TraderState) -> list[str]:
    totals, matching = state.totals, state.progress.matching
    facts = [f"**Last tick** {_moment(state.last_tick)}" + (f", candle {_moment(state.last_candle)}" if state.last_candle else "")]
    if state.market:
        fresh = f"as of {_moment(state.as_of)}, {state.data_age.total_seconds():.1f} s old at that tick"
        facts.append(f"**Market** {state.market} {fresh} · {state.symbols} symbols, {state.not_ready} not ready")
    if state.symbols_stale:
        more = f" and {hidden} more" if (hidden := state.symbols_stale - len(state.stale_symbols)) > 0 else ""
        facts.append(f"**Stale ({state.symbols_stale})** {', '.join(state.stale_symbols)}{more}, since {_moment(state.stale_since)}")
    if state.condition:
        facts.append(f"**Filter** {_quoted(state.condition.message)} since {_moment(state.condition_since)}")
    facts.append(f"**Matching ({len(matching)})** {_some(matching)}")
    if state.conditions:
        facts.append("**Conditions** " + " · ".join(f"{label}: {count}" for label, count in state.conditions.items()))
    facts.append(
        f"**Totals** {totals.signals} signals, {len(state.open_monitors)} of them monitored · "
        f"{totals.evaluations} evaluations of {totals.candles} candles · {totals.ticks} ticks in {totals.windows} windows"
    )
    return [*facts, f"**Trouble** {_trouble(state)}"]


def _trouble(state: TraderState) -> str:
    totals = state.totals
    counts = {
        "candles missed": totals.missed_candles,
        "matches over the limit": totals.dropped_matches,
        "signals not monitored": totals.unmonitored_signals,
        "stale ticks": totals.stale_ticks,
        "failed evaluations": totals.failed_evaluations,
        "evaluations failed in part": totals.evaluations_failed_in_part,
    }
    return " · ".join(f"{count} {what}" for what, count in counts.items() if count) or "none"


def _quoted(text: str) -> str:
    """What a user's filter said, as text: no markup of it is shown as such."""
    return "`" + text.replace("`", "'") + "`"


def _some(symbols: tuple[str, ...]) -> str:
    more = len(symbols) - SHOWN_SYMBOLS
    return (", ".join(symbols[:SHOWN_SYMBOLS]) or "none") + (f" and {more} more" if more > 0 else "")


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "never"
