"""What a trader with this filter would take of a processor, live."""

from dataclasses import dataclass
from datetime import timedelta

from domain.filters import FilterSpec, Trigger

_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class CostEstimate:
    """From this machine's speed, for the filter alone: live, indicators that other traders use too are computed once for all."""

    ticks_per_day: int
    tick: timedelta
    """CPU time of one tick over all symbols."""
    per_day: timedelta

    @property
    def core_percent(self) -> float:
        """Percent of one processor core."""
        return self.per_day / _DAY * 100


def estimate(spec: FilterSpec, tick_seconds: float, cadence: timedelta) -> CostEstimate:
    """`cadence` counts for a trader of the forming candle; one of closed candles ticks once each."""
    pace = spec.interval.duration if spec.trigger is Trigger.CLOSE else cadence
    ticks, tick = _DAY // pace, timedelta(seconds=tick_seconds)
    return CostEstimate(ticks_per_day=ticks, tick=tick, per_day=ticks * tick)
