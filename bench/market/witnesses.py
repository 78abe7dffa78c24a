"""Traders that note everything they evaluate: which candle of which symbol, with which values, and how fresh the market was."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from activities.ports import ScreenRequest, TickResult
from adapters.feeder_client import MarketReplica
from bench.market.truth import Truth
from domain.filters import FilterSpec, Trigger
from domain.market import Interval
from domain.screening import Progress
from domain.tiers import LIMITS, Tier
from domain.traders import TraderSettings
from filters.evaluation import Evaluator
from filters.expression import CompiledFilter
from filters.expression.calls import never
from filters.frames import MarketSnapshot
from filters.outcome import Evaluation
from workers.screen import ReplicaScreen
from workers.screens import ReplicaScreens

LOOK_EVERY = 0.5
"""Seconds after which a trader ticks though nothing has closed: so it also looks while the market is stale."""
LIMITS_OF_ALL = replace(LIMITS[Tier.ELITE], max_signals_per_tick=10**6)
FILTERS = (
    FilterSpec(code="match = close > open", interval=Interval.M1),
    FilterSpec(code="match = crosses_above(close, sma(close, 20))", interval=Interval.M1),
    FilterSpec(code='h = candles("1h")\nmatch = close > open and h.close > ema(h.close, 20)', interval=Interval.M5),
    FilterSpec(code="match = rsi(close, 14) > 50", interval=Interval.M15),
)
FORMING = FilterSpec(code="match = close > open", interval=Interval.M1, trigger=Trigger.TICK)


class NotingEvaluator(Evaluator):
    """An evaluator that notes, per closed candle asked for, what the store held: the close of each symbol, NaN where it was not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: dict[int, NDArray[np.float64]] = {}

    def evaluate_closed(
        self, compiled: CompiledFilter, snapshot: MarketSnapshot, index: int, is_over: Callable[[], bool] = never
    ) -> Evaluation:
        """As ever."""
        frame = snapshot.frame(compiled.interval)
        close = frame.columns["close"][:, index - frame.first_index]
        self.noted[index] = np.where(frame.closed_through >= index, close, np.nan)
        return super().evaluate_closed(compiled, snapshot, index, is_over)


@dataclass
class Verdict:
    """What a trader did wrong, and how much it did."""

    evaluated: int = 0
    repeated: int = 0
    skipped: int = 0
    wrong: int = 0
    """Evaluations on a candle that was not closed, or that differs from the exchange's."""
    unmarked: int = 0
    """Matches of candles older than the tier allows that were not marked late."""
    stale: int = 0
    """Ticks that looked at forming candles of a market that was stale."""
    examples: list[str] = field(default_factory=list)

    @property
    def faults(self) -> int:
        """All that must not be."""
        return self.repeated + self.skipped + self.wrong + self.unmarked + self.stale

    def __str__(self) -> str:
        return (
            f"{self.evaluated:,} evaluations, {self.repeated} repeated, {self.skipped} skipped, {self.wrong} on wrong candles,"
            f" {self.unmarked} late and unmarked, {self.stale} on a stale market"
        )


class Witness:
    """One trader, which ticks until cancelled as the screening activity lets it."""

    def __init__(self, replica: MarketReplica, spec: FilterSpec) -> None:
        self.spec = spec
        self.oldest = timedelta()
        """The greatest age of the market at which anything was evaluated."""
        self._replica = replica
        self._evaluator = NotingEvaluator()
        self._progress = Progress()
        self._seen: dict[tuple[str, int], float] = {}
        self._verdict = Verdict()

    async def run(self) -> None:
        """Tick for ever."""
        settings = TraderSettings(filter=self.spec, cadence=timedelta(seconds=1))
        request = ScreenRequest(trader_id=uuid4(), user_id=uuid4(), settings=settings, limits=LIMITS_OF_ALL)
        screen = await ReplicaScreens(self._replica, self._evaluator).open(request)
        while True:
            await self._tick(screen)
            with suppress(TimeoutError):
                await asyncio.wait_for(screen.changed(), LOOK_EVERY)

    def is_through(self, index: int) -> bool:
        """Whether every symbol has been evaluated up to and including this candle."""
        return self._progress.evaluated is not None and self._progress.evaluated >= index and not self._progress.behind

    def verdict(self, truths: dict[tuple[str, Interval], Truth], through: int) -> Verdict:
        """What was wrong, against all that the exchange has up to this candle."""
        if self.spec.trigger is Trigger.TICK:
            return self._verdict
        first = self._progress.baseline or 0
        for (symbol, interval), truth in truths.items():
            if interval is self.spec.interval:
                due = (truth.indices >= first) & (truth.indices <= through)
                for index, values in zip(truth.indices[due].tolist(), truth.values[due], strict=True):
                    self._judge(symbol, index, float(values[3]))
        return self._verdict

    async def _tick(self, screen: ReplicaScreen) -> None:
        self._evaluator.noted.clear()
        result = await screen.tick(self._progress)
        before, self._progress = self._progress, result.progress
        if not result.evaluated:
            return
        self.oldest = max(self.oldest, result.freshness.age)
        if self.spec.trigger is Trigger.TICK:
            self._verdict.evaluated += 1
            self._verdict.stale += result.freshness.age > LIMITS_OF_ALL.stale_after
        else:
            self._note(before, result)

    def _note(self, before: Progress, result: TickResult) -> None:
        after = result.progress
        assert after.evaluated is not None
        assert after.baseline is not None
        start = after.baseline - 1 if before.evaluated is None else before.evaluated
        for row, symbol in enumerate(self._replica.store.symbols):
            for index in range(before.behind.get(symbol, start) + 1, after.behind.get(symbol, after.evaluated) + 1):
                if index in self._evaluator.noted:
                    self._verdict.evaluated += 1
                    self._verdict.repeated += (symbol, index) in self._seen
                    self._seen[symbol, index] = float(self._evaluator.noted[index][row])
        for match in result.matches:
            age = result.freshness.as_of - self.spec.interval.close_time(match.candle_index) if result.freshness.as_of else timedelta()
            self._verdict.unmarked += age > LIMITS_OF_ALL.stale_after and not match.late

    def _judge(self, symbol: str, index: int, close: float) -> None:
        seen = self._seen.get((symbol, index))
        self._verdict.skipped += seen is None
        self._verdict.wrong += seen is not None and seen != close
        if seen != close and len(self._verdict.examples) < 10:
            self._verdict.examples.append(f"{symbol} {self.spec.interval} {index}: evaluated with close {seen}, the exchange's is {close}")
