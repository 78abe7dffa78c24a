"""What the JavaScript engine takes and gives, whichever process runs it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from domain.filters import FilterFailure, FilterProblem
from domain.market import Interval

CANDLES = 250
"""A filter sees exactly this many candles of each interval, as it did in the browser."""
COLUMNS = ("open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume")
"""In the order of `Window.values`; the names are those of a Frame's columns."""
TICKER_FIELDS = ("last", "open", "high", "low", "volume", "quote_volume", "change", "change_percent", "weighted_average")
"""In the order of `View.tickers`; the names are those of the Tickers' columns."""
_ENGINE_VERSION = "javascript/1"


@dataclass(frozen=True, kw_only=True, eq=False)
class JavaScriptFilter:
    """A filter ready to be run: the body of a function of ticker, timeframes, helpers and hvnNodes."""

    code: str
    interval: Interval
    """The trader's: `klines` is bound to its candles, and it is one of the timeframes."""
    others: tuple[Interval, ...] = ()
    """Further timeframes."""
    truthy: bool = False

    @property
    def required(self) -> Mapping[Interval, int]:
        """Candles of history without which nothing can be said, per interval."""
        return dict.fromkeys((self.interval, *self.others), CANDLES)

    @property
    def key(self) -> str:
        """Equal for filters that do the same with the same candles."""
        parts = (_ENGINE_VERSION, self.interval, *sorted(self.others), str(self.truthy), self.code)
        return sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True, kw_only=True, eq=False)
class Window:
    """The candles of one interval, oldest first; with a forming candle it is the last."""

    first_index: NDArray[np.int64]
    """Per row: grid index of its first candle."""
    values: NDArray[np.float64]
    """[row, column, candle], C-contiguous: COLUMNS by CANDLES."""


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """What one pass of a filter sees. A row is one symbol at one candle; live each symbol is one row. Never changes."""

    symbols: tuple[str, ...]
    windows: Mapping[Interval, Window]
    tickers: NDArray[np.float64]
    """[row, field]: TICKER_FIELDS; NaN where unknown."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdicts:
    """What a pass found, row by row of its view."""

    matched: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    conditions: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """By matching row, where the filter gave any."""
    failures: tuple[FilterFailure, ...] = ()
    """Grouped: one for each kind, message and line."""
    busy: timedelta = timedelta()
    """CPU time it took."""


class JavaScriptEngine(Protocol):
    """Runs filters of users who trust neither us nor each other."""

    async def evaluate(self, user: str, compiled: JavaScriptFilter, view: View) -> Verdicts:
        """One pass over all rows. Whatever the filter does is a verdict; raises UnavailableError when no filter process can be had."""

    async def check(self, compiled: JavaScriptFilter) -> tuple[FilterProblem, ...]:
        """What keeps the filter from being run; nothing of it is run. Raises UnavailableError."""
