"""Browser filters, run in processes that can reach nothing: the JavaScriptEngine that workers use."""

import weakref
from dataclasses import replace
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Self, cast

import numpy as np

from adapters.sandbox.limits import Limits
from adapters.sandbox.pool import Pool, Statistics
from adapters.sandbox.process import Request
from adapters.sandbox.report import JailReport
from adapters.sandbox.sealed import SealedMemory
from adapters.sandbox.watch import Answer, Ending
from domain.filters import FailureKind, FilterFailure, FilterProblem
from filters.javascript.contract import JavaScriptFilter, Verdicts, View
from workers.filter_messages import (
    Pass,
    check_to_bytes,
    intervals_of,
    problems_from_bytes,
    verdicts_from_bytes,
    view_parts,
)

ROWS_AT_ONCE = 512
"""Rows of a view that are one request: all symbols of the market live, a part of a preview's candles."""
ALLOWED = timedelta(seconds=2)
"""Time of a request, after which V8 ends it."""
_GRACE = timedelta(milliseconds=500)
"""Processor time after that, when the kernel ends what V8 did not end."""
_LANES = 2
"""Filters that are only checked belong to nobody: so many characters of their key decide who waits for whom."""
_PROGRAM = ("-m", "workers.filter_host")
_WORDS = {
    Ending.TIMEOUT: (FailureKind.TIMEOUT, "It took too long and could only be ended together with its process."),
    Ending.MEMORY: (FailureKind.MEMORY, "It used up the memory of its process."),
    Ending.CRASHED: (FailureKind.CRASHED, "The process that ran it died of it."),
    Ending.SUSPENDED: (FailureKind.SUSPENDED, "It was not run: your filters took too long or too much memory again and again. They pause"),
}


class FilterSandbox:
    """An async context manager. Entering never fails; where no process can be had, `evaluate` and `check` raise UnavailableError."""

    def __init__(self, *, at_once: int | None = None, allow_weak: bool = False, allowed: timedelta = ALLOWED) -> None:
        """`at_once`: filters run at the same time; as many as processors, at least two. `allow_weak`: run them also where the jail is
        not sufficient. `allowed`: the time of a request."""
        self._allowed = allowed
        self._pool = Pool(_PROGRAM, Limits(), cpu_per_request=allowed + _GRACE, at_once=at_once, allow_weak=allow_weak)
        self._memories: weakref.WeakKeyDictionary[View, SealedMemory] = weakref.WeakKeyDictionary()

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._pool.__aexit__(kind, error, trace)

    @property
    def report(self) -> JailReport | None:
        """How the newest filter process is held; `None` before there is one."""
        return self._pool.report

    def statistics(self) -> Statistics:
        """Counters since the sandbox was opened."""
        return self._pool.statistics()

    async def evaluate(self, user: str, compiled: JavaScriptFilter, view: View) -> Verdicts:
        """One pass over all rows. Once a part of it had to be ended, the rest is not run and failed for the same reason."""
        parts: list[Verdicts] = []
        for first in range(0, len(view.symbols), ROWS_AT_ONCE):
            symbols = view.symbols[first : first + ROWS_AT_ONCE]
            ended = next((failure for part in parts[-1:] for failure in part.failures if _ends_all(failure, part)), None)
            parts.append(_all_failed(ended, symbols) if ended else await self._evaluate(user, compiled, view, first, symbols))
        return _joined(parts)

    async def check(self, compiled: JavaScriptFilter) -> tuple[FilterProblem, ...]:
        """What keeps the filter from being run; nothing of it is run. Raises UnavailableError."""
        answer = await self._pool.ask(
            Request(owner=f"check {compiled.key[:_LANES]}", body=check_to_bytes(compiled), read=problems_from_bytes)
        )
        if answer.ending is Ending.ANSWERED:
            return cast("tuple[FilterProblem, ...]", answer.content)
        return (FilterProblem(message=f"It cannot be compiled. {_failure(answer, 1).message}", line=1, column=1),)

    async def _evaluate(self, user: str, compiled: JavaScriptFilter, view: View, first: int, symbols: tuple[str, ...]) -> Verdicts:
        memory = self._memory(view, compiled)
        order = Pass(compiled=compiled, memory=memory.number, rows=len(view.symbols), first=first, symbols=symbols, allowed=self._allowed)
        read = partial(verdicts_from_bytes, symbols=symbols)
        answer = await self._pool.ask(Request(owner=user, body=order.to_bytes(), memories=(memory,), read=read))
        if answer.ending is not Ending.ANSWERED:
            return replace(_all_failed(_failure(answer, len(symbols)), symbols), busy=answer.busy)
        return replace(cast("Verdicts", answer.content), busy=answer.busy)

    def _memory(self, view: View, compiled: JavaScriptFilter) -> SealedMemory:
        """The view where every filter process can read it and none can write; copied once."""
        memory = self._memories.get(view)
        if memory is None:
            memory = self._memories[view] = SealedMemory(view_parts(view, intervals_of(compiled)))
        return memory


def _ends_all(failure: FilterFailure, part: Verdicts) -> bool:
    return failure.kind is not FailureKind.RUNTIME and failure.symbols == len(part.failed)


def _failure(answer: Answer, rows: int) -> FilterFailure:
    kind, words = _WORDS[answer.ending]
    pause = f" for {answer.detail}." if kind is FailureKind.SUSPENDED else ""
    return FilterFailure(kind=kind, message=words + pause, symbols=rows)


def _all_failed(failure: FilterFailure, symbols: tuple[str, ...]) -> Verdicts:
    rows = len(symbols)
    failures = (replace(failure, symbols=rows),)
    return Verdicts(matched=np.zeros(rows, np.bool_), failed=np.ones(rows, np.bool_), failures=failures)


def _joined(parts: list[Verdicts]) -> Verdicts:
    """Of the parts of one view, in its order."""
    if len(parts) == 1:
        return parts[0]
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
        matched=np.concatenate([part.matched for part in parts]) if parts else np.zeros(0, np.bool_),
        failed=np.concatenate([part.failed for part in parts]) if parts else np.zeros(0, np.bool_),
        conditions=conditions,
        failures=tuple(failures.values()),
        busy=sum((part.busy for part in parts), timedelta()),
    )
