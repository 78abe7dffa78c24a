"""Whether two filters find the same, candle by candle, over the past."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from domain.errors import RefusedError
from domain.market import Interval
from filters.preview.languages import Prepared
from filters.preview.outcomes import Outcome, Outcomes
from filters.preview.past_candles import PastCandles
from filters.preview.segments import first_evaluable

DIFFERENCES_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One symbol at one candle for which two filters differ."""

    symbol: str
    open_time: datetime
    first: str
    second: str
    """How the evaluations ended."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What came of comparing two filters. Counts are evaluations: symbols times candles."""

    symbols: int
    begin: datetime
    """Open time of the first candle compared."""
    end: datetime
    """Open time of the last one."""
    compared: int
    """Where both had the history they need."""
    matches: int
    """Of the first filter."""
    other_matches: int
    """Of the second one."""
    differing: int
    ties: int
    """Differing evaluations that hang on the last bit of a number."""
    differences: tuple[Difference, ...]
    """The first DIFFERENCES_NAMED in the order of time."""

    @property
    def is_exact(self) -> bool:
        """Whether they never differ."""
        return not self.differing

    @property
    def is_exact_but_for_ties(self) -> bool:
        """Whether they differ nowhere but where numbers are equal but for rounding."""
        return self.differing == self.ties

    def __str__(self) -> str:
        over = f"over {self.compared:,} evaluations of {self.symbols} symbols, {self.begin:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M}"
        if self.is_exact and not self.matches:
            return f"the same {over}, but neither ever matched: that proves little"
        if self.is_exact:
            return f"the same {over}: {self.matches:,} matches"
        first = self.differences[0]
        ties = f" ({self.ties:,} where two numbers are equal but for the last bit)" if self.ties else ""
        place = f"{first.symbol} {first.open_time:%Y-%m-%d %H:%M}: {first.first} and {first.second}"
        return f"{self.differing:,} differ{ties} {over}, with {self.matches:,} and {self.other_matches:,} matches; first {place}"


async def compare(
    first: Prepared, second: Prepared, base: Interval, candles: PastCandles, latest: int, ties: Prepared | None = None
) -> Agreement:
    """Evaluate both at the `latest` newest candles at which both can be; `ties` matches where numbers are equal but for rounding.

    Raises RefusedError where there is nothing to compare, and what engines raise.
    """
    past = candles.of(base)
    begins = {
        interval: max(each.begin_of(candles.of(interval).known_from) for each in (first, second) if interval in each.required)
        for interval in {**first.required, **second.required}
    }
    last = past.end_index - 1
    begin = max(first_evaluable(base, past.first_index, last, begins), last + 1 - latest)
    one, other = [await _outcomes(each, candles, begin, last) for each in (first, second)]
    excused = await _outcomes(ties, candles, begin, last) if ties and (one != other).any() else np.zeros_like(one)
    return _agreement(one, other, excused == Outcome.MATCHED, base, candles, begin)


async def _outcomes(prepared: Prepared, candles: PastCandles, begin: int, last: int) -> Outcomes:
    found = np.zeros((len(candles.symbols), last + 1 - begin), dtype=np.uint8)
    async for step in prepared.steps(candles, begin, last):
        place = step.first - begin
        found[step.rows, place : place + step.outcome.shape[1]] = step.outcome
    return found


def _agreement(one: Outcomes, other: Outcomes, tied: NDArray[np.bool_], base: Interval, candles: PastCandles, begin: int) -> Agreement:
    compared = (one != Outcome.NOT_READY) & (other != Outcome.NOT_READY)
    if not compared.any():
        raise RefusedError("There is nothing to compare: the candles given are fewer than the filter needs.")
    differing = compared & (one != other)
    columns, rows = np.nonzero(differing.T)
    return Agreement(
        symbols=len(candles.symbols),
        begin=base.open_time(begin),
        end=base.open_time(begin + one.shape[1] - 1),
        compared=int(compared.sum()),
        matches=int((compared & (one == Outcome.MATCHED)).sum()),
        other_matches=int((compared & (other == Outcome.MATCHED)).sum()),
        differing=int(differing.sum()),
        ties=int((differing & tied).sum()),
        differences=tuple(
            Difference(
                symbol=candles.symbols[row],
                open_time=base.open_time(begin + int(column)),
                first=_word(one[row, column]),
                second=_word(other[row, column]),
            )
            for column, row in list(zip(columns, rows, strict=True))[:DIFFERENCES_NAMED]
        ),
    )


def _word(outcome: int) -> str:
    return Outcome(outcome).name.lower().replace("_", " ")
