"""Traders over a real replica of the market, ticking as the screening activity lets them: when candles have settled, and each second."""

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import uuid4

from activities.ports import Outcome, ScreenRequest
from domain.filters import FilterSpec
from domain.screening import Match, Progress
from domain.tiers import LIMITS, Tier
from domain.traders import TraderSettings
from filters.evaluation import Evaluator
from workers.screens import ReplicaScreens

LOOK = 1.0
"""Seconds; a trader also looks when nothing closes, or it would not see that data has become stale."""


@dataclass
class Work:
    """What one trader found so far."""

    progress: Progress = field(default_factory=Progress)
    matches: list[Match] = field(default_factory=list)
    outcomes: set[Outcome] = field(default_factory=set)
    evaluated: list[int] = field(default_factory=list)
    """The newest candle of every tick that evaluated any, by its index."""
    counted: tuple[int, int] = (0, 0)
    """How many symbols were processed at the last tick that evaluated any, and how many of these were not ready."""


@asynccontextmanager
async def trading(replica, code, interval, *, symbols=(), stale_after=timedelta(seconds=3)):
    """One trader at work while the block lasts."""
    limits = replace(LIMITS[Tier.ELITE], stale_after=stale_after, max_signals_per_tick=1_000)
    settings = TraderSettings(filter=FilterSpec(code=code, interval=interval), cadence=timedelta(seconds=1), symbols=symbols)
    screen = await ReplicaScreens(replica, Evaluator()).open(
        ScreenRequest(trader_id=uuid4(), user_id=uuid4(), settings=settings, limits=limits)
    )
    work = Work()
    task = asyncio.create_task(_keep_looking(screen, work, interval))
    try:
        yield work
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if not task.cancelled():
        task.result()


async def _keep_looking(screen, work, interval):
    while True:
        result = await screen.tick(work.progress)
        work.progress = result.progress
        work.matches.extend(result.matches)
        work.outcomes.add(result.outcome)
        if result.evaluated:
            work.counted = (result.symbols_processed, result.symbols_not_ready)
            work.evaluated.append(interval.index_at(result.newest_candle))
        with suppress(TimeoutError):
            await asyncio.wait_for(screen.changed(), LOOK)
