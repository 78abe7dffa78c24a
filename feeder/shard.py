"""The streams that one connection receives, and the succession of connections that receive them."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import NoReturn

from feeder.connection import Ending, ExchangeConnection, Reason
from feeder.statistics import FeederStatistics
from feeder.supervision import Backoff

logger = logging.getLogger(__name__)


class Shard:
    """Keeps its streams received: by one connection, by two while one takes the place of the other. Never gives up."""

    def __init__(
        self, streams: Iterable[str], connect: Callable[[Iterable[str]], ExchangeConnection], statistics: FeederStatistics
    ) -> None:
        self.streams = tuple(streams)
        self._connect = connect
        self._statistics = statistics
        self._backoff = Backoff()
        self._tasks: dict[ExchangeConnection, asyncio.Task[Ending]] = {}

    @property
    def connections(self) -> list[ExchangeConnection]:
        """Those that exist now, the oldest first."""
        return list(self._tasks)

    def want(self, streams: Iterable[str]) -> None:
        """Receive these streams and no others from now on."""
        self.streams = tuple(streams)
        for connection in self._tasks:
            connection.want(self.streams)

    async def run(self) -> NoReturn:
        """Receive until cancelled."""
        try:
            connection = self._open()
            while True:
                task = self._tasks[connection]
                await asyncio.wait((task, connection.replacement), return_when=asyncio.FIRST_COMPLETED)
                if task.done():
                    await asyncio.sleep(self._closed(connection))
                    connection = self._open()
                else:
                    connection = await self._hand_over(connection)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            self._tasks.clear()

    async def _hand_over(self, old: ExchangeConnection) -> ExchangeConnection:
        """The connection that goes on in the place of `old`, which receives until the new one does, or until its own end."""
        reason = old.replacement.result()
        logger.info("Connection %d will be replaced: %s", old.number, reason)
        while True:
            new = self._open()
            await asyncio.wait((self._tasks[old], self._tasks[new], new.ready), return_when=asyncio.FIRST_COMPLETED)
            if self._tasks[old].done():
                self._closed(old)
                return new
            if new.ready.done() and not self._tasks[new].done():
                await self._retire(old, reason)
                return new
            await asyncio.wait((self._tasks[old],), timeout=self._closed(new))

    async def _retire(self, old: ExchangeConnection, reason: Reason) -> None:
        await old.retire()
        task = self._tasks.pop(old)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._count(reason)

    def _open(self) -> ExchangeConnection:
        connection = self._connect(self.streams)
        self._tasks[connection] = asyncio.create_task(connection.run())
        return connection

    def _closed(self, connection: ExchangeConnection) -> float:
        """Take note that a connection ended; how many seconds to wait before another is opened."""
        task = self._tasks.pop(connection)
        if (failure := task.exception()) is not None:
            logger.error("Connection %d failed", connection.number, exc_info=failure)
        reason, detail = task.result() if failure is None else Ending(Reason.FAILED, type(failure).__name__)
        self._statistics.connections_lost += reason is not Reason.UNREACHABLE
        self._count(reason)
        pause = self._backoff.pause(time.monotonic() - connection.ready_at if connection.ready_at else 0.0)
        logger.warning("Connection %d ended (%s, %s); another is opened in %.1f s", connection.number, reason, detail, pause)
        return pause

    def _count(self, reason: Reason) -> None:
        self._statistics.rotations += reason is Reason.ROTATION
        self._statistics.replacements[reason.value] = self._statistics.replacements.get(reason.value, 0) + 1
