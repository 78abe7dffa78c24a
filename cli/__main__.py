"""The `cloudtrader` command."""

import logging
import os
import sys
from contextlib import suppress

import typer

from cli import demo, exchange, filters, market, search_attributes, signals, traders
from cli.doctor import doctor
from cli.exits import CommandGroup, ExitCode
from cli.imports import import_traders
from cli.migrate import migrate
from cli.preview import preview

app = typer.Typer(
    name="cloudtrader",
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Crypto traders that run in the cloud. Exit codes: 0 done, 1 refused, 2 wrong use, 3 something is down.",
)
app.add_typer(traders.app, name="trader")
app.add_typer(signals.app, name="signals")
app.add_typer(filters.app, name="filter")
app.add_typer(market.app, name="market")
app.add_typer(exchange.app, name="exchange")
app.add_typer(search_attributes.app, name="search-attributes")
app.add_typer(demo.app, name="demo")
app.command("import")(import_traders)
app.command("preview")(preview)
app.command("migrate")(migrate)
app.command("doctor")(doctor)


def main() -> None:
    """Run a command and end the process."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        app()
    except SystemExit as ending:
        # Temporal's threads outlive the event loop and abort an interpreter that cleans up under them.
        with suppress(BrokenPipeError):
            sys.stdout.flush()
        os._exit(ending.code if isinstance(ending.code, int) else ExitCode.OK)


if __name__ == "__main__":
    main()
