"""What a worker and its filter processes say to each other: plain data, since the other side may have become hostile."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.filters import FailureKind, FilterFailure, FilterProblem
from domain.market import Interval
from filters.frames import COLUMNS, TICKER_FIELDS
from filters.javascript.contract import (
    CANDLES,
    CONDITION_LENGTH,
    CONDITIONS,
    FAILED,
    FAILURES,
    MATCHED,
    MESSAGE_LENGTH,
    JavaScriptFilter,
    Verdicts,
    View,
    Window,
)


@dataclass(frozen=True, kw_only=True)
class Pass:
    """Run a filter over some rows of a view that lies in memory number `memory`."""

    compiled: JavaScriptFilter
    memory: int
    rows: int
    """Of the whole view."""
    first: int
    symbols: tuple[str, ...]
    """Of the rows from `first` on."""
    allowed: timedelta
    """After this time V8 ends the pass."""

    def to_bytes(self) -> bytes:
        """For the filter process."""
        fields = {
            "memory": self.memory,
            "rows": self.rows,
            "first": self.first,
            "symbols": self.symbols,
            "allowed": self.allowed.total_seconds(),
        }
        return json.dumps(fields | {"filter": _fields(self.compiled)}).encode()


def check_to_bytes(compiled: JavaScriptFilter) -> bytes:
    """Compile a filter and run nothing of it."""
    return json.dumps({"filter": _fields(compiled)}).encode()


def order_from_bytes(message: bytes) -> Pass | JavaScriptFilter:
    """A pass, or a filter to be checked."""
    fields = json.loads(message)
    told = fields["filter"]
    compiled = JavaScriptFilter(
        code=told["code"], interval=Interval(told["interval"]), others=tuple(map(Interval, told["others"])), truthy=told["truthy"]
    )
    if "memory" not in fields:
        return compiled
    numbers = {name: int(fields[name]) for name in ("memory", "rows", "first")}
    return Pass(compiled=compiled, symbols=tuple(fields["symbols"]), allowed=timedelta(seconds=fields["allowed"]), **numbers)


def _fields(compiled: JavaScriptFilter) -> dict[str, Any]:
    return {"code": compiled.code, "interval": compiled.interval, "others": compiled.others, "truthy": compiled.truthy}


def view_parts(view: View, intervals: Sequence[Interval]) -> list[bytes | memoryview]:
    """The numbers of a view, one array after the other, as `view_of` reads them."""
    parts: list[NDArray[Any]] = [view.tickers]
    for interval in intervals:
        parts += [view.windows[interval].first_index, view.windows[interval].values]
    return [np.ascontiguousarray(part).data for part in parts]


def view_of(order: Pass, memory: memoryview) -> View:
    """The rows of a pass, read where they lie."""
    at, rows = 0, slice(order.first, order.first + len(order.symbols))

    def array(kind: type[np.generic], *shape: int) -> NDArray[Any]:
        nonlocal at
        found = np.ndarray((order.rows, *shape), kind, memory, at)
        at += found.nbytes
        return found[rows]

    tickers = array(np.float64, len(TICKER_FIELDS))
    windows = {
        interval: Window(first_index=array(np.int64), values=array(np.float64, len(COLUMNS), CANDLES))
        for interval in intervals_of(order.compiled)
    }
    return View(symbols=order.symbols, windows=windows, tickers=tickers)


def intervals_of(compiled: JavaScriptFilter) -> tuple[Interval, ...]:
    """In the order their candles lie in memory."""
    return (compiled.interval, *compiled.others)


def verdicts_to_bytes(verdicts: Verdicts) -> bytes:
    """Back to the worker."""
    said = {
        "conditions": {str(row): conditions for row, conditions in verdicts.conditions.items()},
        "failures": [[failure.kind, failure.message, failure.line, failure.symbol, failure.symbols] for failure in verdicts.failures],
    }
    codes = verdicts.matched * np.uint8(MATCHED) + verdicts.failed * np.uint8(FAILED)
    return codes.astype(np.uint8).tobytes() + json.dumps(said).encode()


def verdicts_from_bytes(answer: bytes, symbols: Sequence[str]) -> Verdicts:
    """What a filter process said of these symbols, cut to what may be said. Raises ValueError for anything else."""
    rows = len(symbols)
    codes = np.frombuffer(answer[:rows], np.uint8)
    if len(codes) != rows or codes.max(initial=0) > FAILED:
        raise ValueError("no verdict, or none that is known, for some symbols")
    try:
        said = json.loads(answer[rows:])
        conditions = {int(row): _texts(texts) for row, texts in said["conditions"].items() if codes[int(row)] == MATCHED}
        failures = tuple(_failure(told, symbols) for told in said["failures"][: FAILURES + 1])
    except (TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise ValueError(f"not what a filter process says: {error!r}") from error
    return Verdicts(matched=codes == MATCHED, failed=codes == FAILED, conditions=conditions, failures=failures)


def problems_to_bytes(problems: Sequence[FilterProblem]) -> bytes:
    """Back to the worker."""
    return json.dumps([[problem.message, problem.line, problem.column, problem.suggestion] for problem in problems]).encode()


def problems_from_bytes(answer: bytes) -> tuple[FilterProblem, ...]:
    """Raises ValueError for anything that `problems_to_bytes` does not write."""
    try:
        return tuple(
            FilterProblem(
                message=str(message)[:MESSAGE_LENGTH], line=int(line), column=int(column), suggestion=str(suggestion)[:MESSAGE_LENGTH]
            )
            for message, line, column, suggestion in json.loads(answer)[:FAILURES]
        )
    except (TypeError, KeyError, OverflowError) as error:
        raise ValueError(f"not what a filter process says: {error!r}") from error


def _texts(texts: Sequence[object]) -> tuple[str, ...]:
    return tuple(str(text)[:CONDITION_LENGTH] for text in texts[:CONDITIONS])


def _failure(told: Sequence[Any], symbols: Sequence[str]) -> FilterFailure:
    kind, message, line, symbol, count = told
    return FilterFailure(
        kind=FailureKind(kind),
        message=str(message)[:MESSAGE_LENGTH],
        line=None if line is None else int(line),
        symbol=symbol if symbol in symbols else "",
        symbols=max(1, min(int(count), len(symbols))),
    )
