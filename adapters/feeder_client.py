"""The worker's replica of the market: one connection to the feeder for the whole process."""

import asyncio
import logging
import random
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from adapters.candle_store import CandleStore
from adapters.feeder_protocol import PATH, Candles, Hello, Message, ProtocolError, Status, TickerSnapshot
from adapters.feeder_session import FeederSession
from adapters.settling import Settlement
from domain.errors import UnavailableError
from domain.market import Interval, Market, from_epoch_milliseconds

logger = logging.getLogger(__name__)

OPEN_TIMEOUT = 10.0
SILENCE_LIMIT = 10.0
"""The feeder sends a heartbeat each second."""
LONGEST_MESSAGE = 64 * 2**20
BUFFERED_MESSAGES = 4
FIRST_RETRY, LONGEST_RETRY = 0.5, 15.0


@dataclass
class ReplicaStatistics:
    """What happened to this replica since it was made."""

    messages: int = 0
    synchronisations: int = 0
    disconnects: int = 0
    delays: deque[float] = field(default_factory=lambda: deque(maxlen=10_000))
    """Seconds from the feeder receiving a closed candle's frame to the replica having it; the last ten thousand."""


class MarketReplica:
    """Follows the feeder for ever and never raises because it is away: `age` grows instead.

    `store` may be touched only in `thread`, which also applies what the feeder sends: whatever runs there sees one consistent market.
    """

    def __init__(self, url: str, token: str) -> None:
        self.store = CandleStore()
        self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="market-replica")
        self.statistics = ReplicaStatistics()
        self.market: Market | None = None
        self.as_of: datetime | None = None
        self.connected = False
        self._url = url.rstrip("/") + PATH
        self._token = token
        self._fresh_at = time.monotonic()
        self._settlements = {interval: Settlement() for interval in Interval}
        self._ready = asyncio.Event()
        self._failures = 0

    def age(self) -> timedelta:
        """Wall-clock time since the exchange last sent data to the feeder, as far as is known here."""
        return timedelta(seconds=time.monotonic() - self._fresh_at)

    async def ready(self, timeout: timedelta) -> None:
        """Return once a snapshot with symbols is here; histories may still be on the way. Raises UnavailableError after `timeout`."""
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await self._ready.wait()
        except TimeoutError:
            raise UnavailableError(f"No snapshot came from the feeder at {self._url} within {timeout}; is it running?") from None

    def settled(self, interval: Interval) -> int:
        """A number that grows whenever closed candles of this interval have settled. Take it before looking at the store."""
        return self._settlements[interval].number

    def settling(self, interval: Interval) -> int | None:
        """Index of the candle of this interval that is arriving now: some symbols have it, others will within the next two seconds."""
        return self._settlements[interval].settling

    async def changed(self, interval: Interval, since: int | None = None) -> int:
        """Return `settled(interval)` once it exceeds `since`, by default its present value.

        A candle has settled when every symbol that had the one before has it, or 2 s after it first arrived; symbols that come later
        than that settle anew, and so do corrections and backfilled history.
        """
        settlement = self._settlements[interval]
        return await settlement.settled(settlement.number if since is None else since)

    async def run(self) -> NoReturn:
        """Follow the feeder until cancelled."""
        while True:
            try:
                await self._follow()
            except (OSError, TimeoutError, WebSocketException, ProtocolError) as error:
                logger.warning("The connection to the feeder at %s ended: %s: %s", self._url, type(error).__name__, error)
            except Exception:
                logger.exception("What the feeder at %s sent could not be applied; resynchronising", self._url)
            self.connected = False
            self.statistics.disconnects += 1
            self._failures += 1
            delay = random.uniform(0, min(LONGEST_RETRY, FIRST_RETRY * 2**self._failures))
            logger.info("Next try to reach the feeder in %.1f s", delay)
            await asyncio.sleep(delay)

    def close(self) -> None:
        """Let go of the thread. `run` must have been cancelled."""
        self.thread.shutdown(cancel_futures=True)

    async def _follow(self) -> NoReturn:
        headers = {"Authorization": f"Bearer {self._token}"}
        async with connect(
            self._url,
            additional_headers=headers,
            compression=None,
            max_size=LONGEST_MESSAGE,
            max_queue=BUFFERED_MESSAGES,
            open_timeout=OPEN_TIMEOUT,
            close_timeout=1,
            proxy=None,
        ) as connection:
            self.connected = True
            session = FeederSession(self.store)
            while True:
                await self._receive(connection, session)

    async def _receive(self, connection: ClientConnection, session: FeederSession) -> None:
        async with asyncio.timeout(SILENCE_LIMIT):
            raw = await connection.recv(decode=False)
        received_at = time.monotonic()
        message, arrivals = await asyncio.get_running_loop().run_in_executor(self.thread, session.receive, raw)
        self.statistics.messages += 1
        self._note(message, received_at)
        for arrival in arrivals:
            self._settlements[arrival.interval].arrived(arrival.newest, missing=arrival.missing)

    def _note(self, message: Message, received_at: float) -> None:
        match message:
            case Hello(market=market):
                self.market = market
            case TickerSnapshot():
                self.statistics.synchronisations += 1
                self._failures = 0
            case Candles(received_at=at_feeder, records=records) if at_feeder:
                self.statistics.delays.extend([time.time() - at_feeder] * len(records))
        if self.statistics.synchronisations and self.store.symbols:
            self._ready.set()
        status = getattr(message, "status", None)
        if isinstance(status, Status):
            self._fresh_at = received_at - status.age / 1000
            self.as_of = from_epoch_milliseconds(status.as_of) if status.as_of else None
