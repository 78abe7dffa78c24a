"""`cloudtrader market ...`: how the feeder is."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import typer
from rich.console import Group, RenderableType

from adapters.settings import Settings
from cli.options import Json, blocking
from cli.output import NOTHING, duration, moment, show, table
from domain.errors import UnavailableError

app = typer.Typer(no_args_is_help=True, help="Look at the market data.")

ANSWER_WITHIN = timedelta(seconds=5)
FRESH_WITHIN = timedelta(seconds=15)
"""Older data is stale for the tier that asks most."""


@dataclass(frozen=True, kw_only=True)
class MarketStatus:
    """What the feeder says of itself."""

    healthy: bool
    url: str
    details: dict[str, Any]

    @property
    def age(self) -> timedelta:
        """How long the exchange has sent nothing."""
        return timedelta(seconds=self.details["age_seconds"])

    @property
    def behind(self) -> int:
        """How many histories lack a candle that has closed."""
        return sum(coverage["behind"] for coverage in self.details["coverage"].values())

    @property
    def as_of(self) -> datetime | None:
        """The exchange's clock; `None` before it was heard."""
        told = self.details["as_of"]
        return datetime.fromisoformat(told) if told else None


async def market_status(settings: Settings) -> MarketStatus:
    """Ask the feeder. Raises UnavailableError."""
    url = settings.feeder_url.replace("ws", "http", 1).rstrip("/")
    try:
        async with httpx.AsyncClient(timeout=ANSWER_WITHIN.total_seconds()) as http:
            health = await http.get(f"{url}/healthz")
            answer = (await http.get(f"{url}/status")).raise_for_status()
        return MarketStatus(healthy=health.is_success, url=url, details=answer.json())
    except (httpx.HTTPError, ValueError) as problem:
        raise UnavailableError(
            f"The feeder does not answer at {url} ({type(problem).__name__}). Start it with `make up`, or set CLOUDTRADER_FEEDER_URL."
        ) from problem


@app.command()
@blocking
async def status(as_json: Json = False) -> None:
    """Whether market data flows, how old and how complete it is, and which symbols lack candles."""
    found = await market_status(Settings())
    show({"healthy": found.healthy, "url": found.url, **found.details}, status_view(found), as_json=as_json)
    if not found.healthy:
        raise UnavailableError(f"The feeder gets no market data: look at {found.url}/status and at its log.")


@app.callback()
def _group() -> None:
    """Look at the market data."""


def status_view(found: MarketStatus) -> RenderableType:
    """Whether all is well, how complete each interval is, and which symbols are furthest behind."""
    details = found.details
    head = (
        f"{_health(found)}: {details['market']} market, {details['symbols']} symbols, data {duration(found.age)} old, "
        f"{details['connections_open']} of {details['connections']} connections open, {details['clients']} clients, "
        f"{details['repairs_waiting']} gaps to fill"
    )
    covered = table("interval", "histories", "complete", "behind")
    for interval, coverage in details["coverage"].items():
        covered.add_row(interval, *(str(coverage[name]) for name in ("rows", "complete", "behind")))
    return Group(head, covered, *(("", _worst(details["worst"])) if details["worst"] else ()))


def _health(found: MarketStatus) -> str:
    if not found.healthy:
        return "[red]no market data[/]"
    return f"[yellow]{found.behind} histories lack candles[/]" if found.behind else "[green]healthy[/]"


def _worst(laggards: list[dict[str, Any]]) -> RenderableType:
    made = table("symbol", "interval", "known through", "lacks candles for", title="furthest behind")
    for laggard in laggards:
        known = laggard["closed_through"]
        through = moment(datetime.fromisoformat(known)) if known else NOTHING
        behind = duration(timedelta(seconds=laggard["behind"])) if known else "its whole past"
        made.add_row(laggard["symbol"], laggard["interval"], through, behind)
    return made
