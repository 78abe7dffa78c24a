"""Subscription tiers and their limits. The database mirrors these numbers in its triggers; a test compares the two."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Tier(StrEnum):
    """A user's subscription level."""

    FREE = "free"
    PRO = "pro"
    ELITE = "elite"


@dataclass(frozen=True, kw_only=True)
class TierLimits:
    """What a tier allows. `None` means no limit. The values travel in a workflow's state: editing this table never changes a replay."""

    max_traders: int
    default_cadence: timedelta
    fastest_cadence: timedelta
    executions_per_hour: int
    max_symbols: int | None
    max_signals_per_tick: int
    max_open_monitors: int
    heartbeat_timeout: timedelta
    stale_after: timedelta
    """Market data that has not moved for this long is stale."""
    stale_after_candles: int
    """A symbol whose newest closed candle is more than this many candles old is stale."""
    priority: int
    """Temporal priority key, 1 (first) to 5."""
    max_filter_steps: int = 2_000
    """Distinct steps of an expression. The defaults of these three allow what was deployed before there were limits."""
    max_filter_indicators: int = 64
    """Distinct calls of functions over the history."""
    max_filter_cost: timedelta = timedelta(milliseconds=500)
    """One core's time for a first evaluation over 400 symbols, as the compiler estimates it."""


STALE_CANDLES = 2

LIMITS = {
    Tier.FREE: TierLimits(
        max_traders=0,
        default_cadence=timedelta(seconds=60),
        fastest_cadence=timedelta(seconds=60),
        executions_per_hour=0,
        max_symbols=0,
        max_signals_per_tick=0,
        max_open_monitors=0,
        heartbeat_timeout=timedelta(seconds=60),
        stale_after=timedelta(seconds=120),
        stale_after_candles=STALE_CANDLES,
        priority=5,
        max_filter_steps=500,
        max_filter_indicators=24,
        max_filter_cost=timedelta(milliseconds=200),
    ),
    Tier.PRO: TierLimits(
        max_traders=10,
        default_cadence=timedelta(seconds=60),
        fastest_cadence=timedelta(seconds=60),
        executions_per_hour=60,
        max_symbols=50,
        max_signals_per_tick=10,
        max_open_monitors=0,
        heartbeat_timeout=timedelta(seconds=60),
        stale_after=timedelta(seconds=120),
        stale_after_candles=STALE_CANDLES,
        priority=3,
        max_filter_steps=500,
        max_filter_indicators=24,
        max_filter_cost=timedelta(milliseconds=200),
    ),
    Tier.ELITE: TierLimits(
        max_traders=1_000,
        default_cadence=timedelta(seconds=5),
        fastest_cadence=timedelta(seconds=1),
        executions_per_hour=3_600,
        max_symbols=None,
        max_signals_per_tick=50,
        max_open_monitors=50,
        heartbeat_timeout=timedelta(seconds=10),
        stale_after=timedelta(seconds=15),
        stale_after_candles=STALE_CANDLES,
        priority=2,
        max_filter_steps=2_000,
        max_filter_indicators=64,
        max_filter_cost=timedelta(milliseconds=500),
    ),
}
