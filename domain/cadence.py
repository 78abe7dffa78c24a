"""When a trader ticks next: a wall-clock grid of its cadence, shifted by a phase of its own so that traders do not tick all at once."""

from datetime import datetime, timedelta
from uuid import UUID

from domain.market import EPOCH


def phase_of(trader_id: UUID, cadence: timedelta) -> timedelta:
    """The trader's fixed place within its cadence."""
    return timedelta(microseconds=trader_id.int % max(1, cadence // timedelta(microseconds=1)))


def next_due(now: datetime, cadence: timedelta, phase: timedelta) -> datetime:
    """The first moment of the grid after `now`. Missed ones are not made up for: a late tick sees everything a missed one would have."""
    return EPOCH + phase + cadence * ((now - EPOCH - phase) // cadence + 1)
