"""Fetches from REST what the repair queue asks for."""

import logging
from typing import NoReturn

import numpy as np

from adapters.binance.rest import BinanceRest
from adapters.binance.weight import Lane
from adapters.candle_store import INTERVAL_CODES, CandleStore, IntervalCandles, Records
from domain.errors import RefusedError, UnavailableError
from domain.market import KEPT_CANDLES
from feeder.broadcast import Broadcast
from feeder.intake import Intake
from feeder.repairs import Repair, RepairQueue, first_missing
from feeder.statistics import FeederStatistics

logger = logging.getLogger(__name__)

WORKERS = {Lane.URGENT: 6, Lane.BACKFILL: 10}
OVERLAP = 2
"""Candles that are known are asked for again: an exchange that tells others is not the one that they are from (`Intake.fill`)."""
LAG_MILLISECONDS = 60_000
"""How long after a candle's close (market time) the exchange's database may know fewer trades than its stream has shown."""


class RepairWork:
    """What each of the WORKERS of a lane does."""

    def __init__(self, queue: RepairQueue, store: CandleStore, intake: Intake, broadcast: Broadcast, statistics: FeederStatistics) -> None:
        self._queue = queue
        self._store = store
        self._intake = intake
        self._broadcast = broadcast
        self._statistics = statistics
        self._rest_is_away = False
        self._refused: set[Repair] = set()

    async def run(self, rest: BinanceRest, lane: Lane) -> NoReturn:
        """Repair one history after the other."""
        while True:
            repair = await self._queue.take(lane)
            try:
                await self._fetch(rest, repair, lane)
                self._note_rest("")
                self._refused.discard(repair)
            except UnavailableError as error:
                self._statistics.rest_failures += 1
                self._note_rest(str(error))
            except RefusedError as error:
                self._statistics.rest_failures += 1
                self._note_refusal(repair, error)
            finally:
                self._queue.done(repair)

    def _note_rest(self, problem: str) -> None:
        # An outage fails thousands of repairs: it is told when it begins and when it ends.
        if problem and not self._rest_is_away:
            logger.warning("Candles cannot be repaired until REST answers again: %s", problem)
        elif self._rest_is_away and not problem:
            logger.info("REST answers again")
        self._rest_is_away = bool(problem)

    def _note_refusal(self, repair: Repair, error: RefusedError) -> None:
        if repair not in self._refused:
            self._refused.add(repair)
            logger.warning("Cannot repair %s of %s: %s", repair.interval, self._store.symbols[repair.row], error)

    async def _fetch(self, rest: BinanceRest, repair: Repair, lane: Lane) -> None:
        interval, row = repair
        frame = self._store.frame(interval)
        asked_at = self._intake.as_of
        first = first_missing(frame, row)
        records = await rest.klines(self._store.symbols[row], interval, lane, None if first is None else first - OVERLAP)
        final, has_moved = self._intake.fill(row, interval, without_lagging(frame, row, records, asked_at), asked_at)
        self._statistics.rest_repairs += 1
        self._broadcast.candles(final)
        if has_moved:
            self._broadcast.row_begin(INTERVAL_CODES[interval], row, int(frame.begin[row]))


def without_lagging(frame: IntervalCandles, row: int, records: Records, asked_at: int) -> Records:
    """The candles before the first that just closed with fewer trades than the stream has shown of it: it will be asked for again."""
    closes = (records["index"] + 1) * frame.interval.milliseconds
    columns = records["index"] - frame.first_index
    just_closed = (closes <= asked_at) & (closes > asked_at - LAG_MILLISECONDS) & (columns >= 0) & (columns < KEPT_CANDLES)
    positions = np.flatnonzero(just_closed)
    lagging = positions[records["trades"][positions] < frame.columns["trades"][row, columns[positions]]]
    return records[: lagging[0]] if lagging.size else records
