"""A filter made ready for a preview, in either language."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from domain.errors import FilterRefusedError, RefusedError
from domain.filters import FilterSpec, Language
from domain.market import Interval
from filters.expression import CompiledFilter, compile_filter
from filters.javascript.contract import CANDLES, JavaScriptEngine, JavaScriptFilter
from filters.preview.expression_steps import expression_steps
from filters.preview.javascript_steps import javascript_steps
from filters.preview.outcomes import Step
from filters.preview.past_candles import PastCandles
from filters.preview.segments import begin_of_anchored


class Prepared(Protocol):
    """A filter that can be evaluated over past candles."""

    @property
    def required(self) -> Mapping[Interval, int]:
        """Candles of history without which nothing can be said, per interval, the trader's own included."""

    @property
    def assumptions(self) -> tuple[str, ...]:
        """In what the evaluation differs from a live one."""

    @property
    def estimated(self) -> timedelta | None:
        """The compiler's estimate of one evaluation, where there is one."""

    def begin_of(self, known_from: int) -> int:
        """The first candle of an interval that has its whole history, where candles are known from this one on; 0 where all are known."""

    def steps(self, candles: PastCandles, first: int, last: int) -> AsyncIterator[Step]:
        """Every symbol at candles `first` to `last` of the filter's interval."""


async def prepare(spec: FilterSpec, engine: JavaScriptEngine | None, user: str) -> Prepared:
    """Raises FilterRefusedError for a filter that cannot be run, RefusedError for a language that never is."""
    if spec.language is Language.EXPRESSION:
        return PreparedExpression(compile_filter(spec))
    if spec.language is not Language.JAVASCRIPT:
        raise RefusedError(f"A filter in {spec.language} is never run: it needs conversion first.")
    if engine is None:
        raise RefusedError("A filter in JavaScript needs an engine to run it.")
    compiled = JavaScriptFilter.of(spec)
    if problems := await engine.check(compiled):
        raise FilterRefusedError(problems)
    return PreparedJavaScript(compiled, engine, user)


def intervals_of(spec: FilterSpec) -> tuple[Interval, ...]:
    """Every interval the filter reads. Raises FilterRefusedError for an expression that does not compile."""
    others = compile_filter(spec).required if spec.language is Language.EXPRESSION else spec.required_intervals
    return tuple(dict.fromkeys((spec.interval, *others)))


_TICKER = "The ticker has no past: its fields are those of the last 24 hours of candles, as far as these reach."


@dataclass(frozen=True, eq=False)
class PreparedExpression:
    """An expression. It is evaluated in a thread, block by block."""

    compiled: CompiledFilter

    @property
    def required(self) -> Mapping[Interval, int]:
        return self.compiled.required

    @property
    def assumptions(self) -> tuple[str, ...]:
        return (_TICKER,) if self.compiled.is_live else ()

    @property
    def estimated(self) -> timedelta | None:
        return self.compiled.cost.estimated

    def begin_of(self, known_from: int) -> int:
        return begin_of_anchored(known_from)

    async def steps(self, candles: PastCandles, first: int, last: int) -> AsyncIterator[Step]:
        blocks: Iterator[Step] = expression_steps(self.compiled, candles, first, last)
        while (step := await asyncio.to_thread(next, blocks, None)) is not None:
            yield step


@dataclass(frozen=True, eq=False)
class PreparedJavaScript:
    """A browser filter."""

    compiled: JavaScriptFilter
    engine: JavaScriptEngine
    user: str

    @property
    def required(self) -> Mapping[Interval, int]:
        return self.compiled.required

    @property
    def assumptions(self) -> tuple[str, ...]:
        return (_TICKER,)

    @property
    def estimated(self) -> timedelta | None:
        return None

    def begin_of(self, known_from: int) -> int:
        return known_from + CANDLES - 1 if known_from else 0

    def steps(self, candles: PastCandles, first: int, last: int) -> AsyncIterator[Step]:
        return javascript_steps(self.compiled, candles, first, last, engine=self.engine, user=self.user)
