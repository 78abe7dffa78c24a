"""Which histories need candles from REST, in which order: one rule for the first backfill, for gaps and for candles that do not close."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapters.binance.weight import Lane
from adapters.candle_store import INTERVAL_CODES, STATUS_CODES, CandleStore, IntervalCandles
from domain.market import Interval, SymbolStatus

GRACE_MILLISECONDS = 5_000
"""How long after its close (market time) a candle may be missing before REST is asked."""
TRANSIT_SECONDS = 1.0
"""Wall-clock time a candle gets to arrive by the stream after the grace: a market that runs sixty times faster has no faster network."""
FEW_CANDLES = 3
"""A history that lacks no more than its last few candles is repaired at once: traders wait for it."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0


class Repair(NamedTuple):
    """One symbol's history of one interval that lacks closed candles."""

    interval: Interval
    row: int


class Wait(NamedTuple):
    """How often a repair was tried, and when (monotonic seconds) it may be tried next."""

    attempts: int
    until: float


_Turn = tuple[int, int, int]


def closed_through(frame: IntervalCandles) -> NDArray[np.int64]:
    """Per row: index of the last candle of its unbroken history; the one before its begin while that history is empty."""
    return np.maximum(frame.closed_through, frame.begin - 1)


def expected_through(interval: Interval, as_of: int) -> int:
    """Index of the newest candle that closed more than the grace ago."""
    return (as_of - GRACE_MILLISECONDS) // interval.milliseconds - 1


def rows_behind(frame: IntervalCandles, as_of: int) -> NDArray[np.intp]:
    """Rows that lack a candle that closed more than the grace ago, be it the newest, one in a gap, or their whole past."""
    return np.flatnonzero(closed_through(frame) < expected_through(frame.interval, as_of))


def trading_rows_behind(store: CandleStore, interval: Interval, as_of: int) -> NDArray[np.intp]:
    """Those of symbols that trade: the others have no candles to wait for."""
    rows = rows_behind(store.frame(interval), as_of)
    trading: NDArray[np.intp] = rows[store.status[rows] == STATUS_CODES[SymbolStatus.TRADING]]
    return trading


def first_missing(frame: IntervalCandles, row: int) -> int | None:
    """Index of the first candle that a row's history lacks; `None` while its past is not known."""
    return int(closed_through(frame)[row]) + 1 if frame.begin[row] >= 0 else None


class RepairQueue:
    """Histories to repair, in two lanes that are served side by side.

    Urgent are those that lack only their last few candles, first come, first served. Backfill is everything else: what was repaired least
    often first, so that every history gets its turn; among equals the shortest interval, then the largest quote volume. One that stays
    behind is tried again after a pause that doubles up to a minute.
    """

    def __init__(self, store: CandleStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._as_of = 0
        self._scans = 0
        self._lanes = {lane: asyncio.PriorityQueue[tuple[_Turn, Repair]]() for lane in Lane}
        self._queued_or_taken: set[Repair] = set()
        self._waits: dict[Repair, Wait] = {}
        self._times_repaired = Counter[Repair]()
        self.behind = 0
        """Histories of trading symbols that lacked a candle at the last scan."""

    def __len__(self) -> int:
        return sum(queue.qsize() for queue in self._lanes.values())

    def scan(self, as_of: int) -> None:
        """Queue every history that is behind, is not queued or being repaired, and whose pause is over."""
        now = self._clock()
        self._as_of = as_of
        self._scans += 1
        behind = set(self._histories_behind())
        self.behind = len(behind)
        self._waits = {repair: wait for repair, wait in self._waits.items() if repair in behind}
        for repair in behind - self._queued_or_taken:
            if self._waits.setdefault(repair, self._first_wait(repair, now)).until <= now:
                self._queued_or_taken.add(repair)
                self._put(repair)

    async def take(self, lane: Lane) -> Repair:
        """The most wanted repair of a lane, once there is one. The caller says when it is `done`."""
        while True:
            _, repair = await self._lanes[lane].get()
            if self._is_behind(repair):
                return repair
            self._queued_or_taken.discard(repair)

    def done(self, repair: Repair) -> None:
        """The repair was tried, with or without success."""
        self._queued_or_taken.discard(repair)
        self._times_repaired[repair] += 1
        attempts = self._waits[repair].attempts + 1 if repair in self._waits else 1
        self._waits[repair] = Wait(attempts, self._clock() + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempts, 10)))

    def _histories_behind(self) -> Iterator[Repair]:
        for interval in Interval:
            for row in trading_rows_behind(self._store, interval, self._as_of).tolist():
                yield Repair(interval, row)

    def _is_behind(self, repair: Repair) -> bool:
        return repair.row in trading_rows_behind(self._store, repair.interval, self._as_of)

    def _put(self, repair: Repair) -> None:
        lane = self._lane(repair)
        turn = self._scans if lane is Lane.URGENT else self._times_repaired[repair]
        self._lanes[lane].put_nowait(((turn, INTERVAL_CODES[repair.interval], int(self._store.rank[repair.row])), repair))

    def _lane(self, repair: Repair) -> Lane:
        first = first_missing(self._store.frame(repair.interval), repair.row)
        lacks_few = first is not None and expected_through(repair.interval, self._as_of) - first < FEW_CANDLES
        return Lane.URGENT if lacks_few else Lane.BACKFILL

    def _first_wait(self, repair: Repair, now: float) -> Wait:
        is_known = self._store.frame(repair.interval).begin[repair.row] >= 0
        return Wait(0, now + TRANSIT_SECONDS if is_known else now)
