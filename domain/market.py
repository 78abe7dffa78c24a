"""Intervals, the candle grid and the history a filter sees.

A candle is addressed by its *index* on the interval's grid: the number of whole intervals between the Unix epoch and its open time.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

HISTORY_BLOCK = 256
"""Histories start at a multiple of this many candles, so that live, catch-up and preview compute the same numbers."""
MINIMUM_HISTORY = 512
"""The least number of candles an expression sees of a symbol that is old enough."""
KEPT_BLOCKS = 4
"""Blocks of candles kept per symbol and interval: the newest, begun one and the three before it. The newest candle needs at most
three (768 candles); the fourth lets a trader that was away catch up at least one whole block (256 candles)."""
KEPT_CANDLES = KEPT_BLOCKS * HISTORY_BLOCK


class Market(StrEnum):
    """Where candles come from; stored with every signal."""

    BINANCE = "binance"
    SIMULATED = "simulated"
    REPLAY = "replay"


class SymbolStatus(StrEnum):
    """Whether a symbol can be traded, as the exchange lists it."""

    TRADING = "trading"
    HALT = "halt"
    BREAK = "break"
    CANCEL_ONLY = "cancel_only"
    ABSENT = "absent"
    """Not listed any more, or with a status we do not know."""


SYMBOL_STATUSES = tuple(SymbolStatus)
"""In the order of their codes on the wire."""


class Interval(StrEnum):
    """A candle's width, in Binance's spelling."""

    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    H1 = "1h"
    H4 = "4h"
    D1 = "1d"

    @property
    def milliseconds(self) -> int:
        """Width in milliseconds."""
        return _MILLISECONDS[self]

    @property
    def duration(self) -> timedelta:
        """Width as a duration."""
        return timedelta(milliseconds=self.milliseconds)

    def index_at(self, moment: datetime) -> int:
        """Index of the candle that contains `moment`."""
        return epoch_milliseconds(moment) // self.milliseconds

    def open_time(self, index: int) -> datetime:
        """Open time of the candle with this index."""
        return from_epoch_milliseconds(index * self.milliseconds)

    def close_time(self, index: int) -> datetime:
        """The moment from which the candle with this index is closed (the next candle's open time)."""
        return self.open_time(index + 1)

    def last_closed_within(self, other: "Interval", index: int) -> int:
        """Index, on this interval's grid, of the newest candle that had closed when candle `index` of `other` closed."""
        return (index + 1) * other.milliseconds // self.milliseconds - 1


_MINUTE = 60_000
_MILLISECONDS = {
    Interval.M1: _MINUTE,
    Interval.M5: 5 * _MINUTE,
    Interval.M15: 15 * _MINUTE,
    Interval.H1: 60 * _MINUTE,
    Interval.H4: 240 * _MINUTE,
    Interval.D1: 1440 * _MINUTE,
}


def history_anchor(index: int) -> int:
    """Index of the first candle of the history that ends with candle `index`: 512 to 767 candles earlier, on a block boundary."""
    return HISTORY_BLOCK * ((index - (MINIMUM_HISTORY - 1)) // HISTORY_BLOCK)


def epoch_milliseconds(moment: datetime) -> int:
    """Milliseconds since the Unix epoch, exactly."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_epoch_milliseconds(milliseconds: int) -> datetime:
    """The UTC moment that many milliseconds after the Unix epoch."""
    return EPOCH + timedelta(milliseconds=milliseconds)
