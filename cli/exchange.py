"""`cloudtrader exchange ...`: let things go wrong at the simulated exchange of the running stack, and see what is."""

from datetime import timedelta
from typing import Annotated, Any

import httpx
import typer
from rich.console import Group, RenderableType
from rich.markup import escape
from typer.core import TyperCommand

from adapters.settings import Settings
from cli.options import Json, blocking
from cli.output import NOTHING, duration, moment, show, table
from domain.errors import RefusedError, UnavailableError
from domain.market import Market, from_epoch_milliseconds

app = typer.Typer(no_args_is_help=True, help="Control the simulated exchange: its speed, and what goes wrong at it.")

ANSWER_WITHIN = timedelta(seconds=5)
_TOLD = ("id", "kind", "active", "seconds", "seconds_left")
"""What every fault tells beside its parameters."""

_MOMENTS = ("from", "begins", "ends")


@app.command()
@blocking
async def status(as_json: Json = False) -> None:
    """The market's time and speed, the connections, and how many faults are going on."""
    found = await _asked("GET", "status")
    show(found, _status_view(found), as_json=as_json)


class _FaultCommand(TyperCommand):
    """Names the kinds of faults when it is asked for help: their module loads the whole exchange."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from local.exchange.faults import KINDS  # noqa: PLC0415

        # Rich joins single lines, so every kind is a paragraph.
        self.epilog = "\n\n".join(["Kinds:", *(f"{name}: {kind.__doc__}" for name, kind in KINDS.items())])
        super().format_help(ctx, formatter)


@app.command(cls=_FaultCommand)
@blocking
async def fault(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="What goes wrong; the kinds are below.")],
    symbol: Annotated[str | None, typer.Option(help="Of one symbol, e.g. BTCUSDT.")] = None,
    stream: Annotated[str | None, typer.Option(help="Of one stream, e.g. btcusdt@kline_1m.")] = None,
    connection: Annotated[int | None, typer.Option(help="Of one connection, by its number in the status; otherwise all.")] = None,
    seconds: Annotated[float | None, typer.Option(help="For so long; otherwise until it is cleared.")] = None,
    share: Annotated[float | None, typer.Option(help="Of this share of frames or requests, 0 to 1.")] = None,
    milliseconds: Annotated[float | None, typer.Option(help="How late, or how wrong a clock is.")] = None,
    minutes: Annotated[int | None, typer.Option(help="How long an outage is, in market time.")] = None,
    reply: Annotated[int | None, typer.Option("--status", help="The HTTP status of a rest_error.")] = None,
    absent: Annotated[bool, typer.Option("--absent", help="Delist a symbol so that it is not even listed.")] = False,
    as_json: Json = False,
) -> None:
    """Let something go wrong at the simulated exchange."""
    given = {
        "symbol": symbol,
        "stream": stream,
        "connection": connection,
        "seconds": seconds,
        "share": share,
        "milliseconds": milliseconds,
        "minutes": minutes,
        "status": reply,
        "absent": absent or None,
    }
    begun = await _asked("POST", "faults", {"kind": kind} | {name: value for name, value in given.items() if value is not None})
    text = f"{kind} goes on as number {begun['id']}." if begun["active"] else f"{kind} is done."
    show(begun, f"{text} {_parameters(begun)}".rstrip(), as_json=as_json)


@app.command()
@blocking
async def faults(as_json: Json = False) -> None:
    """What is going wrong now."""
    found = await _asked("GET", "faults")
    show(found, _faults_view(found), as_json=as_json)


@app.command()
@blocking
async def clear(
    number: Annotated[int | None, typer.Argument(metavar="[ID]", help="One fault, by its number; otherwise all.")] = None,
    as_json: Json = False,
) -> None:
    """End a fault, or all of them."""
    left = await _asked("DELETE", "faults" if number is None else f"faults/{number}")
    show(left, _faults_view(left), as_json=as_json)


@app.command()
@blocking
async def speed(
    factor: Annotated[float, typer.Argument(metavar="X", help="Market seconds per second, 0.01 to 3600.")], as_json: Json = False
) -> None:
    """Let the market's clock run faster or slower."""
    found = await _asked("POST", "speed", {"speed": factor})
    show(found, f"The market runs at {found['speed']:g} times its speed.", as_json=as_json)


async def _asked(method: str, path: str, body: dict[str, object] | None = None) -> Any:
    """The exchange's answer. Raises RefusedError for what it does not do, UnavailableError when it does not answer."""
    url = _exchange_url(Settings())
    try:
        async with httpx.AsyncClient(timeout=ANSWER_WITHIN.total_seconds(), trust_env=False) as http:
            answer = await http.request(method, f"{url}/control/{path}", json=body)
            document = answer.json()
    except (httpx.HTTPError, ValueError) as problem:
        raise UnavailableError(
            f"The simulated exchange does not answer at {url} ({type(problem).__name__}). Start it with `make up MARKET=simulated`."
        ) from problem
    if not answer.is_success:
        raise RefusedError(f"The simulated exchange: {document.get('msg') or document.get('message')}.")
    return document


def _exchange_url(settings: Settings) -> str:
    if settings.exchange_url:
        return settings.exchange_url.rstrip("/")
    if settings.market is Market.BINANCE:
        raise RefusedError("The market is Binance itself: nothing can be made to go wrong there. Use `make up MARKET=simulated`.")
    raise RefusedError("No simulated exchange is known. Start it with `make up MARKET=simulated`, or set CLOUDTRADER_EXCHANGE_URL.")


def _status_view(found: dict[str, Any]) -> RenderableType:
    clock = "held" if found["held"] else "at its end" if found["finished"] else f"at {found['speed']:g} times its speed"
    head = (
        f"{found['market']} market at {moment(from_epoch_milliseconds(found['time']))}, {clock}: {found['symbols']} symbols, "
        f"{found['streams']} streams listened to, {found['frames_sent']} frames sent, {found['dials']} connections dialled, "
        f"{found['faults']} faults"
    )
    listed = table("connection", "streams", "opened", "frames a second, at most", "ended because")
    for connection in found["connections"]:
        listed.add_row(
            str(connection["id"]),
            str(connection["streams"]),
            moment(from_epoch_milliseconds(connection["opened_at"])),
            str(connection["most_client_frames_per_second"]),
            connection.get("close_reason", NOTHING),
        )
    return Group(head, listed) if found["connections"] else head


def _faults_view(found: list[dict[str, Any]]) -> RenderableType:
    if not found:
        return "Nothing goes wrong."
    listed = table("id", "kind", "parameters", "ends in")
    for each in found:
        left = each["seconds_left"]
        listed.add_row(str(each["id"]), each["kind"], _parameters(each), NOTHING if left is None else duration(timedelta(seconds=left)))
    return listed


def _parameters(document: dict[str, Any]) -> str:
    told = {name: value for name, value in document.items() if name not in _TOLD and value not in (None, False)}
    shown = {name: moment(from_epoch_milliseconds(value)) if name in _MOMENTS else value for name, value in told.items()}
    return escape(", ".join(f"{name} {value}" for name, value in shown.items()))
