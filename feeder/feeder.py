"""The feeder: one exchange's market, received once and handed to every worker."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import NoReturn

from adapters.binance.rest import BinanceRest
from adapters.candle_store import CandleStore
from adapters.feeder_protocol import Status
from feeder.broadcast import Broadcast
from feeder.intake import Intake
from feeder.pages import Pages
from feeder.pool import ConnectionPool
from feeder.repair_work import WORKERS, RepairWork
from feeder.repairs import RepairQueue
from feeder.server import MarketServer, tls_of
from feeder.settings import FeederSettings
from feeder.statistics import FeederStatistics
from feeder.supervision import keep_running
from feeder.universe import Universe

FORMING_SECONDS = 0.05
REPAIR_SCAN_SECONDS = 0.25
TICKER_SECONDS = 1.0
HEARTBEAT_SECONDS = 1.0


class Feeder:
    """Runs until cancelled. Every part of it is restarted by itself when it fails."""

    def __init__(self, settings: FeederSettings) -> None:
        self.statistics = FeederStatistics()
        self.store = CandleStore()
        self.intake = Intake(self.store, self.statistics)
        self.broadcast = Broadcast(self.store, settings.market, self.statistics, self._status, queue_limit=settings.client_queue_bytes)
        self._settings = settings
        self._tasks: asyncio.TaskGroup | None = None
        self._flush_is_due = False
        self._repairs = RepairQueue(self.store)
        self._repair_work = RepairWork(self._repairs, self.store, self.intake, self.broadcast, self.statistics)
        self._pool = ConnectionPool(
            settings.stream_url, self.intake, self.statistics, keep=self._keep, closed_arrived=self._schedule_closed
        )
        self._universe = Universe(self.store, self.intake, self.broadcast, self._pool, quote_asset=settings.quote_asset)
        self.pages = Pages(settings.market, self.store, self.intake, self.broadcast, self._pool, self._repairs, self.statistics)
        tls = tls_of(settings.tls_certificate, settings.tls_key)
        self._server = MarketServer(self.broadcast, settings.token, {"/healthz": self.pages.health, "/status": self.pages.status}, tls)

    async def run(self) -> None:
        """Listen, receive and hand on."""
        listening = self._server.listening(self._settings.host, self._settings.port)
        async with listening, BinanceRest(self._settings.rest_url) as rest, asyncio.TaskGroup() as self._tasks:
            self._keep("The universe", partial(self._universe.follow, rest))
            self._keep("Forming candles", partial(_every, FORMING_SECONDS, self._publish_forming))
            self._keep("The search for gaps", partial(_every, REPAIR_SCAN_SECONDS, self._scan_repairs))
            self._keep("Tickers", partial(_every, TICKER_SECONDS, self._publish_tickers))
            self._keep("The heartbeat", partial(_every, HEARTBEAT_SECONDS, self.broadcast.heartbeat))
            for number in range(WORKERS):
                self._keep(f"Repair worker {number}", partial(self._repair_work.run, rest))

    def data_age(self) -> timedelta | None:
        """How long the exchange has sent nothing; `None` before it sent anything. May be called from another thread."""
        return timedelta(seconds=self.intake.age()) if self.statistics.frames else None

    def _keep(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        assert self._tasks is not None, "nothing runs before the feeder does"
        self._tasks.create_task(keep_running(name, work, self.statistics))

    def _schedule_closed(self) -> None:
        if not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_soon(self._publish_closed)

    def _publish_closed(self) -> None:
        self._flush_is_due = False
        self.broadcast.candles(*self.intake.take_closed())

    def _publish_forming(self) -> None:
        self.broadcast.candles(*self.intake.take_forming())

    def _scan_repairs(self) -> None:
        self._repairs.scan(self.intake.as_of)

    def _publish_tickers(self) -> None:
        self.broadcast.tickers(self.intake.take_tickers())

    def _status(self) -> Status:
        return Status(as_of=self.intake.as_of, age=1000 * self.intake.age(), behind=self._repairs.behind)


async def _every(seconds: float, action: Callable[[], None]) -> NoReturn:
    while True:
        action()
        await asyncio.sleep(seconds)
