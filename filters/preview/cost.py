"""What a trader with this filter would take of a processor, live."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from domain.filters import FilterSpec, Trigger
from domain.tiers import LIMITS, Tier

_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class CostEstimate:
    """From this machine's speed, for the filter alone: live, indicators that other traders use too are computed once for all."""

    ticks_per_day: int
    tick: timedelta
    """CPU time of one tick over all symbols."""
    per_day: timedelta
    tier_percent: Mapping[Tier, float]
    """How much of what a tier allows one filter the compiler's own estimate uses; empty for a browser filter, whose passes are limited."""

    @property
    def core_percent(self) -> float:
        """Percent of one processor core."""
        return self.per_day / _DAY * 100


def estimate(spec: FilterSpec, tick_seconds: float, cadence: timedelta, compiled: timedelta | None) -> CostEstimate:
    """`cadence` counts for a trader of the forming candle; one of closed candles ticks once each. `compiled` is the compiler's estimate."""
    pace = spec.interval.duration if spec.trigger is Trigger.CLOSE else cadence
    ticks, tick = _DAY // pace, timedelta(seconds=tick_seconds)
    return CostEstimate(ticks_per_day=ticks, tick=tick, per_day=ticks * tick, tier_percent=_shares(compiled) if compiled else {})


def _shares(cost: timedelta) -> dict[Tier, float]:
    return {tier: round(cost / limits.max_filter_cost * 100, 2) for tier, limits in LIMITS.items() if limits.max_traders}
