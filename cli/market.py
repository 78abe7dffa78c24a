"""`cloudtrader market ...`: whether the market data is healthy, and which symbols are not."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

import httpx
import typer

from adapters.feeder_link import FeederAddress, feeder_addresses
from adapters.settings import Settings
from cli.exits import ExitCode
from cli.market_views import status_view, symbol_view, symbols_view
from cli.options import Json, blocking
from cli.output import show
from domain.errors import NotFoundError, UnavailableError

app = typer.Typer(no_args_is_help=True, help="Look at the market data.")

ANSWER_WITHIN = timedelta(seconds=5)


@dataclass(frozen=True, kw_only=True)
class OtherFeeder:
    """A feeder beside the one that is shown; `problem` where it does not answer."""

    url: str
    healthy: bool = False
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class MarketStatus:
    """What the best of the feeders says of itself: its /status document."""

    url: str
    details: dict[str, Any]
    others: tuple[OtherFeeder, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether nothing keeps current candles from traders."""
        return bool(self.details["healthy"])

    @property
    def problems(self) -> list[str]:
        """Each condition that holds, in a line."""
        return [f"{holding['condition']}: {holding['message']}" for holding in self.details["conditions"]]

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
    """Ask every feeder; the healthy one whose market is furthest speaks. Raises UnavailableError when none answers."""
    addresses = _addresses(settings)
    answers = await asyncio.gather(*(_document(address, "/status") for address in addresses), return_exceptions=True)
    told = {_page(address): answer for address, answer in zip(addresses, answers, strict=True)}
    found = {url: answer for url, answer in told.items() if isinstance(answer, dict)}
    if not found:
        raise next(answer for answer in answers if isinstance(answer, BaseException))
    best = max(found, key=lambda url: (found[url]["healthy"], found[url]["as_of"] or ""))
    others = tuple(_other(url, answer) for url, answer in told.items() if url != best)
    return MarketStatus(url=best, details=found[best], others=others)


@app.command()
@blocking
async def status(as_json: Json = False) -> None:
    """Whether the market data is healthy, and which symbols are not; exit code 1 when it is not."""
    found = await market_status(Settings())
    text = status_view(found.url, found.details, [(other.url, other.problem or _word(other.healthy)) for other in found.others])
    show({"url": found.url, **found.details, "other_feeders": found.others}, text, as_json=as_json)
    if not found.healthy:
        raise typer.Exit(ExitCode.REFUSED)


@app.command()
@blocking
async def symbols(
    symbol: Annotated[str, typer.Argument(metavar="[SYMBOL]", help="Show this symbol's six histories.", show_default=False)] = "",
    as_json: Json = False,
) -> None:
    """Every symbol in a line, those with something wrong first; or all of one symbol."""
    settings = Settings()
    best = await market_status(settings)
    address = next(address for address in _addresses(settings) if _page(address) == best.url)
    if symbol:
        found = await _document(address, "/symbols", symbol=symbol.upper())
        show(found, symbol_view(found), as_json=as_json)
    else:
        found = await _document(address, "/symbols")
        show(found, symbols_view(found["symbols"]), as_json=as_json)


@app.callback()
def _group() -> None:
    """Look at the market data."""


def _addresses(settings: Settings) -> tuple[FeederAddress, ...]:
    return feeder_addresses(settings.feeder_url, settings.feeder_token.get_secret_value(), settings.feeder_ca)


def _page(address: FeederAddress) -> str:
    return address.url.replace("ws", "http", 1)


async def _document(address: FeederAddress, path: str, **query: str) -> dict[str, Any]:
    url = _page(address)
    try:
        async with httpx.AsyncClient(timeout=ANSWER_WITHIN.total_seconds(), verify=address.tls or True) as http:
            answer = await http.get(url + path, params=query)
        if query and answer.status_code == HTTPStatus.NOT_FOUND:
            raise NotFoundError(f"{answer.text.strip()} `cloudtrader market symbols` lists those that the feeder at {url} knows.")
        document: dict[str, Any] = answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError) as problem:
        raise UnavailableError(
            f"The feeder does not answer at {url} ({type(problem).__name__}). Start it with `make up`, or set CLOUDTRADER_FEEDER_URL."
        ) from problem
    return document


def _other(url: str, answer: dict[str, Any] | BaseException) -> OtherFeeder:
    if isinstance(answer, dict):
        return OtherFeeder(url=url, healthy=answer["healthy"])
    if isinstance(answer, UnavailableError):
        return OtherFeeder(url=url, problem="does not answer")
    raise answer


def _word(healthy: bool) -> str:
    return "healthy" if healthy else "unhealthy"
