"""What commands print: text for people, or one JSON document."""

import sys
from datetime import UTC, datetime, timedelta

from pydantic_core import to_json
from rich.console import Console, RenderableType
from rich.table import Table

NOTHING = "—"
PIPED_WIDTH = 160
"""Columns of text where there is no terminal to ask."""
STYLES = {"running": "green", "starting": "yellow", "paused": "yellow", "stopped": "dim", "error": "red"}


def show(document: object, text: RenderableType, *, as_json: bool) -> None:
    """Print one or the other."""
    if as_json:
        show_line(document, indent=2)
    else:
        console().print(text)


def show_line(document: object, indent: int | None = None) -> None:
    """Print a JSON document. Durations are seconds; what is not a finite number is null."""
    sys.stdout.write(to_json(document, indent=indent, timedelta_mode="float", inf_nan_mode="null").decode() + "\n")
    sys.stdout.flush()


def console() -> Console:
    """Where text goes."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=PIPED_WIDTH)


def table(*columns: str, title: str | None = None) -> Table:
    """An empty table in the house style."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def styled(status: str) -> str:
    """A status in its colour."""
    return f"[{STYLES[status]}]{status}[/]" if status in STYLES else status


def moment(when: datetime | None) -> str:
    """A moment in UTC."""
    return NOTHING if when is None else f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def age(since: datetime | None) -> str:
    """How long ago a moment was."""
    return NOTHING if since is None else f"{duration(datetime.now(UTC) - since)} ago"


def duration(span: timedelta) -> str:
    """A duration in its two greatest units."""
    seconds = max(0.0, span.total_seconds())
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, whole = int(seconds) // 60, int(seconds)
    if minutes < 60:
        return f"{minutes} min {whole % 60} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 1440 else f"{minutes // 1440} d {minutes // 60 % 24} h"
