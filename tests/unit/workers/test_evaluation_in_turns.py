"""A filter that takes several turns finds what it would have found in one, while the market goes on between them."""

from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest

from adapters.candle_store import CANDLE, CLOSED, INTERVAL_CODES, VALUES
from adapters.fair_thread import FairThread
from adapters.feeder_client import MarketReplica
from domain.filters import FilterSpec
from domain.market import Interval
from filters.evaluation import Evaluator
from filters.expression import CompiledFilter, compile_filter
from filters.expression.calls import TurnOver
from filters.held import held
from filters.outcome import Evaluation
from tests.unit.filters.memory_market import MemorySnapshot, random_market
from workers.looking import Look, Question
from workers.passes import ExpressionPasses

M1, M5 = Interval.M1, Interval.M5
ROWS = 5
FIRST = 256 * 100_000
NEWEST = FIRST + 700
OWNER = "ann"
HEAVY = "\n".join(
    [
        'five = candles("5m")',
        *(f'plot("rsi {period}", rsi(close, {period}))' for period in range(2, 12)),
        'plot("nested", sma(ema(rsi(close, 5), 9), 3))',
        'plot("window", lowest(adx(14), 40) + five.ema(9))',
        "match = close > ema(close, 50)",
    ]
)


def compiled(code: str = HEAVY) -> CompiledFilter:
    return compile_filter(FilterSpec(code=code, interval=M1))


class Stage:
    """A replica that is told its market by hand, in whose thread every turn is over as soon as somebody waits."""

    def __init__(self) -> None:
        self.replica = MarketReplica("ws://127.0.0.1:1", "not used")
        self.replica.thread = FairThread("turns", cpu_time=count().__next__)
        self.store = self.replica.store
        self.store.append(tuple(f"S{row}USDT" for row in range(ROWS)))
        self.random = np.random.default_rng(1)
        self.moves = 0
        for interval, width in ((M1, 1), (M5, 5)):
            self.tell(interval, FIRST // width, NEWEST // width - 1)
            for row in range(ROWS):
                self.store.frame(interval).confirm(row, FIRST // width, NEWEST // width - 1)

    def tell(self, interval: Interval, first: int, last: int, flags: int = CLOSED) -> None:
        records = np.zeros((ROWS, last + 1 - first), CANDLE)
        records["row"], records["interval"], records["flags"] = np.arange(ROWS)[:, None], INTERVAL_CODES[interval], flags
        records["index"] = np.arange(first, last + 1)
        records["event_time"] = (records["index"] + flags) * interval.milliseconds + self.moves
        for name in VALUES:
            records[name] = 100 + self.random.normal(size=records.shape)
        self.store.frame(interval).apply(records.ravel())
        self.store.seq += 1

    def form(self) -> None:
        """Both forming candles change."""
        self.moves += 1
        for interval, width in ((M1, 1), (M5, 5)):
            self.tell(interval, NEWEST // width, NEWEST // width, flags=0)

    def moves_on(self) -> None:
        """What the market sends while somebody evaluates, again and again."""
        self.form()
        if self.moves % 100:
            self.replica.thread.submit(self.moves_on)

    async def ask(self, question: Question) -> Evaluation:
        """The answer, while the market goes on."""

        def look() -> Look[Evaluation]:
            self.replica.thread.submit(self.moves_on)
            evaluation = yield question
            return evaluation

        passes = ExpressionPasses(self.replica, Evaluator(), OWNER, compiled())
        return await passes.through(look())


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.replica.thread.shutdown()


def bits(evaluation: Evaluation) -> dict[str, bytes]:
    arrays = {"matched": evaluation.matched, "ready": evaluation.ready, "close": evaluation.close, **evaluation.series}
    return {name: values.tobytes() for name, values in arrays.items()}


async def test_a_closed_candle_is_the_same_in_turns_and_at_once(stage: Stage) -> None:
    at_once = Evaluator().evaluate_closed(compiled(), stage.store, NEWEST - 1)

    in_turns = await stage.ask(Question(index=NEWEST - 1, rows=np.arange(ROWS), as_of=0))

    assert stage.moves > 10
    assert at_once.ready.all()
    assert bits(at_once) == bits(in_turns)


async def test_a_forming_candle_is_the_one_that_was_asked_for(stage: Stage) -> None:
    stage.form()
    as_of = NEWEST * M1.milliseconds + 1
    then = held(compiled(), stage.store)

    in_turns = await stage.ask(Question(index=NEWEST, rows=np.arange(ROWS), as_of=as_of, is_forming=True))

    assert stage.moves > 10
    assert bits(Evaluator().evaluate_forming(compiled(), then, as_of)) == bits(in_turns)
    assert bits(Evaluator().evaluate_forming(compiled(), stage.store, as_of)) != bits(in_turns)


def turns_taken(evaluator: Evaluator, program: CompiledFilter, market: MemorySnapshot) -> tuple[int, Evaluation]:
    """How many turns it takes when each is over at once, and what comes of it."""
    for turns in count(1):
        try:
            return turns, evaluator.evaluate_closed(program, market, NEWEST, lambda: True)
        except TurnOver:
            assert turns < 1_000
    raise AssertionError


def test_every_turn_computes_one_function_and_what_it_is_made_of() -> None:
    market = random_market(M1, NEWEST, M5, rows=ROWS)

    turns, evaluation = turns_taken(Evaluator(), compiled(), market)

    functions, nested, with_its_window, interval, match = 10, 1, 1, 1, 1
    assert functions + nested + with_its_window + interval + match == turns
    assert bits(Evaluator().evaluate_closed(compiled(), market, NEWEST)) == bits(evaluation)


def test_a_turn_gets_further_however_little_is_kept() -> None:
    market = random_market(M1, NEWEST, M5, rows=ROWS)

    _, evaluation = turns_taken(Evaluator(column_bytes=1, moment_bytes=1), compiled(), market)

    assert bits(Evaluator().evaluate_closed(compiled(), market, NEWEST)) == bits(evaluation)


@pytest.mark.parametrize("dear", ["ht_trendmode(close)", "cci(300)", "ht_sine(hlc3).leadsine", "sma(ht_dcphase(close), 3)"])
def test_a_dear_function_takes_a_turn_for_some_symbols(dear: str) -> None:
    market = random_market(M1, NEWEST, rows=70)
    program = compiled(f'plot("x", {dear})\nmatch = close > 0')

    turns, evaluation = turns_taken(Evaluator(), program, market)

    assert (1 if "sma" in dear else 3) == turns
    assert bits(Evaluator().evaluate_closed(program, market, NEWEST)) == bits(evaluation)


def test_windows_take_a_turn_each() -> None:
    market = random_market(M1, NEWEST, rows=ROWS)
    program = compiled("match = " + " + ".join(f"highest(close, {candles})" for candles in range(2, 22)) + " > 0")

    turns, evaluation = turns_taken(Evaluator(), program, market)

    assert 20 == turns
    assert bits(Evaluator().evaluate_closed(program, market, NEWEST)) == bits(evaluation)
