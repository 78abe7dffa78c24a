"""What a preview prints: text for people, a document for programs, rows for a spreadsheet."""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from cli.output import NOTHING, duration, moment, table
from filters.preview.cost import CostEstimate
from filters.preview.equity import SimulatedExits
from filters.preview.forward_returns import ReturnStatistics
from filters.preview.gaps import Coverage
from filters.preview.outcomes import Outcome
from filters.preview.preview import Preview
from filters.preview.signals import PastSignal

SHOWN_SYMBOLS = 8
SHOWN_SIGNALS = 8
SHOWN_FAILURES = 5
LISTED = 1_000
"""Signals and trades of a document: the newest. All signals are in the CSV."""
_BAR = 40


def preview_view(found: Preview) -> RenderableType:
    """The whole of it as text."""
    parts: list[RenderableType] = [_head(found), "", _days(found)]
    if found.failures:
        parts += ["", *_failures(found)]
    if len(found.signals):
        parts += ["", _by_symbol(found), "", _newest(found)]
    parts += ["", _returns(found)]
    if found.exits:
        parts += ["", _exits(found.exits)]
    parts += ["", *_checks(found), "", *(f"[dim]- {escape(line)}[/]" for line in found.assumptions)]
    return Group(*parts)


def _head(found: Preview) -> str:
    outcomes = found.outcomes
    closed = found.interval.close_time(found.interval.index_at(found.last))
    return (
        f"{found.candles:,} candles of {found.interval} for {len(found.symbols)} symbols, {moment(found.first)} to {moment(closed)} UTC\n"
        f"{found.evaluations:,} evaluations in {found.duration.total_seconds():.3g} s: {outcomes[Outcome.MATCHED]:,} matched "
        f"({percent(found.match_rate)} of those that could be told), {outcomes[Outcome.NOT_READY]:,} not ready, "
        f"{outcomes[Outcome.FAILED]:,} failed\n"
        f"[bold]{len(found.signals.places):,} signals[/], at most {found.most_at_once} at one candle; "
        f"{int(found.signals.initial.sum()):,} symbols matched already at the first candle"
    )


def _days(found: Preview) -> Table:
    listed = table("day", "signals", "")
    most = max(found.signals_per_day.values(), default=0)
    for day, count in found.signals_per_day.items():
        listed.add_row(str(day), f"{count:,}", "█" * round(_BAR * count / most) if most else "")
    return listed


def _failures(found: Preview) -> list[str]:
    return [f"[red]failed {each.evaluations:,} times:[/] {escape(str(each.failure))}" for each in found.failures[:SHOWN_FAILURES]]


def _by_symbol(found: Preview) -> str:
    counts = Counter(found.symbols[row] for row in found.signals.rows[found.signals.places])
    shown = ", ".join(f"{symbol} {count}" for symbol, count in counts.most_common(SHOWN_SYMBOLS))
    return f"most signals: {escape(shown) or NOTHING}"


def _newest(found: Preview) -> Table:
    listed = table("newest signals", "symbol", "price", "conditions", "values")
    for place in range(len(found.signals) - 1, max(-1, len(found.signals) - 1 - SHOWN_SIGNALS), -1):
        signal = found.signals[place]
        values = ", ".join(f"{name} {value:.6g}" for name, value in signal.values.items())
        conditions = ", ".join(signal.conditions) + (" (initial)" if signal.initial else "")
        listed.add_row(moment(signal.candle_open_time), escape(signal.symbol), f"{signal.price:g}", escape(conditions), escape(values))
    return listed


def _returns(found: Preview) -> Table:
    listed = table("return after", "signals", "mean", "median", "above zero", "left out", "all candles", "mean", "median", "above zero")
    for each in found.forward_returns:
        listed.add_row(f"{each.candles} candles", *_figures(each.signals), f"{each.signals.missing:,}", *_figures(each.baseline))
    return listed


def _figures(statistics: ReturnStatistics) -> tuple[str, ...]:
    return f"{statistics.count:,}", percent(statistics.mean), percent(statistics.median), percent(statistics.hit_rate)


def _exits(exits: SimulatedExits) -> str:
    rules = exits.rules
    ends = [f"stop {rules.stop}" if rules.stop else "", f"target {rules.target}" if rules.target else ""]
    ends.append(f"after {rules.hold} candles" if rules.hold else "")
    reasons = ", ".join(f"{count:,} by {reason}" for reason, count in exits.reasons.items())
    factor = NOTHING if exits.profit_factor is None else f"{exits.profit_factor:.2f}"
    return (
        f"[bold]{len(exits.trades):,} simulated trades[/] ({', '.join(filter(None, ends))}); {exits.passed_over:,} signals passed over\n"
        f"profit {exits.profit:+,.2f} on {rules.capital:,.0f} ({percent(exits.profit_percent)}), "
        f"deepest fall {exits.max_drawdown:,.2f} ({percent(exits.max_drawdown_percent)})\n"
        f"won {percent(exits.win_rate)}, a trade brings {percent(exits.expectancy)} of its stake, profit factor {factor}; "
        f"ended {reasons or NOTHING}"
    )


def _checks(found: Preview) -> list[str]:
    check = found.look_ahead
    verdict = "[green]ok[/]" if check.passed else f"[red]{len(check.differences):,} differ[/], first {_difference(found)}"
    lines = [
        f"look-ahead check: {check.candles} candles again without their future, {check.evaluations:,} evaluations: {verdict}",
        _cost(found.cost),
    ]
    return lines + [_covered(each) for each in found.coverage]


def _cost(cost: CostEstimate) -> str:
    tick = f"{cost.tick.total_seconds() * 1e3:.2f} ms of CPU a tick, {cost.ticks_per_day:,} ticks a day"
    shares = "".join(f"; {share:.3g} % of what {tier} allows one filter" for tier, share in cost.tier_percent.items())
    return f"cost live: {tick}: {duration(cost.per_day)} a day, {cost.core_percent:.3g} % of a core{shares}"


def _covered(each: Coverage) -> str:
    worst = escape(", ".join(f"{symbol} {count}" for symbol, count in each.worst))
    gaps = f"{each.missing:,} missing in {each.symbols_with_gaps} symbols ({worst})" if each.missing else "no gaps"
    young = f"; {each.young} symbols begin later" if each.young else ""
    ended = f"; {each.ended} end earlier" if each.ended else ""
    absent = f"; {each.absent} have none" if each.absent else ""
    return f"candles of {each.interval}: {moment(each.begin)} to {moment(each.end)}, {each.candles:,}, {gaps}{young}{ended}{absent}"


def _difference(found: Preview) -> str:
    first = found.look_ahead.differences[0]
    return f"{escape(first.symbol)} at {moment(first.candle_open_time)}"


def percent(value: float | None) -> str:
    """A percentage in four digits."""
    return NOTHING if value is None else f"{value:.3g} %"


def preview_document(found: Preview) -> dict[str, Any]:
    """Everything but the equity curve; signals and trades up to LISTED of each, the newest."""
    listed = range(max(0, len(found.signals) - LISTED), len(found.signals))
    return {
        "interval": found.interval,
        "symbols": found.symbols,
        "first": found.first,
        "last": found.last,
        "candles": found.candles,
        "evaluations": found.evaluations,
        "outcomes": {outcome.name.lower(): count for outcome, count in found.outcomes.items()},
        "match_rate": found.match_rate,
        "signals_count": len(found.signals.places),
        "initial_count": int(found.signals.initial.sum()),
        "signals_per_day": {str(day): count for day, count in found.signals_per_day.items()},
        "most_at_once": found.most_at_once,
        "failures": found.failures,
        "forward_returns": found.forward_returns,
        "look_ahead": _fields(found.look_ahead, "passed", "candles", "evaluations")
        | {"differences": found.look_ahead.differences[:LISTED]},
        "exits": _exits_document(found.exits) if found.exits else None,
        "cost": _fields(found.cost, "tick", "ticks_per_day", "per_day", "core_percent", "tier_percent"),
        "coverage": found.coverage,
        "duration": found.duration,
        "assumptions": found.assumptions,
        "signals": [found.signals[place] for place in listed],
    }


def _exits_document(exits: SimulatedExits) -> dict[str, Any]:
    figures = ("win_rate", "expectancy", "profit_factor", "profit", "profit_percent", "max_drawdown", "max_drawdown_percent")
    return _fields(exits, "rules", "passed_over", *figures, "reasons") | {
        "trades_count": len(exits.trades),
        "trades": exits.trades[-LISTED:],
    }


def _fields(of: object, *names: str) -> dict[str, Any]:
    return {name: getattr(of, name) for name in names}


def write_csv(found: Preview, path: Path) -> None:
    """Every signal, one row each, with its plotted values."""
    names = list(found.signals.series)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["candle_open_time", "symbol", "price", "initial", "conditions", *names])
        writer.writerows(_row(signal, names) for signal in found.signals)


def _row(signal: PastSignal, names: list[str]) -> list[object]:
    values = [signal.values.get(name, "") for name in names]
    opened = signal.candle_open_time.isoformat()
    return [opened, signal.symbol, signal.price, int(signal.initial), "; ".join(signal.conditions), *values]


def busiest_symbol(found: Preview) -> str:
    """The symbol with most signals; the first one where there are none."""
    return found.symbols[int(np.bincount(found.signals.rows[found.signals.places], minlength=len(found.symbols)).argmax())]
