"""Fetches from REST what the repair queue asks for."""

import logging
from typing import NoReturn

from adapters.binance.rest import BinanceRest
from adapters.candle_store import CandleStore
from domain.errors import RefusedError, UnavailableError
from feeder.broadcast import Broadcast
from feeder.intake import Intake
from feeder.repairs import Repair, RepairQueue, candles_needed
from feeder.statistics import FeederStatistics

logger = logging.getLogger(__name__)

WORKERS = 10


class RepairWork:
    """What each of WORKERS tasks does."""

    def __init__(self, queue: RepairQueue, store: CandleStore, intake: Intake, broadcast: Broadcast, statistics: FeederStatistics) -> None:
        self._queue = queue
        self._store = store
        self._intake = intake
        self._broadcast = broadcast
        self._statistics = statistics
        self._rest_is_away = False

    async def run(self, rest: BinanceRest) -> NoReturn:
        """Repair one history after the other."""
        while True:
            repair = await self._queue.take()
            asked_at = self._intake.as_of
            try:
                await self._fetch(rest, repair, asked_at)
                self._note_rest("")
            except UnavailableError as error:
                self._statistics.rest_failures += 1
                self._note_rest(str(error))
            except RefusedError as error:
                self._statistics.rest_failures += 1
                logger.warning("Could not repair %s of %s: %s", repair.interval, self._store.symbols[repair.row], error)
            finally:
                self._queue.done(repair)

    def _note_rest(self, problem: str) -> None:
        # An outage fails thousands of repairs: it is told when it begins and when it ends.
        if problem and not self._rest_is_away:
            logger.warning("Candles cannot be repaired until REST answers again: %s", problem)
        elif self._rest_is_away and not problem:
            logger.info("REST answers again")
        self._rest_is_away = bool(problem)

    async def _fetch(self, rest: BinanceRest, repair: Repair, asked_at: int) -> None:
        code, row, interval = repair
        frame = self._store.frame(interval)
        records = await rest.klines(self._store.symbols[row], interval, candles_needed(frame, row, asked_at))
        final, has_moved = self._intake.fill(row, interval, records, asked_at)
        self._statistics.rest_repairs += 1
        self._broadcast.candles(final)
        if has_moved:
            self._broadcast.row_begin(code, row, int(frame.begin[row]))
