"""A filter over past candles, evaluated as it would have been live."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from domain.errors import RefusedError
from domain.filters import FilterSpec, Language, Trigger
from domain.market import Interval, epoch_milliseconds
from filters.javascript.contract import JavaScriptEngine
from filters.preview.cost import CostEstimate, estimate
from filters.preview.equity import SimulatedExits, simulate
from filters.preview.exits import ExitRules
from filters.preview.forward_returns import ForwardReturn, forward_returns
from filters.preview.gaps import Coverage, coverage
from filters.preview.languages import Prepared, prepare
from filters.preview.look_ahead import LookAheadCheck, check_look_ahead
from filters.preview.outcomes import Outcome
from filters.preview.past_candles import PastCandles
from filters.preview.segments import first_evaluable
from filters.preview.signals import Collection, FailureCount, SignalTable
from filters.preview.true_range import true_ranges

Progress = Callable[[int, int], None]
"""Told after every step: evaluations done, and how many there are."""
CHECKED_CANDLES = {Language.EXPRESSION: 20, Language.JAVASCRIPT: 4}
_DEFAULT_CADENCE = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class PreviewRequest:
    """What to preview. Candles whose open time is at or after `begin` and before `end` are evaluated; `None` is as far as there are any."""

    spec: FilterSpec
    begin: datetime | None = None
    end: datetime | None = None
    exits: ExitRules | None = None
    cadence: timedelta = _DEFAULT_CADENCE
    """Of a trader of the forming candle, for the cost."""
    user: str = "preview"
    """Whose code it is: browser filters of different users never share an isolate."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Preview:
    """What a filter would have found."""

    interval: Interval
    symbols: tuple[str, ...]
    first: datetime
    """Open time of the first candle evaluated."""
    last: datetime
    """Open time of the last one."""
    candles: int
    """Candles evaluated of each symbol."""
    outcomes: Mapping[Outcome, int]
    """How many evaluations, one symbol at one candle each, ended how."""
    signals: SignalTable
    signals_per_day: Mapping[date, int]
    """Every UTC day of the range; without the initial ones."""
    most_at_once: int
    """The most new matches at one candle: a trader's tier limits them."""
    failures: tuple[FailureCount, ...]
    forward_returns: tuple[ForwardReturn, ...]
    look_ahead: LookAheadCheck
    exits: SimulatedExits | None
    cost: CostEstimate
    coverage: tuple[Coverage, ...]
    duration: timedelta
    """Wall-clock time of the evaluation, without the checks and figures that follow."""
    assumptions: tuple[str, ...]

    @property
    def evaluations(self) -> int:
        """Symbols times candles."""
        return sum(self.outcomes.values())

    @property
    def match_rate(self) -> float | None:
        """Percent of the evaluations that said something, and said yes; `None` where none said anything."""
        matched = self.outcomes[Outcome.MATCHED]
        decided = matched + self.outcomes[Outcome.NOT_MATCHED]
        return 100 * matched / decided if decided else None


async def preview(
    request: PreviewRequest, candles: PastCandles, *, engine: JavaScriptEngine | None = None, progress: Progress | None = None
) -> Preview:
    """Evaluate every candle of the range for every symbol.

    An expression needs no engine. Raises FilterRefusedError for a filter that does not compile, RefusedError where the candles do not
    allow a single evaluation and for a browser filter that can only be given up, and UnavailableError without a process
    for it. What computes does so in a thread, block by block; cancelling takes effect between two blocks.
    """
    prepared = await prepare(request.spec, engine, request.user)
    first, last = _bounds(request, prepared, candles)
    began = time.perf_counter()
    found = Collection(candles, request.spec.interval, first, last)
    done, total = 0, found.outcomes.size
    async for step in prepared.steps(candles, first, last):
        done += await asyncio.to_thread(found.add, step)
        if progress:
            progress(done, total)
    duration = timedelta(seconds=time.perf_counter() - began)
    signals = found.signals()
    points = CHECKED_CANDLES[request.spec.language]
    check = await check_look_ahead(candles, request.spec.interval, first, found.outcomes, signals, prepared.steps, points)
    return await asyncio.to_thread(_summary, request, prepared, candles, found, signals, check, duration)


def _bounds(request: PreviewRequest, prepared: Prepared, candles: PastCandles) -> tuple[int, int]:
    """The first and the last candle that are evaluated."""
    base = request.spec.interval
    past, width = candles.of(base), base.milliseconds
    first = -(-epoch_milliseconds(request.begin) // width) if request.begin else past.first_index
    end = -(-epoch_milliseconds(request.end) // width) if request.end else past.end_index
    first, last = max(first, past.first_index), min(end, past.end_index) - 1
    if not candles.symbols or first > last:
        raise RefusedError(
            f"There are no candles of this range: those of {base} begin at {base.open_time(past.first_index):%Y-%m-%d %H:%M} "
            f"and end at {base.open_time(past.end_index):%Y-%m-%d %H:%M}, for {len(candles.symbols)} symbols."
        )
    begins = {interval: prepared.begin_of(candles.of(interval).known_from) for interval in prepared.required}
    return first_evaluable(base, first, last, begins), last


def _summary(
    request: PreviewRequest,
    prepared: Prepared,
    candles: PastCandles,
    found: Collection,
    signals: SignalTable,
    check: LookAheadCheck,
    duration: timedelta,
) -> Preview:
    spec, base, first, last = request.spec, request.spec.interval, found.first, found.last
    counts = np.bincount(found.outcomes.ravel(), minlength=len(Outcome))
    recorded = signals.indices[signals.places]
    return Preview(
        interval=base,
        symbols=candles.symbols,
        first=base.open_time(first),
        last=base.open_time(last),
        candles=last - first + 1,
        outcomes={outcome: int(counts[outcome]) for outcome in Outcome},
        signals=signals,
        signals_per_day=_per_day(recorded.tolist(), base, first, last),
        most_at_once=max(Counter(recorded.tolist()).values(), default=0),
        failures=found.failures,
        forward_returns=forward_returns(signals, found.outcomes, candles.of(base), first),
        look_ahead=check,
        exits=_exits(request.exits, signals, candles, first, last),
        cost=estimate(spec, check.evaluation_seconds, request.cadence, prepared.estimated),
        coverage=coverage(candles, prepared.required),
        duration=duration,
        assumptions=(*_assumptions(request), *prepared.assumptions, *candles.notes),
    )


def _exits(rules: ExitRules | None, signals: SignalTable, candles: PastCandles, first: int, last: int) -> SimulatedExits | None:
    if rules is None:
        return None
    ranges = true_ranges(signals, candles) if rules.needs_atr else None
    return simulate(signals, candles.of(signals.interval), rules, first, last, ranges)


def _per_day(indices: list[int], interval: Interval, first: int, last: int) -> dict[date, int]:
    """Signals by the UTC day in which their candle opened, days without any included."""
    begin = interval.open_time(first).date()
    days = (interval.open_time(last).date() - begin).days + 1
    counts = Counter(index * interval.milliseconds // Interval.D1.milliseconds for index in indices)
    return {begin + timedelta(days=day): counts[Interval.D1.index_at(interval.open_time(first)) + day] for day in range(days)}


def _assumptions(request: PreviewRequest) -> tuple[str, ...]:
    told = ["Every candle is evaluated at its close. Signals above the tier's number per candle are counted too."]
    if request.spec.trigger is Trigger.TICK:
        told.append("Live this trader also sees candles while they form: it finds more, and sooner. Past candles do not tell.")
    if request.exits:
        told.extend(request.exits.assumptions)
    return tuple(told)
