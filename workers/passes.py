"""Carries looks through the engines: who answers a look's questions, and in which thread."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar
from uuid import UUID

import numpy as np

from activities.ports import TickResult
from adapters.feeder_client import MarketReplica
from filters.evaluation import Evaluator
from filters.expression import CompiledFilter
from filters.frames import MarketSnapshot
from filters.history import Reads
from filters.javascript.contract import JavaScriptEngine, JavaScriptFilter, Verdicts
from filters.javascript.views import Packed, Views
from filters.outcome import Evaluation
from workers.looking import Look, Question, advance

Result = TypeVar("Result")
_OF_NOTHING = Verdicts(matched=np.zeros(0, np.bool_), failed=np.zeros(0, np.bool_))


class Passes(Protocol):
    """A trader's filter as looks meet it."""

    @property
    def reads(self) -> Reads:
        """The intervals it reads."""

    async def through(self, look: Look[TickResult]) -> TickResult:
        """What the look brings. Candles are touched in the replica's thread alone. Raises UnavailableError when the engine is away."""


class ExpressionPasses:
    """An expression: all of the look happens in the replica's thread, at one moment of the market."""

    def __init__(self, replica: MarketReplica, evaluator: Evaluator, compiled: CompiledFilter) -> None:
        self.reads = compiled
        self._replica = replica
        self._evaluator = evaluator

    async def through(self, look: Look[TickResult]) -> TickResult:
        """As Passes says."""
        return await _in_thread(self._replica, partial(answered, look, self._answer))

    def _answer(self, question: Question) -> Evaluation:
        return evaluation_at(question, self._evaluator, self.reads, self._replica.store)


class JavaScriptPasses:
    """A browser filter: views are packed in the replica's thread and evaluated elsewhere, while the market and other traders go on."""

    def __init__(self, replica: MarketReplica, views: Views, engine: JavaScriptEngine, user_id: UUID, compiled: JavaScriptFilter) -> None:
        self.reads = compiled
        self._replica = replica
        self._views = views
        self._engine = engine
        self._user = str(user_id)

    async def through(self, look: Look[TickResult]) -> TickResult:
        """As Passes says."""
        said = await _in_thread(self._replica, partial(self._step, look))
        while isinstance(said, Packed):
            verdicts = await self._engine.evaluate(self._user, self.reads, said.view)
            said = await _in_thread(self._replica, partial(self._step, look, said.evaluation(verdicts)))
        return said

    def _step(self, look: Look[TickResult], answer: Evaluation | None = None) -> Packed | TickResult:
        said = advance(look, answer)
        while isinstance(said, Question):
            packed = self._pack(said)
            if len(packed.rows):
                return packed
            said = advance(look, packed.evaluation(_OF_NOTHING))
        return said

    def _pack(self, question: Question) -> Packed:
        if question.is_forming:
            return self._views.forming(self.reads, self._replica.store, question.rows, question.as_of)
        return self._views.closed(self.reads, self._replica.store, question.index, question.rows, question.as_of)


def answered(look: Look[Result], answer: Callable[[Question], Evaluation]) -> Result:
    """The look carried through at once."""
    said = advance(look)
    while isinstance(said, Question):
        said = advance(look, answer(said))
    return said


def evaluation_at(question: Question, evaluator: Evaluator, compiled: CompiledFilter, snapshot: MarketSnapshot) -> Evaluation:
    """An expression's answer."""
    if question.is_forming:
        return evaluator.evaluate_forming(compiled, snapshot, question.as_of)
    return evaluator.evaluate_closed(compiled, snapshot, question.index)


async def _in_thread(replica: MarketReplica, step: Callable[[], Result]) -> Result:
    return await asyncio.get_running_loop().run_in_executor(replica.thread, step)
