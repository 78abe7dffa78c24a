"""Where a trader stands in its screening: what travels from window to window, and what one evaluation found."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A trader's place on the candle grid of its interval, and the symbols that matched there. Small enough for history and heartbeats.

    A `close` trader evaluates each candle of each symbol once: a symbol not named in `behind` has been evaluated up to and
    including candle `evaluated`; a symbol in `behind` (its candle came late) up to and including the index given there.
    A `tick` trader uses only `matching`.
    """

    matching: tuple[str, ...] = ()
    baseline: int | None = None
    """The trader's first candle: what matches there was so before the trader looked, and is reported as initial."""
    evaluated: int | None = None
    behind: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Match:
    """One symbol that newly passed the filter at one candle."""

    symbol: str
    candle_index: int
    candle_open_time: datetime
    price: Decimal
    change_percent: float
    quote_volume: float
    conditions: tuple[str, ...] = ()
    values: dict[str, float] = field(default_factory=dict)
    initial: bool = False
    late: bool = False
    data_age: timedelta = timedelta()
    snapshot_seq: int = 0
