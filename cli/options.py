"""Options and arguments that several commands take."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, ParamSpec

import typer

from cli.exits import JSON

P = ParamSpec("P")


def _remember(context: typer.Context, value: bool) -> bool:
    context.meta[JSON] = value
    return value


Json = Annotated[bool, typer.Option("--json", callback=_remember, help="Print one JSON document (errors too, on stderr).")]
User = Annotated[
    str | None,
    typer.Option("--user", envvar="CLOUDTRADER_USER", metavar="EMAIL", help="Whose traders; the demo elite user on the local stack."),
]
TraderName = Annotated[str, typer.Argument(metavar="TRADER", help="The trader's id or exact name.")]
Reason = Annotated[str, typer.Option("--reason", help="Shown with the trader's status.")]
FilterFile = Annotated[
    Path,
    typer.Option("--filter", exists=True, dir_okay=False, readable=True, metavar="FILE", help="The filter, an expression or JavaScript."),
]


def to_symbols(text: str) -> tuple[str, ...]:
    """`btcusdt, ETHUSDT` as symbols, each once, in the order given."""
    symbols = (part.strip().upper() for part in text.split(","))
    return tuple(dict.fromkeys(symbol for symbol in symbols if symbol))


def blocking(command: Callable[P, Coroutine[object, object, None]]) -> Callable[P, None]:
    """A coroutine as a command."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(command(*args, **kwargs))

    return run
