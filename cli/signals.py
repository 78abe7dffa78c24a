"""`cloudtrader signals ...`: what a user's traders found."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape

from adapters.supabase.signals import RecordedSignal, SupabaseSignals
from cli.options import Json, User, blocking
from cli.output import console, moment, show, show_line, table
from cli.session import Session, session
from cli.tail import Tail
from domain.errors import UnavailableError

app = typer.Typer(no_args_is_help=True, help="See the signals of a user's traders.")

POLL_SECONDS = 1.0

Trader = Annotated[str | None, typer.Option("--trader", metavar="TRADER", help="Only this trader's: its id or exact name.")]


@app.command("list")
@blocking
async def list_signals(
    trader: Trader = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 20,
    user: User = None,
    as_json: Json = False,
) -> None:
    """The newest signals, the newest first."""
    async with _asking(user, trader) as (on, user_id, trader_id):
        found = await on.signals.recent(user_id, trader_id, limit=limit)
    made = table("candle", "symbol", "interval", "price", "market", "status", "conditions", "values", "trader")
    for recorded in found:
        made.add_row(*_cells(recorded))
    show(found, made if found else "No signals yet.", as_json=as_json)


@app.command()
@blocking
async def tail(
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Stay and show new ones as they come.")] = True,
    trader: Trader = None,
    last: Annotated[int, typer.Option("--last", min=0, max=1000, help="Begin with this many that are there already.")] = 10,
    user: User = None,
    as_json: Json = False,
) -> None:
    """Show signals as they are recorded, one line each (with --json one document a line). Ctrl-C ends it."""
    async with _asking(user, trader) as (on, user_id, trader_id):
        place = Tail(_Stored(on.signals, user_id, trader_id))
        _print(await place.start(last), as_json=as_json)
        with suppress(asyncio.CancelledError):
            while follow:
                await asyncio.sleep(POLL_SECONDS)
                _print(await next_patiently(place), as_json=as_json)


@dataclass(frozen=True)
class _Stored:
    """One user's signals in the database, or one trader's."""

    signals: SupabaseSignals
    user_id: UUID
    trader_id: UUID | None

    async def newest(self, limit: int) -> list[RecordedSignal]:
        return await self.signals.recent(self.user_id, self.trader_id, limit=limit)

    def since(self, moment: datetime) -> AsyncIterator[list[RecordedSignal]]:
        return self.signals.since(moment, self.user_id, self.trader_id)


async def next_patiently(place: Tail) -> list[RecordedSignal]:
    """What has come, also across an outage of the database: nothing is lost by it."""
    said = False
    while True:
        try:
            return await place.next()
        except UnavailableError as problem:
            if not said:
                Console(stderr=True).print(f"[yellow]waiting:[/] {escape(str(problem))}")
            said = True
            await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def _asking(email: str | None, trader: str | None) -> AsyncIterator[tuple[Session, UUID, UUID | None]]:
    async with session() as on:
        user_id = await on.user(email)
        yield on, user_id, (await on.traders.find(user_id, trader)).id if trader else None


def _print(found: list[RecordedSignal], *, as_json: bool) -> None:
    for recorded in found:
        if as_json:
            show_line(recorded)
        else:
            console().print("  ".join(cell for cell in _cells(recorded) if cell), soft_wrap=True)


def _cells(recorded: RecordedSignal) -> tuple[str, ...]:
    signal, match = recorded.signal, recorded.signal.match
    marks = "".join(f" ({mark})" for mark, applies in (("late", match.late), ("initial", match.initial)) if applies)
    conditions = escape(" · ".join(match.conditions)) + marks
    where = (moment(match.candle_open_time), f"[bold]{match.symbol}[/]", str(signal.interval), f"{match.price:f}")
    values = escape(", ".join(f"{name} {value:g}" for name, value in match.values.items()))
    return (*where, str(signal.market), str(recorded.status), conditions, values, f"[dim]{signal.trader_id}[/]")
