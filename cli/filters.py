"""`cloudtrader filter ...`: what is wrong with a filter, before it is deployed."""

from pathlib import Path
from typing import Annotated

import typer

from cli.exits import FilterFileError
from cli.filter_files import code_in
from cli.options import Json
from cli.output import show
from cli.traders import IntervalOption, TriggerOption
from domain.filters import FilterSpec, Trigger
from domain.market import Interval

app = typer.Typer(no_args_is_help=True, help="Work on filters.")


@app.command("check")
def check_file(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, metavar="FILE")],
    interval: IntervalOption = Interval.M5,
    trigger: TriggerOption = Trigger.CLOSE,
    as_json: Json = False,
) -> None:
    """Compile a filter without storing it."""
    from filters.validation import check  # noqa: PLC0415  (TA-Lib takes 0.7 s to load, and the other commands need none)

    code = code_in(file)
    if problems := check(FilterSpec(code=code, interval=interval, trigger=trigger)):
        raise FilterFileError(problems, file, code)
    show({"file": file, "good": True}, f"{file} is a good filter.", as_json=as_json)


@app.callback()
def _group() -> None:
    # With one command only, Typer would drop its name.
    """Work on filters."""
