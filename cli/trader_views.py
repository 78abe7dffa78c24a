"""Traders as people read them."""

from collections.abc import Sequence
from datetime import timedelta

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from adapters.supabase.executions import RecordedEvaluation
from adapters.supabase.traders import StoredTrader, TraderCondition, TraderVersion
from api.deployments import TraderFailures, TraderStanding
from cli.health import Health, State
from cli.output import NOTHING, age, duration, moment, styled, table
from domain.filters import Language, Trigger
from domain.traders import TraderSettings
from workflows.contracts import TraderReport

NEVER_DEPLOYED = "not deployed"
SHOWN_SYMBOLS = 40
MARK = "[bold red]![/]"
"""Of a trader that something holds back."""
HEALTH_STYLES = {State.HEALTHY: "green", State.WAITING: "yellow", State.UNHEALTHY: "bold red", State.IDLE: "dim"}


def settings_line(settings: TraderSettings) -> str:
    """How a trader runs, in a line."""
    rule = settings.filter
    others = f" and {', '.join(rule.required_intervals)}" if rule.required_intervals else ""
    looks = "at every closed candle" if settings.filter.trigger is Trigger.CLOSE else "at the forming candle"
    symbols = f"{len(settings.symbols)} symbols" if settings.symbols else "the market's symbols"
    language = "" if rule.language is Language.EXPRESSION else f"{rule.language}, "
    return f"{language}{rule.interval}{others} {looks}, every {duration(settings.cadence)}, {symbols}"


def list_view(traders: Sequence[StoredTrader]) -> RenderableType:
    """A table of traders."""
    if not traders:
        return "No traders yet: `cloudtrader trader create --help`."
    made = table("name", "status", "since", "version", "language", "interval", "trigger", "cadence", "id", "why")
    for trader in traders:
        settings = trader.settings
        rule = (settings.filter.language, settings.filter.interval, settings.filter.trigger) if settings else (NOTHING,) * 3
        how = (*rule, duration(settings.cadence) if settings else NOTHING)
        status = styled(trader.status or NEVER_DEPLOYED) + (f" {MARK}" if trader.conditions else "")
        why = escape(trader.problem or trader.status_reason or "; ".join(map(_within, trader.conditions)))
        made.add_row(escape(trader.name), status, age(trader.status_since), str(trader.version), *how, str(trader.id), why)
    return made


def _within(condition: TraderCondition) -> str:
    """Its message as a part of a longer line."""
    return condition.message.removesuffix(".")


def versions_view(versions: Sequence[TraderVersion]) -> RenderableType:
    """A table of versions."""
    made = table("version", "created", "first ran", "language", "interval", "trigger", "cadence", "symbols", "filter")
    for version in versions:
        made.add_row(str(version.version), moment(version.created_at), moment(version.deployed_at), *_configuration(version))
    return made


def _configuration(version: TraderVersion) -> tuple[str, ...]:
    settings = version.settings
    if settings is None:
        return (*(NOTHING,) * 5, escape(version.problem))
    symbols, rule = " ".join(settings.symbols) or "the market's", settings.filter
    intervals = " ".join((rule.interval, *rule.required_intervals))
    return (rule.language, intervals, rule.trigger, duration(settings.cadence), symbols, escape(rule.code.strip()))


def errors_view(found: TraderFailures) -> RenderableType:
    """A table of failures, each with the line of code it names."""
    if not found.failures:
        return f"The filter of {escape(found.stored.name)} never failed."
    made = table("last", "version", "kind", "message", "symbols", "times", "since")
    for each in found.failures:
        failure = each.failure
        where = f"\n[dim]line {failure.line}:[/] {escape(each.code_line)}" if failure.line else ""
        symbols = f"{failure.symbols}, such as {failure.symbol}" if failure.symbol else NOTHING
        times, since = str(failure.count), moment(failure.first_seen)
        made.add_row(age(failure.last_seen), str(failure.version), failure.kind, escape(failure.message) + where, symbols, times, since)
    return made


def status_view(standing: TraderStanding, health: Health, link: str) -> RenderableType:
    """How a trader is, what it evaluated last, and its own report or what the database last heard of it."""
    stored, report = standing.stored, standing.report
    body = _facts()
    body.add_row("health", f"[{HEALTH_STYLES[health.state]}]{escape(str(health))}[/]")
    body.add_row("evaluated", _evaluation(standing.last_evaluation))
    if standing.trouble is not None:
        body.add_row("since then", _trouble_since(standing.trouble))
    for condition in stored.conditions:
        said = f"{condition.symbol}: {_within(condition)}" if condition.symbol else _within(condition)
        body.add_row("held back", f"[red]{escape(said)}[/], since {moment(condition.since)} ({condition.stage})")
    if report:
        _add_report(body, report)
    else:
        _add_last_heard(body, standing)
    status = report.status if report else stored.status or NEVER_DEPLOYED
    title = f"[bold]{escape(stored.name)}[/] · {styled(status)} · version {report.version if report else stored.version}"
    return Panel(Group(body, f"\n[dim]{link}[/]"), title=title, title_align="left", expand=False)


def _evaluation(last: RecordedEvaluation | None) -> str:
    if last is None:
        return "none yet"
    candle = f"candle {moment(last.candle_open_time)}" if last.candle_open_time else "no candle"
    symbols = f"{last.symbols_processed} symbols, {last.symbols_not_ready} not ready"
    failed = f", [red]{last.symbols_failed} failed[/]" if last.symbols_failed else ""
    took = f"{last.duration / timedelta(milliseconds=1):.0f} ms"
    market = f"{last.market}, data {duration(last.data_age)} old"
    return f"{candle}, {last.outcome} {moment(last.started_at)} ({age(last.started_at)}) in {took}: {symbols}{failed}; {market}"


def _trouble_since(trouble: RecordedEvaluation) -> str:
    what = escape(trouble.error) or f"market data was {duration(trouble.data_age)} old"
    return f"{trouble.outcome} {moment(trouble.started_at)} ({age(trouble.started_at)}): {what}"


def _add_last_heard(made: Table, standing: TraderStanding) -> None:
    stored = standing.stored
    made.add_row("from the database", escape(standing.why_no_report))
    made.add_row("status", f"{stored.status or NEVER_DEPLOYED} since {moment(stored.status_since)}")
    made.add_row("reason", escape(stored.status_reason) or NOTHING)
    made.add_row("settings", settings_line(stored.settings) if stored.settings else escape(stored.problem))


def _add_report(made: Table, report: TraderReport) -> None:
    totals = report.totals
    made.add_row("status", f"{report.status} since {moment(report.since)}")
    made.add_row("reason", escape(report.reason) or NOTHING)
    if report.last_tick is None:
        made.add_row("reported", "none yet: it reports when a symbol matches, and every few minutes")
    else:
        made.add_row("reported", f"{moment(report.last_tick)} ({age(report.last_tick)}), candle {moment(report.last_candle)}")
        made.add_row("market", f"{report.market}, data {duration(report.data_age)} old at that tick")
        made.add_row("symbols", f"{report.symbols} screened, {report.not_ready} not ready")
        if report.symbols_stale:
            made.add_row("stale", _stale(report))
    made.add_row("matching", _symbols(report.matching))
    made.add_row("conditions", ", ".join(f"{escape(label)}: {count}" for label, count in report.conditions.items()) or NOTHING)
    made.add_row("totals", f"{totals.signals} signals, {totals.ticks} ticks, {totals.evaluations} evaluations, {totals.candles} candles")
    made.add_row("trouble", _trouble(report) or "none")
    made.add_row("monitored", f"{report.open_monitors} signals")
    made.add_row("signals", escape("\n".join(reversed(report.recent_signals))) or NOTHING)
    made.add_row("events", escape("\n".join(reversed(report.events))) or NOTHING)


def _stale(report: TraderReport) -> str:
    named, more = " ".join(report.stale_symbols), report.symbols_stale - len(report.stale_symbols)
    symbols = f"{report.symbols_stale} symbol{'s' if report.symbols_stale > 1 else ''}"
    return f"{symbols} since {moment(report.stale_since)}: {named}{f' and {more} more' if more > 0 else ''}"


def _trouble(report: TraderReport) -> str:
    totals = report.totals
    counts = {
        "failed evaluations": totals.failed_evaluations,
        "failed in part": totals.evaluations_failed_in_part,
        "stale ticks": totals.stale_ticks,
        "missed candles": totals.missed_candles,
        "matches dropped": totals.dropped_matches,
        "signals not monitored": totals.unmonitored_signals,
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _symbols(matching: tuple[str, ...]) -> str:
    more = f" and {len(matching) - SHOWN_SYMBOLS} more" if len(matching) > SHOWN_SYMBOLS else ""
    return " ".join(matching[:SHOWN_SYMBOLS]) + more or NOTHING


def _facts() -> Table:
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    return made
