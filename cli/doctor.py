"""`cloudtrader doctor`: what is wrong with the system, and what to do."""

import typer
from rich.markup import escape

from adapters.settings import Settings
from cli.exits import ExitCode
from cli.options import Json, blocking
from cli.output import show, table


@blocking
async def doctor(as_json: Json = False) -> None:
    """Check everything that traders depend on; exit code 3 when something is down."""
    from cli.checks import examine  # noqa: PLC0415  (loads the database's driver, which few commands need)

    found = await examine(Settings())
    made = table("", "", "")
    made.show_header = False
    for finding in found:
        made.add_row("[green]ok[/]" if finding.ok else "[red]problem[/]", finding.name, escape(finding.detail))
    show(found, made, as_json=as_json)
    if not all(finding.ok for finding in found):
        raise typer.Exit(ExitCode.DOWN)
