"""The self-check: with the future cut off, does the filter say the same?"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from statistics import median

import numpy as np

from domain.market import Interval
from filters.preview.outcomes import Outcomes, Step
from filters.preview.past_candles import PastCandles
from filters.preview.signals import Collection, SignalTable

Evaluate = Callable[[PastCandles, int, int], AsyncIterator[Step]]
"""Evaluates candles from one index to another."""
_SEED = 2024


@dataclass(frozen=True, kw_only=True)
class Difference:
    """An evaluation that came to something else without the future."""

    symbol: str
    candle_open_time: datetime


@dataclass(frozen=True, kw_only=True)
class LookAheadCheck:
    """Candles, chosen at random and among the signals, evaluated once more as if each were the newest."""

    candles: int
    evaluations: int
    differences: tuple[Difference, ...]
    evaluation_seconds: float
    """CPU time of all symbols at one candle, evaluated by itself as live: the median."""

    @property
    def passed(self) -> bool:
        """Whether nothing depended on later candles, or changed from one time to the next."""
        return not self.differences


async def check_look_ahead(
    candles: PastCandles, base: Interval, first: int, outcomes: Outcomes, signals: SignalTable, evaluate: Evaluate, points: int
) -> LookAheadCheck:
    """Evaluate up to `points` candles again, each on the candles known at its close. `outcomes` begin at candle `first`."""
    differences: list[Difference] = []
    times = []
    chosen = _chosen(first, first + outcomes.shape[1] - 1, signals, points)
    for index in chosen:
        again = Collection(candles, base, index, index)
        async for step in evaluate(candles.at_close(base, index), index, index):
            again.add(step)
        times.append(again.busy)
        other = np.flatnonzero(again.outcomes[:, 0] != outcomes[:, index - first])
        differences.extend(Difference(symbol=candles.symbols[row], candle_open_time=base.open_time(index)) for row in other)
    return LookAheadCheck(
        candles=len(chosen),
        evaluations=len(chosen) * len(candles.symbols),
        differences=tuple(differences),
        evaluation_seconds=median(times),
    )


def _chosen(first: int, last: int, signals: SignalTable, points: int) -> list[int]:
    random = np.random.default_rng(_SEED)
    with_signals = np.unique(signals.indices)
    some = random.choice(with_signals, size=min(points // 2, len(with_signals)), replace=False).tolist()
    rest = np.setdiff1d(np.arange(first, last + 1), some)
    return sorted(some + random.choice(rest, size=min(points - len(some), len(rest)), replace=False).tolist())
