"""What the JavaScript engine takes and gives, whichever process runs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from domain.filters import FailureKind, FilterFailure, FilterProblem, FilterSpec
from domain.market import Interval

CANDLES = 250
"""A filter sees exactly this many candles of each interval, as it did in the browser."""
PASS = timedelta(seconds=2)
"""The longest time for one pass over all rows."""
CONDITIONS, CONDITION_LENGTH = 32, 200
"""So many conditions are kept of a match, and so many characters of each."""
MESSAGE_LENGTH = 500
"""Characters of what is said of a failure."""
FAILURES = 16
"""So many different failures of a pass are told one by one, the rest as one more."""
MATCHED, FAILED = 1, 2
"""Verdicts as they are written in memory; 0 is no match."""
HOPELESS = frozenset({FailureKind.COMPILE, FailureKind.TIMEOUT, FailureKind.MEMORY, FailureKind.CRASHED, FailureKind.SUSPENDED})
"""Where all rows of a pass fail like this, those of the next would too, each pass at the engine's full patience."""
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

    @staticmethod
    def of(spec: FilterSpec) -> "JavaScriptFilter":
        """The filter of a trader."""
        others = tuple(sorted({*spec.required_intervals} - {spec.interval}))
        return JavaScriptFilter(code=spec.code, interval=spec.interval, others=others, truthy=spec.truthy)

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
    """[row, column, candle], C-contiguous: frames.COLUMNS by CANDLES."""


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """What one pass of a filter sees. A row is one symbol at one candle; live each symbol is one row. Never changes."""

    symbols: tuple[str, ...]
    windows: Mapping[Interval, Window]
    tickers: NDArray[np.float64]
    """[row, field]: frames.TICKER_FIELDS; NaN where unknown."""


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

    @staticmethod
    def all_failed(failure: FilterFailure, rows: int, busy: timedelta = timedelta()) -> "Verdicts":
        """Every row failed alike."""
        told = (replace(failure, symbols=rows),)
        return Verdicts(matched=np.zeros(rows, np.bool_), failed=np.ones(rows, np.bool_), failures=told, busy=busy)

    def is_hopeless(self) -> bool:
        """Whether every row failed, and none would do better next time."""
        return bool(self.failed.size and self.failed.all()) and all(failure.kind in HOPELESS for failure in self.failures)


def joined(parts: Sequence[Verdicts]) -> Verdicts:
    """The verdicts on the parts of one view, in its order."""
    conditions: dict[int, tuple[str, ...]] = {}
    failures: dict[tuple[FailureKind, str, int | None], FilterFailure] = {}
    first = 0
    for part in parts:
        conditions |= {first + row: said for row, said in part.conditions.items()}
        for failure in part.failures:
            place = failure.kind, failure.message, failure.line
            earlier = failures.get(place)
            failures[place] = replace(earlier, symbols=earlier.symbols + failure.symbols) if earlier else failure
        first += len(part.matched)
    return Verdicts(
        matched=np.concatenate([np.zeros(0, np.bool_), *(part.matched for part in parts)]),
        failed=np.concatenate([np.zeros(0, np.bool_), *(part.failed for part in parts)]),
        conditions=conditions,
        failures=tuple(failures.values()),
        busy=sum((part.busy for part in parts), timedelta()),
    )


class JavaScriptEngine(Protocol):
    """Runs filters of users who trust neither us nor each other."""

    async def evaluate(self, user: str, compiled: JavaScriptFilter, view: View) -> Verdicts:
        """One pass over all rows. Whatever the filter does is a verdict; raises UnavailableError when no filter process can be had."""

    async def check(self, compiled: JavaScriptFilter) -> tuple[FilterProblem, ...]:
        """What keeps the filter from being run; nothing of it is run. Raises UnavailableError."""
