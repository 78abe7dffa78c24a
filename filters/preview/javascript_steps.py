"""A browser filter over past candles: many candles of many symbols to a pass of the engine."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from domain.errors import RefusedError
from domain.market import Interval
from filters.frames import COLUMNS, TICKER_FIELDS
from filters.javascript.contract import CANDLES, JavaScriptEngine, JavaScriptFilter, Verdicts, View, Window
from filters.preview.outcomes import Cells, Described, Outcome, Outcomes, Step
from filters.preview.past_candles import Indices, PastCandles, PastInterval, seen_at
from filters.preview.rolling_ticker import RollingTicker

EVALUATIONS_AT_ONCE = 256
"""A pass this long answers soon enough for a progress bar and fills few megabytes."""


async def javascript_steps(
    compiled: JavaScriptFilter, candles: PastCandles, first: int, last: int, *, engine: JavaScriptEngine, user: str
) -> AsyncIterator[Step]:
    """Every symbol at candles `first` to `last`. Raises RefusedError where going on is hopeless, and what the engine raises."""
    symbols_at_once = max(1, EVALUATIONS_AT_ONCE // (last - first + 1))
    for row in range(0, len(candles.symbols), symbols_at_once):
        rows = np.arange(row, min(row + symbols_at_once, len(candles.symbols)))
        for begin in range(first, last + 1, EVALUATIONS_AT_ONCE):
            batch = _Batch(compiled, candles, rows, begin, min(begin + EVALUATIONS_AT_ONCE - 1, last))
            yield batch.step(await engine.evaluate(user, compiled, await asyncio.to_thread(batch.view)) if len(batch) else None)


class _Batch:
    """The evaluations of one pass: each symbol at each candle at which it is ready."""

    def __init__(self, compiled: JavaScriptFilter, candles: PastCandles, rows: NDArray[np.intp], first: int, last: int) -> None:
        self._compiled = compiled
        self._candles = candles
        self._rows = rows
        self._first, self._last = first, last
        self._seen = {interval: seen_at(interval, compiled.interval, np.arange(first, last + 1)) for interval in compiled.required}
        places, columns = np.nonzero(self._ready())
        self._cells: Cells = places, columns

    def __len__(self) -> int:
        return len(self._cells[0])

    def view(self) -> View:
        """What the engine is given: a row for each evaluation."""
        places, columns = self._cells
        past = self._candles.of(self._compiled.interval)
        ticker = RollingTicker(past, slice(int(self._rows[0]), int(self._rows[-1]) + 1), self._first, self._last)
        fields = [ticker.over(field, self._first, self._last)[places, columns] for field in TICKER_FIELDS]
        return View(
            symbols=tuple(self._candles.symbols[self._rows[place]] for place in places),
            windows={interval: self._window(interval) for interval in self._compiled.required},
            tickers=np.stack(fields, axis=1),
        )

    def step(self, verdicts: Verdicts | None) -> Step:
        """What the pass came to; `None` where there was nothing to evaluate."""
        outcome: Outcomes = np.full((len(self._rows), self._last - self._first + 1), Outcome.NOT_READY, dtype=np.uint8)
        verdicts = verdicts or Verdicts(matched=np.zeros(0, dtype=np.bool_), failed=np.zeros(0, dtype=np.bool_))
        _give_up_if_hopeless(verdicts)
        found = np.where(verdicts.matched, Outcome.MATCHED, Outcome.NOT_MATCHED)
        outcome[self._cells] = np.where(verdicts.failed, Outcome.FAILED, found)
        said = {
            (int(place), int(column)): verdicts.conditions[row]
            for row, (place, column) in enumerate(zip(*self._cells, strict=True))
            if row in verdicts.conditions
        }
        return Step(
            rows=self._rows,
            first=self._first,
            outcome=outcome,
            describe=lambda cells: Described(said=[said.get((int(place), int(column)), ()) for place, column in zip(*cells, strict=True)]),
            failures=verdicts.failures,
            busy=verdicts.busy / timedelta(seconds=1),
        )

    def _ready(self) -> NDArray[np.bool_]:
        ready = np.ones((len(self._rows), self._last - self._first + 1), dtype=np.bool_)
        for interval, seen in self._seen.items():
            ready &= _is_complete(self._candles.of(interval), self._rows, seen)
        return ready

    def _window(self, interval: Interval) -> Window:
        past, seen = self._candles.of(interval), self._seen[interval]
        begin = int(seen[0]) - CANDLES + 1
        columns = past.window(slice(int(self._rows[0]), int(self._rows[-1]) + 1), begin, int(seen[-1]))
        places, candles = self._cells
        first_index = seen[candles] - CANDLES + 1
        values = np.empty((len(self), len(COLUMNS), CANDLES))
        for place, name in enumerate(COLUMNS):
            values[:, place] = sliding_window_view(columns[name], CANDLES, axis=1)[places, first_index - begin]
        return Window(first_index=first_index, values=values)


def _is_complete(past: PastInterval, rows: NDArray[np.intp], seen: Indices) -> NDArray[np.bool_]:
    """Per symbol and candle seen: whether it and all before it that a filter sees are there."""
    begin = int(seen[0]) - CANDLES + 1
    closes = past.window(slice(int(rows[0]), int(rows[-1]) + 1), begin, int(seen[-1]))["close"]
    absent = np.cumsum(np.isnan(closes), axis=1)
    absent = np.concatenate([np.zeros((len(rows), 1), dtype=absent.dtype), absent], axis=1)
    ends = seen - begin + 1
    complete: NDArray[np.bool_] = absent[:, ends] == absent[:, ends - CANDLES]
    return complete


def _give_up_if_hopeless(verdicts: Verdicts) -> None:
    if verdicts.is_hopeless():
        raise RefusedError(f"The preview was given up, because the filter fails everywhere: {verdicts.failures[0]}")
