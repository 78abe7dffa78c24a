"""The feeder: one exchange's market, received once and handed to every worker."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import NoReturn

from pydantic_core import to_json

from adapters.binance.rest import BinanceRest
from adapters.candle_store import CandleStore
from adapters.feeder_protocol import Status
from domain.errors import RefusedError, UnavailableError
from domain.market import Interval, from_epoch_milliseconds
from feeder.broadcast import Broadcast
from feeder.connection import DialPacer, ExchangeConnection
from feeder.coverage import coverage, worst
from feeder.intake import Intake
from feeder.repairs import Repair, RepairQueue, candles_needed
from feeder.server import MarketServer
from feeder.settings import FeederSettings
from feeder.statistics import FeederStatistics
from feeder.subscriptions import TICKER_STREAM, kline_streams, shards
from feeder.supervision import keep_running

logger = logging.getLogger(__name__)

FORMING_SECONDS = 0.25
TICKER_SECONDS = 1.0
HEARTBEAT_SECONDS = 1.0
UNIVERSE_SECONDS = 600.0
REPAIR_WORKERS = 10
HEALTHY_AGE = 30.0

Work = Callable[[], Awaitable[object]]
Keep = Callable[[str, Work], None]


class Feeder:
    """Runs until cancelled. Every part of it is restarted by itself when it fails."""

    def __init__(self, settings: FeederSettings) -> None:
        self.statistics = FeederStatistics()
        self.store = CandleStore()
        self.intake = Intake(self.store, self.statistics)
        self.broadcast = Broadcast(self.store, settings.market, self.statistics, self._status, queue_limit=settings.client_queue_bytes)
        self._settings = settings
        self._repairs = RepairQueue(self.store)
        self._connections: list[ExchangeConnection] = []
        self._pacer = DialPacer()
        self._flush_is_due = False
        self._rest_is_away = False
        pages = {"/healthz": self._health_page, "/status": self._status_page}
        self._server = MarketServer(self.broadcast, settings.token, pages)

    async def run(self) -> None:
        """Listen, receive and hand on."""
        listening = self._server.listening(self._settings.host, self._settings.port)
        async with listening, BinanceRest(self._settings.rest_url) as rest, asyncio.TaskGroup() as group:
            keep = partial(self._keep, group)
            keep("The universe", partial(self._follow_universe, rest, keep))
            keep("Forming candles", partial(_every, FORMING_SECONDS, self._publish_forming))
            keep("Tickers", partial(_every, TICKER_SECONDS, self._publish_tickers))
            keep("The heartbeat", partial(_every, HEARTBEAT_SECONDS, self.broadcast.heartbeat))
            for number in range(REPAIR_WORKERS):
                keep(f"Repair worker {number}", partial(self._repair, rest))

    def levels(self) -> dict[str, float]:
        """What `Instruments.observe_feeder` shows. May be called from another thread."""
        clients = tuple(self.broadcast.clients)
        return {
            "frames": self.statistics.frames,
            "reconnects": self.statistics.connections_lost,
            "queue_depth": sum(client.waiting_messages for client in clients),
            "clients": len(clients),
            "histories_behind": self._repairs.behind,
        }

    def data_age(self) -> timedelta | None:
        """How long the exchange has sent nothing; `None` before it sent anything. May be called from another thread."""
        return timedelta(seconds=self.intake.age()) if self.statistics.frames else None

    def _keep(self, group: asyncio.TaskGroup, name: str, work: Work) -> None:
        group.create_task(keep_running(name, work, self.statistics))

    async def _follow_universe(self, rest: BinanceRest, keep: Keep) -> None:
        while True:
            self.intake.note_time(await rest.server_time())
            symbols, tickers = await rest.symbols(self._settings.quote_asset), await rest.tickers()
            if not symbols:
                raise UnavailableError(f"the exchange lists no tradable symbol against {self._settings.quote_asset}")
            self._admit(symbols, keep)
            self.intake.receive_tickers(tickers)
            await asyncio.sleep(UNIVERSE_SECONDS)

    def _admit(self, symbols: tuple[str, ...], keep: Keep) -> None:
        new = self.store.append(symbols)
        self.broadcast.symbols(new)
        streams = kline_streams(new) if self._connections else [TICKER_STREAM, *kline_streams(new)]
        for shard in shards(streams):
            connection = ExchangeConnection(
                self._settings.stream_url,
                shard,
                self.intake,
                self.statistics,
                pacer=self._pacer,
                closed_arrived=self._schedule_closed,
            )
            self._connections.append(connection)
            keep(f"Connection {len(self._connections)}", connection.run)
        logger.info("%d symbols, %d of them new, over %d connections", len(symbols), len(new), len(self._connections))

    def _schedule_closed(self) -> None:
        if not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_soon(self._publish_closed)

    def _publish_closed(self) -> None:
        self._flush_is_due = False
        self.broadcast.candles(*self.intake.take_closed())

    def _publish_forming(self) -> None:
        self.broadcast.candles(self.intake.take_forming())
        self._repairs.scan(self.intake.as_of)

    def _publish_tickers(self) -> None:
        self.broadcast.tickers(self.intake.take_tickers())

    async def _repair(self, rest: BinanceRest) -> None:
        while True:
            repair = await self._repairs.take()
            asked_at = self.intake.as_of
            try:
                await self._fetch(rest, repair, asked_at)
                self._note_rest("")
            except UnavailableError as error:
                self.statistics.rest_failures += 1
                self._note_rest(str(error))
            except RefusedError as error:
                self.statistics.rest_failures += 1
                logger.warning("Could not repair %s of %s: %s", repair.interval, self.store.symbols[repair.row], error)
            finally:
                self._repairs.done(repair)

    def _note_rest(self, problem: str) -> None:
        # An outage fails thousands of repairs: it is told when it begins and when it ends.
        if problem and not self._rest_is_away:
            logger.warning("Candles cannot be repaired until REST answers again: %s", problem)
        elif self._rest_is_away and not problem:
            logger.info("REST answers again")
        self._rest_is_away = bool(problem)

    async def _fetch(self, rest: BinanceRest, repair: Repair, asked_at: int) -> None:
        code, row, interval = repair
        limit = candles_needed(self.store.frame(interval), row, asked_at)
        records = await rest.klines(self.store.symbols[row], interval, limit)
        final, has_moved = self.intake.fill(row, interval, records, asked_at)
        self.statistics.rest_repairs += 1
        self.broadcast.candles(final)
        if has_moved:
            self.broadcast.row_begin(code, row, int(self.store.frame(interval).begin[row]))

    def _status(self) -> Status:
        return Status(as_of=self.intake.as_of, age=1000 * self.intake.age())

    def _health_page(self) -> tuple[HTTPStatus, str, bytes]:
        healthy = bool(self._connections) and self.intake.age() < HEALTHY_AGE
        return (HTTPStatus.OK, "text/plain", b"ok\n") if healthy else (HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"no market data\n")

    def _status_page(self) -> tuple[HTTPStatus, str, bytes]:
        status = {
            "market": self._settings.market.value,
            "epoch": self.broadcast.epoch,
            "as_of": from_epoch_milliseconds(self.intake.as_of) if self.intake.as_of else None,
            **self._gauges(),
            "coverage": {interval.value: coverage(frame, self.intake.as_of) for interval, frame in self.store.frames.items()},
            "worst": worst(self.store, self.intake.as_of),
            "waiting_bytes": sorted(client.waiting_bytes for client in self.broadcast.clients),
            "counters": asdict(self.statistics),
        }
        return HTTPStatus.OK, "application/json", to_json(status, indent=2, timedelta_mode="float")

    def _gauges(self) -> dict[str, float]:
        return {
            "age_seconds": round(self.intake.age(), 3),
            "seq": self.store.seq,
            "symbols": len(self.store.symbols),
            "connections": len(self._connections),
            "connections_open": sum(connection.is_open for connection in self._connections),
            "clients": len(self.broadcast.clients),
            "rows": len(Interval) * len(self.store.symbols),
            "rows_complete": sum(int((frame.begin >= 0).sum()) for frame in self.store.frames.values()),
            "repairs_waiting": len(self._repairs),
            "corrections": sum(frame.corrections for frame in self.store.frames.values()),
        }


async def _every(seconds: float, action: Callable[[], None]) -> NoReturn:
    while True:
        action()
        await asyncio.sleep(seconds)
