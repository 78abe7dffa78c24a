"""Which rows need candles from REST, and in which order: one rule for the first backfill, for gaps and for candles that do not close."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapters.binance.rest import MAX_KLINES
from adapters.candle_store import INTERVAL_CODES, CandleStore, IntervalCandles
from domain.market import Interval

GRACE_MILLISECONDS = 5_000
"""How long after its close (market time) a candle may be missing before REST is asked."""
TRANSIT_SECONDS = 1.0
"""Wall-clock time a candle gets to arrive by the stream after the grace: a market that runs sixty times faster has no faster network."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0


class Repair(NamedTuple):
    """One row of one interval that lacks closed candles; sorts by urgency."""

    interval_code: int
    row: int
    interval: Interval


def closed_through(frame: IntervalCandles) -> NDArray[np.int64]:
    """Per row: index of the last candle of its unbroken history; the one before its begin while that history is empty."""
    return np.maximum(frame.closed_through, frame.begin - 1)


def rows_behind(frame: IntervalCandles, as_of: int) -> NDArray[np.intp]:
    """Rows that lack a candle that closed more than the grace ago, be it the newest, one in a gap, or their whole past."""
    expected = (as_of - GRACE_MILLISECONDS) // frame.interval.milliseconds - 1
    return np.flatnonzero(closed_through(frame) < expected)


def candles_needed(frame: IntervalCandles, row: int, as_of: int) -> int:
    """How many of the newest candles to ask for so that they join what is known."""
    known_through = int(closed_through(frame)[row])
    return MAX_KLINES if frame.begin[row] < 0 else min(MAX_KLINES, as_of // frame.interval.milliseconds - known_through + 2)


class Wait(NamedTuple):
    """How often a repair was tried, and when (monotonic seconds) it may be tried next."""

    attempts: int
    until: float


class RepairQueue:
    """Rows to repair, shortest interval first. A row that stays behind is tried again after a pause that doubles up to a minute."""

    def __init__(self, store: CandleStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._queue = asyncio.PriorityQueue[Repair]()
        self._queued_or_taken: set[Repair] = set()
        self._waits: dict[Repair, Wait] = {}
        self.behind = 0
        """Histories that lacked a candle at the last scan."""

    def __len__(self) -> int:
        return self._queue.qsize()

    def scan(self, as_of: int) -> None:
        """Queue every row that is behind, is not queued or being repaired, and whose pause is over."""
        now = self._clock()
        behind = {
            Repair(INTERVAL_CODES[interval], row, interval)
            for interval, frame in self._store.frames.items()
            for row in rows_behind(frame, as_of).tolist()
        }
        self.behind = len(behind)
        self._waits = {repair: wait for repair, wait in self._waits.items() if repair in behind}
        for repair in behind - self._queued_or_taken:
            if self._waits.setdefault(repair, self._first_wait(repair, now)).until <= now:
                self._queued_or_taken.add(repair)
                self._queue.put_nowait(repair)

    async def take(self) -> Repair:
        """The most wanted repair, once there is one. The caller says when it is `done`."""
        return await self._queue.get()

    def done(self, repair: Repair) -> None:
        """The repair was tried, with or without success."""
        self._queued_or_taken.discard(repair)
        attempts = self._waits[repair].attempts + 1 if repair in self._waits else 1
        self._waits[repair] = Wait(attempts, self._clock() + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempts, 10)))

    def _first_wait(self, repair: Repair, now: float) -> Wait:
        is_known = self._store.frame(repair.interval).begin[repair.row] >= 0
        return Wait(0, now + TRANSIT_SECONDS if is_known else now)
