"""The feeder: one exchange's market, received once and handed to every worker."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NoReturn

from adapters.binance.rest import BinanceRest
from adapters.binance.weight import WeightLimiter
from adapters.candle_store import CandleStore
from adapters.feeder_protocol import Status
from feeder.audit import Audit
from feeder.backfill import BackfillProgress
from feeder.broadcast import Broadcast
from feeder.conditions import Conditions
from feeder.connection import ConnectionLimits
from feeder.exchange_clock import ExchangeClock
from feeder.intake import Intake
from feeder.pages import Pages
from feeder.parts import Parts
from feeder.persistence import Origin, Persistence
from feeder.pool import ConnectionPool
from feeder.repair_work import WORKERS, RepairWork
from feeder.repairs import RepairQueue
from feeder.selection import Selection
from feeder.server import MarketServer, tls_of
from feeder.settings import FeederSettings
from feeder.statistics import FeederStatistics
from feeder.supervision import keep_running
from feeder.universe import Universe
from feeder.watch import Watch

FORMING_SECONDS = 0.05
REPAIR_SCAN_SECONDS = 0.25
TICKER_SECONDS = 1.0
HEARTBEAT_SECONDS = 1.0
WATCH_SECONDS = 1.0


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
        self._limiter = WeightLimiter()
        self._clock = ExchangeClock(self.intake)
        self._backfill = BackfillProgress(self.store)
        self._repairs = RepairQueue(self.store)
        self._repair_work = RepairWork(self._repairs, self.store, self.intake, self.broadcast, self.statistics)
        self._pool = ConnectionPool(
            settings.stream_url,
            self.store,
            self.intake,
            self.statistics,
            limits=ConnectionLimits(rotate_after=settings.rotate_after, silent_after=settings.silent_after),
            keep=self._keep,
            closed_arrived=self._schedule_closed,
        )
        self._persistence = self._persistence_in(Path(settings.snapshot)) if settings.snapshot else None
        self._universe = Universe(
            self.store,
            self.intake,
            self.broadcast,
            self._pool,
            Selection(quote_asset=settings.quote_asset, excluded_bases=settings.excluded_bases),
            refresh_every=settings.universe_refresh,
        )
        parts = self._parts()
        self.watch = Watch(parts)
        pages = Pages(parts)
        tls = tls_of(settings.tls_certificate, settings.tls_key)
        documents = {"/healthz": pages.health, "/status": pages.status, "/symbols": pages.symbols}
        self._server = MarketServer(self.broadcast, settings.token, documents, tls)

    async def run(self) -> None:
        """Listen, receive and hand on."""
        listening = self._server.listening(self._settings.host, self._settings.port)
        rest = BinanceRest(self._settings.rest_url, self._limiter)
        keeping = self._persistence.keeping(rest) if self._persistence else nullcontext()
        async with rest, keeping, listening, asyncio.TaskGroup() as self._tasks:
            self._keep("The universe", partial(self._universe.follow, rest))
            self._keep("The exchange's clock", partial(self._clock.follow, rest))
            self._keep("Forming candles", partial(_every, FORMING_SECONDS, self._publish_forming))
            self._keep("The search for gaps", partial(_every, REPAIR_SCAN_SECONDS, self._scan_repairs))
            self._keep(
                "The search for silent streams", partial(_every, self._settings.silent_after.total_seconds() / 20, self._pool.revive_silent)
            )
            self._keep("Tickers", partial(_every, TICKER_SECONDS, self._publish_tickers))
            if self._persistence:
                self._keep("Saving the market", self._persistence.run)
            self._keep("The watch", partial(_every, WATCH_SECONDS, self.watch.look))
            self._keep("The heartbeat", partial(_every, HEARTBEAT_SECONDS, self.broadcast.heartbeat))
            for lane, workers in WORKERS.items():
                for number in range(workers):
                    self._keep(f"Repair worker {number} ({lane})", partial(self._repair_work.run, rest, lane))

    def data_age(self) -> timedelta | None:
        """How long the exchange has sent nothing; `None` before it sent anything. May be called from another thread."""
        return timedelta(seconds=self.intake.age()) if self.intake.has_heard else None

    def _parts(self) -> Parts:
        return Parts(
            market=self._settings.market,
            store=self.store,
            intake=self.intake,
            broadcast=self.broadcast,
            pool=self._pool,
            repairs=self._repairs,
            backfill=self._backfill,
            limiter=self._limiter,
            clock=self._clock,
            persistence=self._persistence,
            audit=Audit(self.store),
            conditions=Conditions(),
            statistics=self.statistics,
        )

    def _persistence_in(self, path: Path) -> Persistence:
        origin = Origin(self._settings.market, self._settings.quote_asset, self._settings.rest_url)
        return Persistence(path, origin, self.store, self.intake, self.statistics)

    def _keep(self, name: str, work: Callable[[], Awaitable[object]]) -> asyncio.Task[None]:
        assert self._tasks is not None, "nothing runs before the feeder does"
        return self._tasks.create_task(keep_running(name, work, self.statistics))

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
        self._backfill.look()

    def _publish_tickers(self) -> None:
        self.broadcast.tickers(self.intake.take_tickers())

    def _status(self) -> Status:
        return Status(as_of=self.intake.as_of, age=1000 * self.intake.age(), behind=self._repairs.behind)


async def _every(seconds: float, action: Callable[[], None]) -> NoReturn:
    while True:
        action()
        await asyncio.sleep(seconds)
