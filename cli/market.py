"""`cloudtrader market ...`: how the feeder is."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import typer
from rich.console import Group, RenderableType

from adapters.settings import Settings
from cli.options import Json, blocking
from cli.output import duration, show, table
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
    """Whether market data flows, how old and how complete it is."""
    found = await market_status(Settings())
    show({"healthy": found.healthy, "url": found.url, **found.details}, _view(found), as_json=as_json)
    if not found.healthy:
        raise UnavailableError(f"The feeder gets no market data: look at {found.url}/status and at its log.")


@app.callback()
def _group() -> None:
    """Look at the market data."""


def _view(found: MarketStatus) -> RenderableType:
    details = found.details
    health = "[green]healthy[/]" if found.healthy else "[red]no market data[/]"
    head = (
        f"{health}: {details['market']} market, {details['symbols']} symbols, data {duration(found.age)} old, "
        f"{details['connections_open']} of {details['connections']} connections open, {details['clients']} clients, "
        f"{details['repairs_waiting']} gaps to fill"
    )
    made = table("interval", "complete", "of")
    for interval, complete in details["rows_complete_by_interval"].items():
        made.add_row(interval, str(complete), str(details["symbols"]))
    return Group(head, made)
