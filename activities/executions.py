"""Evaluations are written in groups: one bulk insert for all traders of the worker. While one group is written the next gathers."""

import asyncio
import logging
from datetime import timedelta

from activities.ports import Evaluation, ExecutionLog
from domain.errors import CloudtraderError, UnavailableError

logger = logging.getLogger(__name__)

GATHER = timedelta(milliseconds=50)
"""What arrives within this after the first goes along: the candles of a boundary are evaluated in a burst."""
GROUP_SIZE = 200
"""Rows of one insert: enough to share its cost, few enough that a match behind it does not wait long."""
RETRY_FIRST = timedelta(milliseconds=500)
RETRY_MOST = timedelta(seconds=10)


class GroupCommit:
    """Collects evaluations and commits them together. One per worker process; `run` must be running.

    An evaluation waits in memory until it is committed: `committed` tells its window when. While the database is away groups are
    retried in order, for ever; what a killed worker had not committed, the retried window evaluates anew.
    """

    def __init__(self, log: ExecutionLog) -> None:
        self._log = log
        self._waiting: list[tuple[Evaluation, asyncio.Future[None]]] = []
        self._being_written = 0
        self._arrived = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Evaluations not committed yet."""
        return len(self._waiting) + self._being_written

    def add(self, evaluation: Evaluation) -> asyncio.Future[None]:
        """Queue an evaluation; the future is done once its row is committed."""
        committed = asyncio.get_running_loop().create_future()
        # Whoever has something to report goes first: its window comes back once its row is there.
        self._waiting.insert(0 if evaluation.signals_generated else len(self._waiting), (evaluation, committed))
        self._arrived.set()
        return committed

    async def run(self) -> None:
        """Commit groups until cancelled."""
        while True:
            await self._arrived.wait()
            await asyncio.sleep(GATHER.total_seconds())
            while group := self._waiting[:GROUP_SIZE]:
                del self._waiting[: len(group)]
                self._being_written = len(group)
                await self._commit([evaluation for evaluation, _ in group])
                self._being_written = 0
                for _, committed in group:
                    if not committed.done():
                        committed.set_result(None)
            self._arrived.clear()

    async def _commit(self, group: list[Evaluation]) -> None:
        """Until the database has them. A row that it refuses holds up no other: the group is halved until that row stands alone."""
        try:
            await self._append(group)
        except CloudtraderError as error:
            if len(group) == 1:
                logger.error("an evaluation was refused and is lost", extra={"trader_id": str(group[0].trader_id), "error": str(error)})
                return
            middle = len(group) // 2
            await self._commit(group[:middle])
            await self._commit(group[middle:])

    async def _append(self, group: list[Evaluation]) -> None:
        delay = RETRY_FIRST
        while True:
            try:
                return await self._log.append(group)
            except UnavailableError as error:
                logger.warning("evaluations not committed, trying again", extra={"rows": len(group), "error": str(error)})
                await asyncio.sleep(delay.total_seconds())
                delay = min(delay * 2, RETRY_MOST)
