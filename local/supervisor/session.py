"""One run of `make up`: from an empty or stopped state directory to a running system, and back."""

import asyncio
import os
import signal
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from time import monotonic

from rich.console import Console

from domain.market import Market
from local import postgres, supabase_lite, temporal_server
from local.foreground import StartError, hold
from local.supervisor import state_directory
from local.supervisor.display import PlainDisplay, TableDisplay
from local.supervisor.environment_file import read_environment, write_environment
from local.supervisor.leftovers import end_leftovers
from local.supervisor.market import MarketChoice, choose_market, playback, simulated_symbols
from local.supervisor.ports import choose_ports
from local.supervisor.stack import Stack, usual_ports
from local.supervisor.status import Display
from local.supervisor.supervisor import Supervisor

ENVIRONMENT_FILE = "env"
LOUD = {
    Market.BINANCE: "LIVE BINANCE PRODUCTION DATA (no orders are placed with it)",
    Market.SIMULATED: "SIMULATED EXCHANGE: GENERATED PRICES, NOT REAL ONES",
    Market.REPLAY: "REPLAY OF RECORDED CANDLES, NOT TODAY'S PRICES",
}


async def run_session(state: Path, *, wanted_market: str, workers: int, console: Console) -> int:
    """Run the system in the foreground until SIGINT, SIGTERM or SIGHUP; the exit status. Raises StartError before anything has started."""
    _use_no_threads()
    _require_programs()
    market = replace(await choose_market(wanted_market), symbols=simulated_symbols(os.environ), playback=playback(os.environ))
    state_directory.prepare(state)
    _refuse_second(state)
    _require_sound(state)
    with hold(state):
        return await _run_alone(state, market, workers, console)


async def _run_alone(state: Path, market: MarketChoice, workers: int, console: Console) -> int:
    plain = PlainDisplay(console)
    for pid in end_leftovers(state):
        plain.say(f"ended process {pid}, left over from an earlier start")
    ports, moved = choose_ports(state / "ports.json", usual_ports(workers))
    for sentence in moved:
        plain.say(sentence)
    plain.say(f"MARKET: {LOUD[market.market]} ({market.why})")
    (state / "postgres").mkdir(exist_ok=True)
    stack = Stack(state=state, market=market, ports=ports, workers=workers)
    write_environment(state / ENVIRONMENT_FILE, stack.environment())
    return await _supervise(stack, console)


async def _supervise(stack: Stack, console: Console) -> int:
    began = monotonic()
    display: Display
    screen: AbstractContextManager[object]
    if console.is_terminal:
        display = screen = TableDisplay(console)
    else:
        display, screen = PlainDisplay(console), nullcontext()
    supervisor = Supervisor(stack.specs(), state=stack.state, environment=stack.environment(), display=display)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, supervisor.stop)
    with screen:
        announcing = asyncio.create_task(_announce(supervisor, stack, display, began))
        try:
            went_well = await supervisor.run()
        finally:
            announcing.cancel()
    return 0 if went_well else 1


async def _announce(supervisor: Supervisor, stack: Stack, display: Display, began: float) -> None:
    await supervisor.settled()
    for line in summary(stack, monotonic() - began):
        display.say(line)


def summary(stack: Stack, seconds: float) -> tuple[str, ...]:
    """What a person wants to know once everything runs."""
    settings = stack.environment()
    elsewhere = "" if stack.state == Path(".state").resolve() else f"CLOUDTRADER_STATE={stack.state} "
    command = f"{elsewhere}.venv/bin/cloudtrader"
    return (
        f"ready after {seconds:.1f} s",
        f"  market        {LOUD[stack.market.market]}",
        f"  Temporal      {settings['CLOUDTRADER_TEMPORAL_UI_URL']}",
        f"  Supabase API  {settings['CLOUDTRADER_SUPABASE_URL']}",
        f"  feeder        http://127.0.0.1:{stack.ports['feeder']}/status",
        f"  settings      {stack.state / ENVIRONMENT_FILE}",
        f"  logs          {stack.state / 'logs'}",
        f"  demo users    {stack.state / 'demo-users.json'} holds their passwords",
        f"  traders       {command} trader list",
        f"  signals       {command} signals tail",
        f"  trouble       {command} doctor",
        "  stop          Ctrl-C, or `make down` elsewhere; nothing is lost",
    )


def _refuse_second(state: Path) -> None:
    pid = state_directory.holder(state)
    if pid is None:
        return
    web = read_environment(state / ENVIRONMENT_FILE).get("CLOUDTRADER_TEMPORAL_UI_URL", "")
    raise StartError(f"It runs already: process {pid} in {state}, Temporal at {web}. `make down` stops it.")


def _require_programs() -> None:
    postgres.binaries()
    supabase_lite.node()
    temporal_server.binary()


def _require_sound(state: Path) -> None:
    temporal_server.require_sound(state / "temporal.db")
    for file in (state / "feeder-token", state / "postgres" / "password", state / "supabase" / "keys.json"):
        if file.exists() and not file.read_text().strip():
            raise StartError(f"{file} is empty: put a copy of it back, or begin anew with `make reset`.")
    try:
        if (state / "supabase").exists():
            supabase_lite.keys(state / "supabase")
    except (ValueError, TypeError) as problem:
        raise StartError(
            f"{state / 'supabase' / 'keys.json'} is damaged: put a copy of it back, or begin anew with `make reset`."
        ) from problem


def _use_no_threads() -> None:
    # Before Python 3.12 asyncio waits for children in threads, and a child tied to a thread that ends would end with it.
    if sys.version_info < (3, 12):
        watcher = asyncio.PidfdChildWatcher()
        watcher.attach_loop(asyncio.get_running_loop())
        asyncio.set_child_watcher(watcher)
