"""The signals of a preview, as columns: there may be hundreds of thousands."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from domain.filters import FilterFailure
from domain.market import Interval
from filters.expression.kernels import Condition, Values
from filters.outcome import HOLDS
from filters.preview.outcomes import Described, NewMatches, Outcome, Outcomes, Step
from filters.preview.past_candles import Indices, PastCandles

Column = TypeVar("Column", Condition, Values)


@dataclass(frozen=True, kw_only=True)
class PastSignal:
    """A symbol that newly matched at one candle."""

    symbol: str
    candle_open_time: datetime
    price: float
    """The candle's close."""
    conditions: tuple[str, ...]
    values: dict[str, float]
    """What is plotted and the score, where finite."""
    initial: bool
    """It matched at the first candle of all: since when is not known. By default a trader makes no signal of it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SignalTable:
    """Signals in the order of time, at the same time in the order of the symbols. A collection of PastSignal."""

    symbols: tuple[str, ...]
    interval: Interval
    rows: NDArray[np.intp]
    """Place of each signal's symbol in `symbols`."""
    indices: Indices
    prices: Values
    initial: NDArray[np.bool_]
    labelled: Mapping[str, Condition]
    series: Mapping[str, Values]
    said: Sequence[tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[PastSignal]:
        return (self[place] for place in range(len(self)))

    def __getitem__(self, place: int) -> PastSignal:
        held = tuple(label for label, values in self.labelled.items() if values[place] == HOLDS)
        values = {name: float(series[place]) for name, series in self.series.items()}
        return PastSignal(
            symbol=self.symbols[int(self.rows[place])],
            candle_open_time=self.interval.open_time(int(self.indices[place])),
            price=float(self.prices[place]),
            conditions=(*held, *(self.said[place] if self.said else ())),
            values={name: value for name, value in values.items() if np.isfinite(value)},
            initial=bool(self.initial[place]),
        )

    @property
    def places(self) -> NDArray[np.intp]:
        """The signals a trader would record: all but the initial ones."""
        return np.flatnonzero(~self.initial)


@dataclass(frozen=True, kw_only=True)
class FailureCount:
    """One way in which the filter failed; `failure` is that of the first symbol."""

    failure: FilterFailure
    evaluations: int


class Collection:
    """Gathers what the steps of one pass over a range found."""

    def __init__(self, candles: PastCandles, interval: Interval, first: int, last: int) -> None:
        self.outcomes: Outcomes = np.full((len(candles.symbols), last - first + 1), Outcome.NOT_READY, dtype=np.uint8)
        """[symbol, candle] from candle `first` to `last`."""
        self.first, self.last = first, last
        self.busy = 0.0
        self._candles = candles
        self._interval = interval
        self._new = NewMatches(len(candles.symbols))
        self._cells: list[tuple[NDArray[np.intp], Indices]] = []
        self._described: list[Described] = []
        self._failures: dict[tuple[str, str, int | None], FailureCount] = {}

    def add(self, step: Step) -> int:
        """Take a step; how many evaluations it held."""
        begin = step.first - self.first
        self.outcomes[step.rows, begin : begin + step.outcome.shape[1]] = step.outcome
        self.busy += step.busy
        for failure in step.failures:
            self._count(failure)
        places, columns = np.nonzero(self._new.among(step))
        if len(places):
            self._cells.append((step.rows[places], columns + step.first))
            self._described.append(step.describe((places, columns)))
        return step.outcome.size

    @property
    def failures(self) -> tuple[FailureCount, ...]:
        """The most frequent first."""
        return tuple(sorted(self._failures.values(), key=lambda count: -count.evaluations))

    def signals(self) -> SignalTable:
        """All of them."""
        rows = _joined([rows for rows, _ in self._cells], np.intp)
        indices = _joined([indices for _, indices in self._cells], np.int64)
        order = np.lexsort((rows, indices))
        rows, indices = rows[order], indices[order]
        said = [conditions for described in self._described for conditions in described.said]
        return SignalTable(
            symbols=self._candles.symbols,
            interval=self._interval,
            rows=rows,
            indices=indices,
            prices=self._candles.of(self._interval).at("close", rows, indices),
            initial=indices == self.first,
            labelled=_columns([each.labelled for each in self._described], order),
            series=_columns([each.series for each in self._described], order),
            said=[said[place] for place in order] if said else (),
        )

    def _count(self, failure: FilterFailure) -> None:
        key = (failure.kind, failure.message, failure.line)
        known = self._failures.get(key)
        self._failures[key] = FailureCount(
            failure=known.failure if known else replace(failure, symbols=1),
            evaluations=failure.symbols + (known.evaluations if known else 0),
        )


def _joined(parts: Sequence[NDArray[np.integer]], kind: type[np.signedinteger]) -> NDArray[np.int64]:
    return np.concatenate(parts).astype(kind) if parts else np.zeros(0, dtype=kind)


def _columns(parts: Sequence[Mapping[str, Column]], order: NDArray[np.intp]) -> dict[str, Column]:
    """The parts of each column, one behind the other and then in this order."""
    return {name: np.concatenate([part[name] for part in parts])[order] for name in (parts[0] if parts else ())}
