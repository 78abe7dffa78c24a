"""What a trader evaluates and finds, tick by tick, and what it should have found."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from uuid import uuid4

import numpy as np

from activities.ports import ScreenRequest
from domain.filters import FilterSpec
from domain.market import Interval
from domain.screening import Progress
from domain.tiers import LIMITS, Tier
from domain.traders import TraderSettings
from filters.evaluation import Evaluator
from filters.expression import compile_filter
from workers.looking import Watched
from workers.newly_closed import newly_closed
from workers.passes import answered, evaluation_at

GREEN = FilterSpec(code="match = close > open", interval=Interval.M1)


def request():
    """A trader on every minute of all symbols, without a limit on its signals."""
    limits = replace(LIMITS[Tier.ELITE], max_signals_per_tick=10**6)
    return ScreenRequest(
        trader_id=uuid4(), user_id=uuid4(), settings=TraderSettings(filter=GREEN, cadence=timedelta(seconds=1)), limits=limits
    )


@dataclass
class Trader:
    """Ticks whenever candles settle; keeps what it evaluated and found."""

    progress: Progress = field(default_factory=Progress)
    evaluated: Counter = field(default_factory=Counter)
    matches: list = field(default_factory=list)
    missed: int = 0
    repeated: int = 0
    """Candles that a tick looked at beyond those by which its progress moved."""

    async def watch(self, screen, symbols):
        while True:
            result = await screen.tick(self.progress)
            if result.evaluated:
                new = list(newly_evaluated(self.progress, result.progress, symbols))
                self.evaluated.update(new)
                self.repeated += result.candles - len({index for _, index in new})
                self.matches += [(match.symbol, match.candle_index, match.initial) for match in result.matches]
                self.missed += result.missed_candles + result.dropped_matches
            self.progress = result.progress
            await screen.changed()


def newly_evaluated(before, after, symbols):
    """(symbol, candle) of each evaluation between two places on the grid; going back shows as a candle evaluated again later."""
    start = after.baseline - 1 if before.evaluated is None else before.evaluated
    for symbol in symbols:
        for index in range(before.behind.get(symbol, start) + 1, after.behind.get(symbol, after.evaluated) + 1):
            yield symbol, index


def assert_each_once(trader, store, through):
    """Every candle from the trader's first to `through` was evaluated once for each symbol, and found what one look at all would find."""
    first = trader.progress.baseline
    assert (0, 0) == (trader.missed, trader.repeated)
    assert Counter((symbol, index) for symbol in store.symbols for index in range(first, through + 1)) == trader.evaluated
    assert sorted(_expected_matches(store, first, through)) == sorted(trader.matches)


def _expected_matches(store, baseline, through):
    watched = Watched(rows=np.arange(len(store.symbols)), names=store.symbols, max_matches=10**6, late_after=timedelta(days=1))
    progress, compiled, found = Progress(baseline=baseline, evaluated=baseline - 1), compile_filter(GREEN), []
    while progress.evaluated < through:
        answer = partial(evaluation_at, evaluator=Evaluator(), compiled=compiled, snapshot=store)
        look = answered(newly_closed(compiled, store, watched, progress, 0), answer)
        found += [(match.symbol, match.candle_index, match.initial) for match in look.matches]
        progress = look.progress
    return [match for match in found if match[1] <= through]
