"""The market data as people read it, from the feeder's documents (docs/feeder-protocol.md)."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape

from adapters.candle_store import LAST_RANK
from cli.output import NOTHING, duration, moment, table

SHOWN_NAMES = 20
TALLIED = ("streamed", "repaired", "missing")
Document = dict[str, Any]


def status_view(url: str, details: Document, others: Sequence[tuple[str, str]] = ()) -> RenderableType:
    """Whether all is well and, if not, what is not and since when; then the connections, the candles and the symbols furthest behind."""
    parts = [
        _head(details),
        *_when(details["conditions"], _conditions),
        _coverage(details),
        "\n".join(_facts(details)),
        *_when(details["connection_reports"], _connections),
        *_when(details["worst"], _worst),
        f"\n[dim]{url}/status[/]",
        *(f"[dim]{other}: {escape(word)}[/]" for other, word in others),
    ]
    return Group(*parts)


def symbols_view(found: Sequence[Document]) -> RenderableType:
    """A line for each symbol; those that lack candles or are not traded first, then by volume."""
    made = table("symbol", "status", "rank", "1m known through", "heard", "lacks candles of")
    for symbol in sorted(found, key=lambda symbol: (symbol["status"] == "trading" and not symbol["lacking"], symbol["rank"])):
        status = symbol["status"] if symbol["status"] == "trading" else f"[yellow]{symbol['status']}[/]"
        lacking = f"[yellow]{' '.join(symbol['lacking'])}[/]" if symbol["lacking"] else ""
        made.add_row(symbol["symbol"], status, _rank(symbol), _moment(symbol["closed_through"]), _ago(symbol["age"]), lacking)
    return made


def symbol_view(symbol: Document) -> RenderableType:
    """One symbol's six histories."""
    made = table("interval", "begins", "known through", "as of", "age", "lacks", "newest candles told by")
    for history in symbol["histories"]:
        lacks = _lacks(history)
        known = (_moment(history[name]) for name in ("begins", "closed_through", "as_of"))
        made.add_row(
            history["interval"], *known, _span(history["age"]), lacks if history["begins"] else "its whole past", _told_by(history)
        )
    return Group(f"[bold]{symbol['symbol']}[/]: {symbol['status']}, rank {_rank(symbol)} by 24 h volume", made)


def _head(details: Document) -> str:
    age = duration(timedelta(seconds=details["age_seconds"]))
    return (
        f"{_health(details)}: {details['market']} market, {details['symbols']} symbols, data {age} old, "
        f"{details['connections_open']} of {details['connections']} connections open, {details['clients']} clients"
    )


def _health(details: Document) -> str:
    behind = sum(coverage["behind"] for coverage in details["coverage"].values())
    if not details["healthy"]:
        return f"[bold red]unhealthy{'' if details['symbols'] else ', no symbol is known yet'}[/]"
    return f"[yellow]healthy, {behind} histories lack candles[/]" if behind else "[green]healthy[/]"


def _conditions(holding: Sequence[Document]) -> RenderableType:
    made = table("condition", "since", "what")
    for condition in holding:
        made.add_row(f"[bold]{condition['condition']}[/]", moment(datetime.fromisoformat(condition["since"])), escape(condition["message"]))
    return made


def _coverage(details: Document) -> RenderableType:
    made = table("interval", "histories", "expected", "complete", "behind", "closed since start: stream", "REST", "missing")
    for interval, coverage in details["coverage"].items():
        tally = details["audit"]["since_start"][interval]
        counts = (*(coverage[name] for name in ("rows", "expected", "complete", "behind")), *(tally[name] for name in TALLIED))
        made.add_row(interval, *map(str, counts))
    return made


def _facts(details: Document) -> Iterator[str]:
    backfill, rest, clock, audit = details["backfill"], details["rest"], details["clock"], details["audit"]["last"]
    if backfill["done"] < backfill["of"]:
        left = "" if backfill["remaining"] is None else f", about {duration(timedelta(seconds=backfill['remaining']))} left"
        yield f"backfill: {backfill['done']} of {backfill['of']} histories{left}"
    paused = f"; paused until {_moment(rest['paused_until'])}: {escape(rest['reason'])}" if rest["paused_until"] else ""
    yield f"REST: {rest['used']} of {rest['limit']} weight used this minute, {details['repairs_waiting']} repairs waiting{paused}"
    offset = NOTHING if clock["offset"] is None else f"{clock['offset']:+.3f} s, asked in {1000 * clock['round_trip']:.0f} ms"
    yield f"the exchange's clock less ours: {offset}"
    yield f"last audit: {_audited(audit) if audit else 'none yet'}"
    if details["corrections"]:
        yield f"corrections: {details['corrections']} closed candles were changed by the exchange"
    if details["silent_streams"]:
        yield f"silent streams: {_some(details['silent_streams'])}"
    if details["not_trading"]:
        yield f"not trading: {_some([f'{symbol} ({status})' for symbol, status in details['not_trading'].items()])}"


def _audited(audit: Document) -> str:
    total = {name: sum(tally[name] for tally in audit["tallies"].values()) for name in ("expected", *TALLIED)}
    missing = f", of {_some(audit['missing_symbols'])}" if audit["missing_symbols"] else ""
    found = f"{total['streamed']} from streams, {total['repaired']} from REST, {total['missing']} missing{missing}"
    return f"{total['expected']} candles closed until {_moment(audit['through'])}: {found}"


def _connections(reports: Sequence[Document]) -> RenderableType:
    made = table("connection", "shard", "state", "streams", "confirmed", "frames", "open since", "heard")
    for report in reports:
        numbers = (str(report[name]) for name in ("streams", "confirmed", "frames"))
        made.add_row(
            str(report["id"]), str(report["shard"]), report["state"], *numbers, _moment(report["opened_at"]), _ago(report["heard_age"])
        )
    return made


def _worst(laggards: Sequence[Document]) -> RenderableType:
    made = table("symbol", "interval", "known through", "lacks candles for", title="furthest behind")
    for laggard in laggards:
        behind = _span(laggard["behind"]) if laggard["closed_through"] else "its whole past"
        made.add_row(laggard["symbol"], laggard["interval"], _moment(laggard["closed_through"]), behind)
    return made


def _when(rows: Sequence[Document], view: Callable[[Sequence[Document]], RenderableType]) -> tuple[RenderableType, ...]:
    return ("", view(rows)) if rows else ()


def _lacks(history: Document) -> str:
    if history["begins"] is None:
        return "its whole past"
    return f"[yellow]{history['behind']} candles[/]" if history["behind"] else NOTHING


def _told_by(history: Document) -> str:
    told = {"stream": history["streamed"], "REST": history["repaired"]}
    corrected = [f"{history['corrected']} corrected"] if history["corrected"] else []
    return ", ".join([*(f"{count} {name}" for name, count in told.items() if count), *corrected]) or NOTHING


def _rank(symbol: Document) -> str:
    return NOTHING if symbol["rank"] == LAST_RANK else str(symbol["rank"] + 1)


def _moment(told: str | None) -> str:
    return moment(datetime.fromisoformat(told)) if told else NOTHING


def _span(seconds: float | None) -> str:
    return NOTHING if seconds is None else duration(timedelta(seconds=seconds))


def _ago(seconds: float | None) -> str:
    return NOTHING if seconds is None else f"{_span(seconds)} ago"


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN_NAMES
    return " ".join(map(escape, names[:SHOWN_NAMES])) + (f" and {more} more" if more > 0 else "")
