"""`cloudtrader demo ...`: users of every tier and example traders, for a first look."""

import asyncio
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import typer

from cli.demo_users import email_of, passwords, users_file
from cli.options import Json, blocking
from cli.output import show
from cli.session import Session, session
from domain.errors import NotFoundError, UnavailableError
from domain.filters import FilterSpec
from domain.market import Interval
from domain.tiers import LIMITS, Tier
from domain.traders import TraderSettings, TraderStatus

app = typer.Typer(no_args_is_help=True, help="Users and traders for a first look.")

EXAMPLES = Path(__file__).parent / "examples"
PATIENCE = timedelta(minutes=3)
"""A new stack's workers answer once they have the market's history."""
PAUSE_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Example:
    """An example trader."""

    name: str
    file: Path
    interval: Interval


RSI_BOUNCE = Example(name="RSI oversold bounce", file=EXAMPLES / "rsi-oversold-bounce.filter", interval=Interval.M5)
GOLDEN_CROSS = Example(name="Golden cross with hourly trend", file=EXAMPLES / "golden-cross-hourly-trend.filter", interval=Interval.M15)
VOLUME_SPIKE = Example(name="Volume spike", file=EXAMPLES / "volume-spike.filter", interval=Interval.M1)
TRADERS = (RSI_BOUNCE, GOLDEN_CROSS, VOLUME_SPIKE)
DEPLOYED = {Tier.FREE: (), Tier.PRO: (VOLUME_SPIKE,), Tier.ELITE: TRADERS}


@app.command()
@blocking
async def seed(as_json: Json = False) -> None:
    """Make a demo user per tier; example traders for pro and elite, and run them. Doing it again changes nothing."""
    known = passwords()
    async with session() as on:
        users = {tier: await _user(on, tier, known[email_of(tier)]) for tier in Tier}
        for tier in (Tier.ELITE, Tier.PRO):
            for example in TRADERS:
                await _ensure(on, users[tier], tier, example)
        ui = on.settings.temporal_ui_url
    text = "\n".join((*user_lines(known), f"See their signals: cloudtrader signals tail\nSee their workflows: {ui}"))
    show({"users": users, "passwords_file": users_file(), "web_ui": ui}, text, as_json=as_json)


def user_lines(known: dict[str, str]) -> Iterator[str]:
    """Who there is. A terminal shows the passwords; anything else may be a log, and is told where they are."""
    shown = sys.stdout.isatty()
    for tier in Tier:
        password = f"password {known[email_of(tier)]:22} " if shown else ""
        yield f"{email_of(tier):28} {password}traders running: {len(DEPLOYED[tier])}"
    if not shown:
        yield f"Their passwords are in {users_file()}, which its owner alone can read."


@app.callback()
def _group() -> None:
    """Users and traders for a first look."""


async def _user(on: Session, tier: Tier, password: str) -> UUID:
    email = email_of(tier)
    try:
        user_id = await on.users.find_by_email(email)
    except NotFoundError:
        return await on.users.create_user(email, password, tier)
    await on.users.set_tier(user_id, tier)  # a seed that was interrupted may have left the user without one
    return user_id


async def _ensure(on: Session, user_id: UUID, tier: Tier, example: Example) -> None:
    """Have the trader stored and, where it belongs to the show, running. One that its owner stopped stays stopped."""
    stored = next((trader for trader in await on.deployments.list(user_id) if trader.name == example.name), None)
    if stored is None:
        spec = FilterSpec(code=example.file.read_text(encoding="utf-8"), interval=example.interval)
        settings = TraderSettings(filter=spec, cadence=LIMITS[tier].default_cadence)
        await on.deployments.create(user_id, example.name, settings, description="An example.")
    if example in DEPLOYED[tier] and (stored is None or stored.status is not TraderStatus.STOPPED):
        await _deploy(on, user_id, example.name)


async def _deploy(on: Session, user_id: UUID, name: str) -> None:
    deadline = time.monotonic() + PATIENCE.total_seconds()
    while True:
        try:
            await on.deployments.deploy(user_id, name)
            return
        except UnavailableError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(PAUSE_SECONDS)
