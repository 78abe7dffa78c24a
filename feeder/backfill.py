"""How far the first backfill is, and how long the rest of it will take."""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from adapters.candle_store import STATUS_CODES, CandleStore
from domain.market import Interval, SymbolStatus

logger = logging.getLogger(__name__)

PACE_SAMPLES = 30
PACE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class BackfillReport:
    """Histories of trading symbols whose past the exchange has told, of how many, and how long the others will take at the present pace."""

    done: int
    of: int
    remaining: timedelta | None
    """Zero when all are done; `None` while there is no pace to tell it from."""


class BackfillProgress:
    """Counts the histories that have their past and logs every tenth of them."""

    def __init__(self, store: CandleStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._pace = deque[tuple[float, int]](maxlen=PACE_SAMPLES)
        self._tenths_told = 0
        self._done = self._of = 0

    def look(self) -> None:
        """Count anew; call it a few times a second."""
        trading = self._store.status == STATUS_CODES[SymbolStatus.TRADING]
        self._of = len(Interval) * int(np.count_nonzero(trading))
        self._done = sum(int(np.count_nonzero(frame.begin[trading] >= 0)) for frame in self._store.frames.values())
        now = self._clock()
        if not self._pace or now - self._pace[-1][0] >= PACE_SECONDS:
            self._pace.append((now, self._done))
        self._tell()

    def report(self) -> BackfillReport:
        """As of the last look. May be called from another thread."""
        return BackfillReport(done=self._done, of=self._of, remaining=self._remaining())

    def _remaining(self) -> timedelta | None:
        if self._done == self._of:
            return timedelta()
        samples = tuple(self._pace)
        if not samples or samples[-1][1] <= samples[0][1]:
            return None
        pace = (samples[-1][1] - samples[0][1]) / (samples[-1][0] - samples[0][0])
        return timedelta(seconds=(self._of - self._done) / pace)

    def _tell(self) -> None:
        tenths = 10 * self._done // self._of if self._of else 0
        if tenths > self._tenths_told:
            remaining = self._remaining()
            left = "" if remaining is None else f", {remaining.total_seconds():.0f} s to go"
            logger.info("Backfill: %d %% (%d of %d histories)%s", 10 * tenths, self._done, self._of, left)
        self._tenths_told = tenths
