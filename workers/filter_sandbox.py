"""Browser filters, run in processes that can reach nothing: the JavaScriptEngine that workers use."""

import weakref
from dataclasses import replace
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Self, cast

from adapters.sandbox.limits import Limits
from adapters.sandbox.pool import Pool
from adapters.sandbox.process import Request
from adapters.sandbox.report import JailReport
from adapters.sandbox.sealed import SealedMemory
from adapters.sandbox.statistics import Statistics
from adapters.sandbox.watch import Answer, Ending
from domain.filters import FailureKind, FilterFailure, FilterProblem
from filters.javascript.contract import PASS, JavaScriptFilter, Verdicts, View, joined
from workers.filter_messages import (
    Pass,
    check_to_bytes,
    intervals_of,
    problems_from_bytes,
    verdicts_from_bytes,
    view_parts,
)

ROWS_AT_ONCE = 512
"""Rows of a view that are one request: as a rule all of them."""
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

    def __init__(self, *, at_once: int | None = None, allow_weak: bool = False, allowed: timedelta = PASS) -> None:
        """`at_once`: filters run at the same time; as many as processors, at least two. `allow_weak`: run them also where the jail is
        not sufficient. `allowed`: the time of a request, after which V8 ends it."""
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
        """One pass over all rows. Once a part of it was hopeless, the rest is not run and failed for the same reason."""
        parts: list[Verdicts] = []
        for first in range(0, len(view.symbols), ROWS_AT_ONCE):
            symbols = view.symbols[first : first + ROWS_AT_ONCE]
            if parts and parts[-1].is_hopeless():
                parts.append(Verdicts.all_failed(parts[-1].failures[0], len(symbols)))
            else:
                parts.append(await self._evaluate(user, compiled, view, first, symbols))
        return joined(parts)

    async def check(self, compiled: JavaScriptFilter) -> tuple[FilterProblem, ...]:
        """What keeps the filter from being run; nothing of it is run. Raises UnavailableError."""
        answer = await self._pool.ask(
            Request(owner=f"check {compiled.key[:_LANES]}", body=check_to_bytes(compiled), read=problems_from_bytes)
        )
        if answer.ending is Ending.ANSWERED:
            return cast("tuple[FilterProblem, ...]", answer.content)
        return (FilterProblem(message=f"It cannot be compiled. {_failure(answer).message}", line=1, column=1),)

    async def _evaluate(self, user: str, compiled: JavaScriptFilter, view: View, first: int, symbols: tuple[str, ...]) -> Verdicts:
        memory = self._memory(view, compiled)
        order = Pass(compiled=compiled, memory=memory.number, rows=len(view.symbols), first=first, symbols=symbols, allowed=self._allowed)
        read = partial(verdicts_from_bytes, symbols=symbols)
        answer = await self._pool.ask(Request(owner=user, body=order.to_bytes(), memories=(memory,), read=read))
        if answer.ending is not Ending.ANSWERED:
            return Verdicts.all_failed(_failure(answer), len(symbols), answer.busy)
        return replace(cast("Verdicts", answer.content), busy=answer.busy)

    def _memory(self, view: View, compiled: JavaScriptFilter) -> SealedMemory:
        """The view where every filter process can read it and none can write; copied once."""
        memory = self._memories.get(view)
        if memory is None:
            memory = self._memories[view] = SealedMemory(view_parts(view, intervals_of(compiled)))
        return memory


def _failure(answer: Answer) -> FilterFailure:
    kind, words = _WORDS[answer.ending]
    pause = f" for {answer.detail}." if kind is FailureKind.SUSPENDED else ""
    return FilterFailure(kind=kind, message=words + pause)
