"""One user attacks a worker's thread with the dearest filters; what the others notice, in a minute: `python -m bench.fairness`.

50 users with a tick trader each, drawn from the rules of bench/peers/rules.py, evaluate the forming candle once a second over 400
symbols, while the market sends 650 candles a second. Then the attacker joins with 20 tick traders of the dearest filters his tier allows.
Everything runs on one core. The exit code is 1 where the others' p99 more than doubles.
"""

import argparse
import asyncio
import random
import sys
import time
from dataclasses import dataclass, field

import numpy as np

from adapters.candle_store import CANDLE, CLOSED, INTERVAL_CODES
from adapters.feeder_client import MarketReplica
from bench.measuring.figures import show
from bench.peers.comparison import on_one_core
from bench.peers.recorded import BASE, HOUR, SYMBOLS, RecordedMarket
from bench.peers.rules import rule
from domain.errors import FilterRefusedError
from domain.filters import FilterSpec
from domain.market import Interval
from domain.tiers import LIMITS, Tier
from filters.evaluation import Evaluator
from filters.expression import CompiledFilter, compile_filter, problems_beyond
from filters.held import HeldSnapshot
from filters.outcome import Evaluation
from workers.looking import Look, Question
from workers.passes import ExpressionPasses

USERS = 50
ATTACKING_TRADERS = 20
CADENCE = 1.0
CANDLES_A_SECOND = 650
UPDATE_EVERY = 0.05
MOST = 2.0
DEAR = (
    "ht_trendmode(close + {})",
    "ht_dcphase(close - {})",
    "cci(400 - {})",
    "macdext(close * {}, 26, 2, 52, 2, 18, 2).histogram",
    "adx({})",
)


@dataclass
class Market:
    """A replica's store, filled and moving."""

    replica: MarketReplica = field(default_factory=lambda: MarketReplica("ws://127.0.0.1:1", "not used"))
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))
    delays: list[float] = field(default_factory=list)

    def fill(self, recorded: RecordedMarket) -> None:
        """Everything that had closed."""
        snapshot = recorded.at_close(recorded.newest, version=1)
        self.replica.store.append(snapshot.symbols)
        for interval in (BASE, HOUR):
            self._tell(snapshot, interval)
        self.forming = recorded.newest + 1

    def _tell(self, snapshot: HeldSnapshot, interval: Interval) -> None:
        source, frame = snapshot.frames[interval], self.replica.store.frame(interval)
        first, last = int(source.closed_from[0]), int(source.closed_through[0])
        records = np.zeros((SYMBOLS, last + 1 - first), CANDLE)
        records["row"], records["interval"], records["flags"] = np.arange(SYMBOLS)[:, None], INTERVAL_CODES[interval], CLOSED
        records["index"] = np.arange(first, last + 1)
        records["event_time"] = (records["index"] + 1) * interval.milliseconds
        for name, values in source.columns.items():
            records[name] = values[:, first - source.first_index :]
        frame.apply(records.ravel())
        for row in range(SYMBOLS):
            frame.confirm(row, first, last)

    async def move(self) -> None:
        """Send forming candles for ever, and measure how long they wait for the thread."""
        while True:
            sent = time.perf_counter()
            asyncio.ensure_future(asyncio.wrap_future(self.replica.thread.submit(self.update))).add_done_callback(
                lambda _, sent=sent: self.delays.append(time.perf_counter() - sent)
            )
            await asyncio.sleep(UPDATE_EVERY)

    def update(self) -> None:
        """Some symbols' forming candles change."""
        store = self.replica.store
        rows = self.random.choice(SYMBOLS, int(CANDLES_A_SECOND * UPDATE_EVERY), replace=False)
        for interval in (BASE, HOUR):
            index = self.forming * BASE.milliseconds // interval.milliseconds
            frame = store.frame(interval)
            records = np.zeros(len(rows), CANDLE)
            records["row"], records["interval"], records["index"] = rows, INTERVAL_CODES[interval], index
            records["event_time"] = index * interval.milliseconds + store.seq
            close = frame.columns["close"][rows, index - 1 - frame.first_index] * (1 + self.random.normal(scale=0.001, size=len(rows)))
            for name in ("open", "high", "low", "close"):
                records[name] = close
            records["volume"] = records["quote_volume"] = records["trades"] = store.seq
            frame.apply(records)
        store.seq += 1

    @property
    def question(self) -> Question:
        return Question(index=self.forming, rows=np.arange(SYMBOLS), as_of=self.forming * BASE.milliseconds + 1, is_forming=True)


def dearest(number: int) -> CompiledFilter:
    """The dearest filter that an elite user may deploy; each number gives another one."""
    terms: list[str] = []
    for place in range(1, 65):
        for text in DEAR:
            term = text.format(place + number)
            if _is_allowed([*terms, term]):
                terms.append(term)
                break
        else:
            break
    return _compiled(_sum(terms))


def _is_allowed(terms: list[str]) -> bool:
    try:
        return not problems_beyond(_compiled(_sum(terms)), LIMITS[Tier.ELITE])
    except FilterRefusedError:
        return False


def _sum(terms: list[str]) -> str:
    return f"match = {' + '.join(terms)} > 1e12"


def _compiled(code: str) -> CompiledFilter:
    return compile_filter(FilterSpec(code=code, interval=BASE))


async def tick(market: Market, passes: ExpressionPasses) -> Evaluation:
    """One look at the forming candle."""

    def look() -> Look[Evaluation]:
        evaluation = yield market.question
        return evaluation

    return await passes.through(look())


async def trade(market: Market, passes: ExpressionPasses, latencies: list[float], phase: float) -> None:
    """Tick at the cadence; how late each result is."""
    due = time.perf_counter() + phase
    while True:
        await asyncio.sleep(max(0, due - time.perf_counter()))
        await tick(market, passes)
        latencies.append(time.perf_counter() - due)
        due += CADENCE * max(1, -(-(time.perf_counter() - due) // CADENCE))


@dataclass
class Measured:
    """Seconds, over all rounds; `p99s` of the others' ticks per round."""

    ticks: list[float] = field(default_factory=list)
    attacks: list[float] = field(default_factory=list)
    updates: list[float] = field(default_factory=list)
    p99s: list[float] = field(default_factory=list)

    @property
    def p99(self) -> float:
        """Of the round in the middle: this machine has other things to do, too."""
        return float(np.median(self.p99s))

    def tell(self, name: str) -> None:
        """One line per figure."""
        show(f"{name}: p50 of {len(self.ticks):,} ticks of the others", 1e3 * float(np.median(self.ticks)), "ms")
        show(f"{name}: their p99, median of {len(self.p99s)} rounds", 1e3 * self.p99, "ms")
        show(f"{name}: the market's updates wait, p99", 1e3 * float(np.quantile(self.updates, 0.99)), "ms")
        if self.attacks:
            show(f"{name}: p50 of {len(self.attacks):,} ticks of the attacker", 1e3 * float(np.median(self.attacks)), "ms")


async def measure(
    market: Market, others: list[ExpressionPasses], attackers: list[ExpressionPasses], seconds: float, told: Measured
) -> None:
    """One round."""
    latencies: list[float] = []
    phases = random.Random(1)
    market.delays = told.updates
    traders = [trade(market, passes, latencies, phases.random()) for passes in others]
    traders += [trade(market, passes, told.attacks, phases.random()) for passes in attackers]
    tasks = [asyncio.ensure_future(task) for task in (*traders, market.move())]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    told.ticks += latencies
    told.p99s.append(float(np.quantile(latencies, 0.99)))


async def main(seconds: float, rounds: int) -> float:
    """How many times the others' p99 grew."""
    market, evaluator = Market(), Evaluator()
    market.fill(RecordedMarket())
    await asyncio.wrap_future(market.replica.thread.submit(market.update))

    def passes(user: str, compiled: CompiledFilter) -> ExpressionPasses:
        return ExpressionPasses(market.replica, evaluator, user, compiled)

    others = [passes(f"user {place}", _compiled(rule(5 * place, place))) for place in range(USERS)]
    dear = [dearest(number) for number in range(ATTACKING_TRADERS)]
    show("the attacker's filters, estimated for a first evaluation", dear[0].cost.estimated.total_seconds() * 1e3, "ms")
    attackers = [passes("mallory", item) for item in dear]
    alone, attacked = Measured(), Measured()
    for _ in range(rounds):
        await measure(market, others, [], seconds, alone)
        await measure(market, others, attackers, seconds, attacked)
    market.replica.close()
    alone.tell("alone")
    attacked.tell("attacked")
    show("the others' p99 grew", attacked.p99 / alone.p99, "times")
    return attacked.p99 / alone.p99


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6, help="of a round")
    parser.add_argument("--rounds", type=int, default=5, help="of each kind, one after the other in turn")
    return parser.parse_args()


if __name__ == "__main__":
    on_one_core()
    options = _options()
    if asyncio.run(main(options.seconds, options.rounds)) > MOST:
        sys.exit(f"an attack makes the others' p99 more than {MOST} times as long")
