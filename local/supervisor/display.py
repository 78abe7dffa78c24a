"""The supervisor on a terminal: a live table where there is one, a line per change where there is none."""

from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from local.supervisor.status import ProcessStatus, State

STYLES = {
    State.READY: "green",
    State.DONE: "green",
    State.UNHEALTHY: "yellow",
    State.RESTARTING: "yellow",
    State.FAILED: "bold red",
    State.STARTING: "cyan",
    State.STOPPING: "cyan",
}
MINUTE, HOUR, DAY = 60, 3600, 86400


def brief(seconds: float) -> str:
    """A length of time in at most five characters: 7s, 12m, 3h, 5d."""
    for size, unit in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
        if seconds >= size:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds:.0f}s"


def table(statuses: Sequence[ProcessStatus], now: datetime) -> Table:
    """All processes, one a row."""
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("process", "state", "pid", "restarts", "since", "detail", "url"):
        shown.add_column(heading, no_wrap=heading != "detail", justify="right" if heading in ("pid", "restarts", "since") else "left")
    for status in statuses:
        style = STYLES.get(status.state, "dim")
        took = f"after {status.took.total_seconds():.1f} s" if status.took else ""
        shown.add_row(
            status.name,
            f"[{style}]{status.state}[/]",
            str(status.pid or ""),
            str(status.restarts or ""),
            brief((now - status.since).total_seconds()),
            escape(status.detail or took),
            status.url,
        )
    return shown


class PlainDisplay:
    """One line per change, with the seconds since the start: for pipes and CI."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = monotonic()

    def watch(self, statuses: Sequence[ProcessStatus]) -> None:
        """Each is named when it changes."""

    def changed(self, status: ProcessStatus) -> None:
        """One line; none for a start that has no process yet."""
        if status.state is State.STARTING and status.pid is None:
            return
        pid = f" pid {status.pid}" if status.pid else ""
        took = f" after {status.took.total_seconds():.2f} s" if status.took and status.state in (State.READY, State.DONE) else ""
        detail = f": {status.detail}" if status.detail else ""
        self.say(f"{status.name} {status.state}{pid}{took}{detail}")

    def failed(self, status: ProcessStatus, reason: str, tail: Sequence[str]) -> None:
        """Why, and the last lines of its output."""
        self.say(f"{status.name} {reason}. Its last lines:")
        for line in tail:
            self._line(f"    {line}")

    def say(self, text: str) -> None:
        """One line."""
        self._line(f"{monotonic() - self._began:8.2f} s  {text}")

    def refresh(self) -> None:
        """Nothing moves here."""

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class TableDisplay:
    """A live table, with what went wrong printed above it. Use it as a context manager."""

    def __init__(self, console: Console) -> None:
        self._statuses: Sequence[ProcessStatus] = ()
        self._plain = PlainDisplay(console)
        # Rich's own refresh runs in a thread; the supervisor has none and redraws when something changed.
        self._live = Live(console=console, auto_refresh=False, get_renderable=lambda: table(self._statuses, datetime.now(UTC)))

    def __enter__(self) -> "TableDisplay":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def watch(self, statuses: Sequence[ProcessStatus]) -> None:
        """Take them as the rows."""
        self._statuses = statuses

    def changed(self, _status: ProcessStatus) -> None:
        """Draw the table anew."""
        self.refresh()

    def failed(self, status: ProcessStatus, reason: str, tail: Sequence[str]) -> None:
        """Print above the table why, and the last lines of its output."""
        self._plain.failed(status, reason, tail)

    def say(self, text: str) -> None:
        """Print above the table."""
        self._plain.say(text)

    def refresh(self) -> None:
        """Draw the table anew: the times have moved."""
        self._live.refresh()
