"""One V8 isolate with the browser's helpers, in this process: nothing but V8 lies between a filter and the process."""

import json
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, lru_cache
from importlib import resources
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from py_mini_racer import JSEvalException, JSTimeoutException

from domain.errors import FilterRefusedError
from domain.filters import FailureKind, FilterFailure, FilterProblem
from filters.frames import COLUMNS, TICKER_FIELDS
from filters.javascript.cells import read_as_numbers
from filters.javascript.contract import (
    CANDLES,
    CONDITION_LENGTH,
    CONDITIONS,
    FAILED,
    FAILURES,
    MATCHED,
    MESSAGE_LENGTH,
    PASS,
    JavaScriptFilter,
    Verdicts,
    View,
)
from filters.javascript.engine import MEMORY, new_racer
from filters.javascript.syntax import syntax_problem, unreadable

LIBRARY = (
    "decimals",
    "candles",
    "sources",
    "means",
    "rsi",
    "ema",
    "ranges",
    "nodes",
    "bands",
    "indicators",
    "realm",
    "evaluation",
    "entry",
)
"""The files of the library in the order of the program they make."""
_CHUNK_WINDOWS = 128
"""Windows (rows times intervals) that are written into the isolate at once: 2.3 MB while a pass lasts."""
_SYMBOL_UNITS = 40
_PARTS: tuple[tuple[Any, ...], ...] = (
    (np.float64, len(COLUMNS), CANDLES),
    (np.float64,),
    (np.float64, len(TICKER_FIELDS)),
    (np.uint16, _SYMBOL_UNITS),
    (np.uint8,),
)
"""Of the memory, each for all windows: the kind of its numbers and how many there are."""
_BOUNDS = {
    "CANDLES": CANDLES,
    "COLUMNS": len(COLUMNS),
    "TICKERS": len(TICKER_FIELDS),
    "SYMBOL_UNITS": _SYMBOL_UNITS,
    "CONDITIONS": CONDITIONS,
    "CONDITION_LENGTH": CONDITION_LENGTH,
    "MESSAGE_LENGTH": MESSAGE_LENGTH,
    "MATCHED": MATCHED,
    "FAILED": FAILED,
}
"""What the library is told, by the names it has there."""
_COLLECTED_EVERY = 1.0
"""Seconds."""
_COMPILE = timedelta(seconds=2)


class PoisonedError(Exception):
    """The isolate is not to be used again."""


@dataclass(frozen=True, eq=False)
class _Input:
    """Views of the isolate's memory."""

    candles: NDArray[np.float64]
    open_times: NDArray[np.float64]
    tickers: NDArray[np.float64]
    symbols: NDArray[np.uint16]
    verdicts: NDArray[np.uint8]


class Isolate:
    """Runs filters of one user, one after the other, each row on its own: nothing stays from one row to the next.

    To be used by one thread at a time, which waits for it. `is_poisoned` tells that a filter left it in a state in which it
    must not be used again: it ran out of time or memory, or broke what cannot be mended. Make another one then.
    """

    def __init__(self) -> None:
        self._racer = new_racer()
        self._racer.set_hard_memory_limit(MEMORY)
        self._racer.eval(_program())
        self._filters: dict[str, JavaScriptFilter] = {}
        self._collected = -math.inf
        self.is_poisoned = False

    def load(self, compiled: JavaScriptFilter) -> None:
        """Compile the filter; once per key. Raises FilterRefusedError with the place of what V8 does not understand."""
        if compiled.key in self._filters:
            return
        if problem := unreadable(compiled.code):
            raise FilterRefusedError((problem,))
        intervals = (compiled.interval, *compiled.others)
        widths = [interval.milliseconds for interval in intervals]
        given = (compiled.key, compiled.code, read_as_numbers(compiled.code), intervals, widths, compiled.truthy)
        arguments = ",".join(json.dumps(argument) for argument in given)
        try:
            self._racer.eval(f"$load({arguments})", timeout_sec=_COMPILE.total_seconds())
        except JSEvalException as error:
            raise FilterRefusedError((syntax_problem(str(error), compiled.code),)) from error
        self._filters[compiled.key] = compiled

    def run(self, key: str, view: View, allowed: timedelta = PASS) -> Verdicts:
        """One pass of a loaded filter over all rows of the view. Whatever the filter does is a verdict."""
        if self.is_poisoned:
            raise PoisonedError
        started = time.process_time()
        compiled, clock = self._filters[key], _Clock(allowed)
        found = _Found(view.symbols)
        try:
            memory = self._take_input(clock)
            for first, last in _chunks(len(view.symbols), 1 + len(compiled.others)):
                _write(memory, compiled, view, first, last)
                said = self._racer.eval(f'$run("{key}",{last - first})', timeout_sec=clock.left)
                found.add(first, memory.verdicts[: last - first], json.loads(said) if said else {})  # type: ignore[arg-type]
            del memory
            # V8 answers before it runs what waits for promises. This comes after that, or never.
            self._racer.eval("$rest()", timeout_sec=clock.left)
            self._collect()
        except JSEvalException as error:
            self.is_poisoned = True
            return Verdicts.all_failed(self._reason(error, allowed), len(view.symbols), timedelta(seconds=time.process_time() - started))
        return found.verdicts(timedelta(seconds=time.process_time() - started))

    def close(self) -> None:
        """Give back what V8 holds."""
        if self.is_poisoned:
            # What was ended reports it a little later, and to nobody once this is closed.
            with suppress(JSEvalException):
                self._racer.eval("0", timeout_sec=0.1)
        self._racer.close()

    @property
    def loaded(self) -> tuple[str, ...]:
        """Keys of the filters it has compiled."""
        return tuple(self._filters)

    def _collect(self) -> None:
        """Of an isolate that waits for its next pass only what it needs is left. One that is always busy is spared the trouble."""
        if time.monotonic() - self._collected > _COLLECTED_EVERY:
            self._racer.low_memory_notification()
            self._collected = time.monotonic()

    def _take_input(self, clock: "_Clock") -> _Input:
        memory = cast("memoryview", self._racer.eval(f"$takeInput({_CHUNK_WINDOWS})", timeout_sec=clock.left))
        views: list[Any] = []
        at = 0
        for kind, *shape in _PARTS:
            views.append(np.ndarray((_CHUNK_WINDOWS, *shape), kind, memory, at))
            at += views[-1].nbytes
        return _Input(*views)

    def _reason(self, error: JSEvalException, allowed: timedelta) -> FilterFailure:
        if isinstance(error, JSTimeoutException):
            return FilterFailure(kind=FailureKind.TIMEOUT, message=f"It took longer than {allowed.total_seconds():g} s for all symbols.")
        if self._racer.was_hard_memory_limit_reached():
            return FilterFailure(kind=FailureKind.MEMORY, message=f"It used more than {MEMORY // 2**20} MB.")
        return FilterFailure(kind=FailureKind.RUNTIME, message=str(error).split("\n", 1)[0][:MESSAGE_LENGTH])


class _Clock:
    """What is left of the time for a pass."""

    def __init__(self, allowed: timedelta) -> None:
        self._deadline = time.monotonic() + allowed.total_seconds()

    @property
    def left(self) -> float:
        """Seconds; never nothing, which would mean for ever."""
        return max(0.001, self._deadline - time.monotonic())


def _write(memory: _Input, compiled: JavaScriptFilter, view: View, first: int, last: int) -> None:
    """Put the rows where the isolate reads them: interval by interval."""
    rows = last - first
    for slot, interval in enumerate((compiled.interval, *compiled.others)):
        window, to = view.windows[interval], slice(slot * rows, (slot + 1) * rows)
        memory.candles[to] = window.values[first:last]
        memory.open_times[to] = window.first_index[first:last] * interval.milliseconds
    memory.tickers[:rows] = view.tickers[first:last]
    memory.symbols[:rows] = _spelled(view.symbols[first:last])


class _Found:
    """Collects what the chunks of a pass give."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self._symbols = symbols
        self._verdicts = np.zeros(len(symbols), np.uint8)
        self._conditions: dict[int, tuple[str, ...]] = {}
        self._failures: dict[tuple[str, str, int | None], tuple[int, int]] = {}

    def add(self, first: int, verdicts: NDArray[np.uint8], said: dict[str, Any]) -> None:
        """The verdicts of the rows from `first` on, and what was said beside them."""
        self._verdicts[first : first + len(verdicts)] = verdicts
        for row, conditions in said.get("conditions", ()):
            self._conditions[first + row] = tuple(conditions)
        for failure in said.get("failures", ()):
            place = failure["kind"], failure["message"], failure["line"]
            row, rows = self._failures.get(place, (first + failure["row"], 0))
            self._failures[place] = row, rows + failure["rows"]

    def verdicts(self, busy: timedelta) -> Verdicts:
        """All of it."""
        told = list(self._failures.items())
        failures = [self._failure(*place, *rows) for place, rows in told[:FAILURES]]
        if rest := told[FAILURES:]:
            failures.append(
                self._failure(FailureKind.RUNTIME, "Further failures, each another.", None, rest[0][1][0], sum(f[1][1] for f in rest))
            )
        return Verdicts(
            matched=self._verdicts == MATCHED,
            failed=self._verdicts == FAILED,
            conditions=self._conditions,
            failures=tuple(failures),
            busy=busy,
        )

    def _failure(self, kind: str, message: str, line: int | None, row: int, rows: int) -> FilterFailure:
        return FilterFailure(kind=FailureKind(kind), message=message, line=line, symbol=self._symbols[row], symbols=rows)


def problems_of(compiled: JavaScriptFilter) -> tuple[FilterProblem, ...]:
    """What keeps the filter from being run; nothing of it is run."""
    isolate = Isolate()
    try:
        isolate.load(compiled)
    except FilterRefusedError as refused:
        return refused.problems
    finally:
        isolate.close()
    return ()


def _chunks(rows: int, intervals: int) -> list[tuple[int, int]]:
    size = _CHUNK_WINDOWS // intervals
    return [(first, min(first + size, rows)) for first in range(0, rows, size)]


@lru_cache(maxsize=256)
def _spelled(symbols: tuple[str, ...]) -> NDArray[np.uint16]:
    """UTF-16 of each symbol, ended by zero."""
    spelled = np.zeros((len(symbols), _SYMBOL_UNITS), np.uint16)
    for row, symbol in enumerate(symbols):
        units = np.frombuffer(symbol.encode("utf-16-le"), np.uint16)[: _SYMBOL_UNITS - 1]
        spelled[row, : len(units)] = units
    return spelled


@cache
def _program() -> str:
    folder = resources.files("filters.javascript") / "library"
    text = "\n".join((folder / f"{name}.js").read_text(encoding="utf-8") for name in LIBRARY)
    entries = "const { load: $load, run: $run, takeInput: $takeInput, rest: $rest }"
    bounds = ", ".join(f"{name} = {value}" for name, value in _BOUNDS.items())
    return f'{entries} = (function () {{ "use strict"; const {bounds};\n{text}\n}})(); 0\n//# sourceURL=library'
