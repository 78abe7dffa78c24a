"""`make up`, `make down` and `make reset`.

    python -m local up|down|reset

Settings come from the environment: CLOUDTRADER_STATE (folder, .state), MARKET (binance, simulated or replay:FILE; empty: Binance where it
can be reached), MARKET_SYMBOLS, MARKET_SPEED, MARKET_START and MARKET_HOLD=1 (how a simulated market plays), WORKERS (processes, 1),
FORCE=1 (reset without asking).
"""

import argparse
import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path

from rich.console import Console

from local.foreground import StartError
from local.supervisor import state_directory
from local.supervisor.session import run_session
from local.supervisor.stack import MAX_WORKERS

STOP_WITHIN = timedelta(minutes=2)


def state_path() -> Path:
    """The state directory that the environment names."""
    return Path(os.environ.get("CLOUDTRADER_STATE") or ".state").expanduser().resolve()


def worker_count(text: str) -> int:
    """WORKERS as a number. Raises StartError."""
    if not text.isdecimal() or not 1 <= int(text) <= MAX_WORKERS:
        raise StartError(f"WORKERS={text} is not a number of processes: use 1 to {MAX_WORKERS}.")
    return int(text)


def up(console: Console) -> int:
    """Run everything until stopped; the exit status."""
    workers = worker_count(os.environ.get("WORKERS") or "1")
    return asyncio.run(run_session(state_path(), wanted_market=os.environ.get("MARKET", ""), workers=workers, console=console))


def down(console: Console) -> int:
    """Stop what runs; the exit status."""
    pid = state_directory.stop_holder(state_path(), STOP_WITHIN)
    console.print(f"Nothing runs in {state_path()}." if pid is None else f"Process {pid} has stopped everything.", highlight=False)
    return 0


def reset(console: Console) -> int:
    """Stop what runs and delete the state directory; the exit status."""
    state = state_path()
    if not state.exists():
        console.print(f"{state} is not there: nothing to delete.", highlight=False)
        return 0
    if os.environ.get("FORCE") != "1" and not _confirmed(console, state):
        return 1
    down(console)
    state_directory.erase(state)
    console.print(f"{state} is deleted.", highlight=False)
    return 0


def _confirmed(console: Console, state: Path) -> bool:
    if not sys.stdin.isatty():
        raise StartError(f"This deletes {state} with its database and workflows. Say so with FORCE=1.")
    answer = console.input(f"Delete {state} with all traders, signals and workflows? Type yes: ")
    return answer.strip() == "yes"


def main() -> None:
    """The command line."""
    commands = {"up": up, "down": down, "reset": reset}
    parser = argparse.ArgumentParser(prog="python -m local", description="The whole system on one machine.")
    parser.add_argument("command", choices=commands, nargs="?", default="up")
    command = commands[parser.parse_args().command]
    try:
        sys.exit(command(Console()))
    except (StartError, OSError) as problem:
        sys.exit(f"cannot go on: {problem}")


if __name__ == "__main__":
    main()
