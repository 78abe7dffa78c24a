"""Each minute of market time: which candles should have closed, and which of them are there, from the streams or from REST."""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from adapters.candle_store import FROM_REST, STATUS_CODES, CandleStore, IntervalCandles, is_closed
from domain.market import Interval, SymbolStatus, from_epoch_milliseconds

logger = logging.getLogger(__name__)

PATIENCE_MILLISECONDS = 30_000
"""Market time after which a candle that closed should be there, from REST if not from the stream ..."""
PATIENCE = timedelta(seconds=10)
"""... and wall-clock time, because a market that runs faster has no faster network."""
NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Candles that should have closed, and how they came. `missing` are those that had not come when they were looked for."""

    expected: int = 0
    streamed: int = 0
    repaired: int = 0
    missing: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            expected=self.expected + other.expected,
            streamed=self.streamed + other.streamed,
            repaired=self.repaired + other.repaired,
            missing=self.missing + other.missing,
        )


@dataclass(frozen=True, kw_only=True)
class AuditResult:
    """The candles that closed after `after` and until `through`, per interval that had any."""

    after: datetime
    through: datetime
    tallies: dict[Interval, Tally] = field(default_factory=dict)
    missing_symbols: tuple[str, ...] = ()
    """Some of those that lack candles."""

    @property
    def total(self) -> Tally:
        """Over all intervals."""
        return sum(self.tallies.values(), Tally())


class Audit:
    """Looks at every closed candle of every symbol that trades and whose past is known, once, some time after it should have come."""

    def __init__(self, store: CandleStore, clock: Callable[[], float] = time.monotonic) -> None:
        self.last: AuditResult | None = None
        self.totals: dict[Interval, Tally] = dict.fromkeys(Interval, Tally())
        """Since the process started."""
        self._store = store
        self._clock = clock
        self._seen: deque[tuple[int, float]] = deque()
        self._noticed = 0
        self._audited = 0

    def look(self, as_of: int) -> None:
        """To be called each second with the exchange's time (epoch milliseconds): audits the minutes that have become due, together."""
        minute = as_of // Interval.M1.milliseconds * Interval.M1.milliseconds
        if not self._noticed:
            self._noticed = self._audited = minute
        if minute > self._noticed:
            self._noticed = minute
            self._seen.append((minute, self._clock()))
        through = 0
        while self._seen and self._is_due(*self._seen[0], as_of):
            through, _ = self._seen.popleft()
        if through:
            self._conclude(self._examine(self._audited, through))
            self._audited = through

    def _is_due(self, minute: int, seen_at: float, as_of: int) -> bool:
        return as_of >= minute + PATIENCE_MILLISECONDS and self._clock() - seen_at >= PATIENCE.total_seconds()

    def _examine(self, after: int, through: int) -> AuditResult:
        tallies, lacking = {}, np.zeros(len(self._store.symbols), np.bool_)
        for interval, frame in self._store.frames.items():
            first, last = after // interval.milliseconds, through // interval.milliseconds - 1
            if last >= first:
                tallies[interval], missing = self._tally(frame, first, last)
                lacking |= missing
        named = tuple(self._store.symbols[row] for row in np.flatnonzero(lacking)[:NAMED].tolist())
        moments = from_epoch_milliseconds(after), from_epoch_milliseconds(through)
        return AuditResult(after=moments[0], through=moments[1], tallies=tallies, missing_symbols=named)

    def _tally(self, frame: IntervalCandles, first: int, last: int) -> tuple[Tally, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
        indices = np.arange(max(first, frame.first_index), last + 1)
        wanted = (self._store.status == STATUS_CODES[SymbolStatus.TRADING]) & (frame.begin >= 0)
        expected = wanted[:, None] & (indices >= frame.begin[:, None])
        flags = np.zeros(expected.shape, np.uint8)
        kept = indices - frame.first_index < frame.flags.shape[1]
        flags[:, kept] = frame.flags[:, indices[kept] - frame.first_index]
        arrived = expected & is_closed(flags)
        repaired = arrived & (flags & FROM_REST > 0)
        counts = (int(np.count_nonzero(cells)) for cells in (expected, arrived & ~repaired, repaired, expected & ~arrived))
        return Tally(**dict(zip(("expected", "streamed", "repaired", "missing"), counts, strict=True))), (expected & ~arrived).any(axis=1)

    def _conclude(self, result: AuditResult) -> None:
        self.last = result
        for interval, tally in result.tallies.items():
            self.totals[interval] += tally
        total = result.total
        if total.missing:
            logger.warning(
                "%d of %d candles that closed until %s are missing, of %s ...; %d came from REST",
                total.missing,
                total.expected,
                result.through,
                ", ".join(result.missing_symbols),
                total.repaired,
            )
        elif total.repaired:
            logger.info("%d of %d candles that closed until %s came from REST", total.repaired, total.expected, result.through)
