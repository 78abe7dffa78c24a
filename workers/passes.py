"""Carries looks through the engines: who answers a look's questions, and in which thread."""

from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar
from uuid import UUID

import numpy as np

from activities.ports import TickResult
from adapters.fair_thread import Turns
from adapters.feeder_client import MarketReplica
from filters.evaluation import Evaluator
from filters.expression import CompiledFilter
from filters.expression.calls import TurnOver, never
from filters.frames import MarketSnapshot
from filters.held import held
from filters.history import Reads
from filters.javascript.contract import JavaScriptEngine, JavaScriptFilter, Verdicts
from filters.javascript.views import Packed, Views
from filters.outcome import Evaluation
from workers.looking import Look, Question, advance

Result = TypeVar("Result")
HELD_BYTES = 32 * 2**20
"""Of columns kept for one evaluation that takes several turns, and of values: a user has one such at most."""
_OF_NOTHING = Verdicts(matched=np.zeros(0, np.bool_), failed=np.zeros(0, np.bool_))


class Passes(Protocol):
    """A trader's filter as looks meet it."""

    @property
    def reads(self) -> Reads:
        """The intervals it reads."""

    async def through(self, look: Look[TickResult]) -> TickResult:
        """What the look brings. Candles are touched in the replica's thread alone. Raises UnavailableError when the engine is away."""


class ExpressionPasses:
    """An expression: its looks happen in the replica's thread, in turns with the market and with other users."""

    def __init__(self, replica: MarketReplica, evaluator: Evaluator, user_id: UUID, compiled: CompiledFilter) -> None:
        self.reads = compiled
        self._replica = replica
        self._evaluator = evaluator
        self._user = user_id

    async def through(self, look: Look[TickResult]) -> TickResult:
        """As Passes says."""
        return await self._replica.thread.run(self._user, self._in_turns(look))

    def _in_turns(self, look: Look[TickResult]) -> Turns[TickResult]:
        said = advance(look)
        while isinstance(said, Question):
            answer = yield from self._answer(said)
            if self._replica.thread.turn_is_over():
                yield
            said = advance(look, answer)
        return said

    def _answer(self, question: Question) -> Turns[Evaluation]:
        """A closed candle stays what it is between two turns. A forming one does not: what takes several goes on with a copy."""
        evaluator, snapshot, is_over = self._evaluator, self._replica.store, self._replica.thread.turn_is_over
        try:
            return evaluation_at(question, evaluator, self.reads, snapshot, is_over)
        except TurnOver:
            market = held(self.reads, snapshot) if question.is_forming else snapshot
        if question.is_forming:
            evaluator = Evaluator(HELD_BYTES, HELD_BYTES)
        while True:
            yield
            try:
                return evaluation_at(question, evaluator, self.reads, market, is_over)
            except TurnOver:
                continue


class JavaScriptPasses:
    """A browser filter: views are packed in the replica's thread and evaluated elsewhere, while the market and other traders go on."""

    def __init__(self, replica: MarketReplica, views: Views, engine: JavaScriptEngine, user_id: UUID, compiled: JavaScriptFilter) -> None:
        self.reads = compiled
        self._replica = replica
        self._views = views
        self._engine = engine
        self._user = user_id

    async def through(self, look: Look[TickResult]) -> TickResult:
        """As Passes says."""
        said = await self._replica.thread.call(self._user, partial(self._step, look))
        while isinstance(said, Packed):
            verdicts = await self._engine.evaluate(str(self._user), self.reads, said.view)
            said = await self._replica.thread.call(self._user, partial(self._step, look, said.evaluation(verdicts)))
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


def evaluation_at(
    question: Question,
    evaluator: Evaluator,
    compiled: CompiledFilter,
    snapshot: MarketSnapshot,
    is_over: Callable[[], bool] = never,
) -> Evaluation:
    """An expression's answer. Raises TurnOver."""
    if question.is_forming:
        return evaluator.evaluate_forming(compiled, snapshot, question.as_of, is_over)
    return evaluator.evaluate_closed(compiled, snapshot, question.index, is_over)
