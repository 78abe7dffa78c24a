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
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0


class Repair(NamedTuple):
    """One row of one interval that lacks closed candles; sorts by urgency."""

    interval_code: int
    row: int
    interval: Interval


def rows_behind(frame: IntervalCandles, as_of: int) -> NDArray[np.intp]:
    """Rows that lack a candle that closed more than the grace ago, be it the newest, one in a gap, or their whole past."""
    expected = (as_of - GRACE_MILLISECONDS) // frame.interval.milliseconds - 1
    return np.flatnonzero(np.maximum(frame.closed_through, frame.begin - 1) < expected)


def candles_needed(frame: IntervalCandles, row: int, as_of: int) -> int:
    """How many of the newest candles to ask for so that they join what is known."""
    known_through = max(int(frame.closed_through[row]), int(frame.begin[row]) - 1)
    return MAX_KLINES if frame.begin[row] < 0 else min(MAX_KLINES, as_of // frame.interval.milliseconds - known_through + 2)


class RepairQueue:
    """Rows to repair, shortest interval first. A row that stays behind is tried again after a pause that doubles up to a minute."""

    def __init__(self, store: CandleStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._queue = asyncio.PriorityQueue[Repair]()
        self._known: set[Repair] = set()
        self._attempts: dict[Repair, int] = {}
        self._not_before: dict[Repair, float] = {}

    def __len__(self) -> int:
        return self._queue.qsize()

    def scan(self, as_of: int) -> None:
        """Queue every row that is behind, is not queued or being repaired, and whose pause is over."""
        now = self._clock()
        for interval, frame in self._store.frames.items():
            for row in rows_behind(frame, as_of):
                repair = Repair(INTERVAL_CODES[interval], int(row), interval)
                if repair not in self._known and self._not_before.get(repair, 0.0) <= now:
                    self._known.add(repair)
                    self._queue.put_nowait(repair)

    async def take(self) -> Repair:
        """The most wanted repair, once there is one. The caller says when it is `done`."""
        return await self._queue.get()

    def done(self, repair: Repair, as_of: int) -> None:
        """The repair was tried, when `as_of` was that."""
        self._known.discard(repair)
        if repair.row not in rows_behind(self._store.frame(repair.interval), as_of):
            self._attempts.pop(repair, None)
            self._not_before.pop(repair, None)
            return
        attempts = self._attempts[repair] = self._attempts.get(repair, 0) + 1
        self._not_before[repair] = self._clock() + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempts, 10))
