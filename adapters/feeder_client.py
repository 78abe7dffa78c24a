"""The worker's replica of the market: one connection to one feeder for the whole process, whatever the number of traders."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn

import numpy as np

from adapters.candle_store import CLOSED, CandleStore
from adapters.fair_thread import FairThread
from adapters.feeder_choice import UNHEARD, Standing, choose, choose_instead
from adapters.feeder_link import FAILURES, LONGEST_RETRY, FeederAddress, HeartbeatLink, feeder_addresses, next_message, retry_delay
from adapters.feeder_protocol import PATH, Candles, Hello, Message, ProtocolError, Status, TickerSnapshot, decode
from adapters.feeder_session import FeederSession
from adapters.settling import Settlement
from domain.errors import UnavailableError
from domain.market import Interval, Market, from_epoch_milliseconds

logger = logging.getLogger(__name__)

JUDGED_EVERY = 0.5
"""Seconds between two looks at how the feeders stand."""
FIRST_LOOKS = 6
"""Looks for which all feeders get to be heard before one is chosen."""
DELAYS_KEPT = 10_000

MeasureDelay = Callable[[str, float], None]
"""Takes `closed` or `forming`, and seconds."""


@dataclass
class ReplicaStatistics:
    """What happened to this replica since it was made.

    Delays are seconds from a frame's arrival at the feeder to the replica having its candle, the last ten thousand candles of each kind.
    """

    messages: int = 0
    synchronisations: int = 0
    disconnects: int = 0
    switches: int = 0
    """How often another feeder was followed than before."""
    delays_closed: deque[float] = field(default_factory=lambda: deque(maxlen=DELAYS_KEPT))
    delays_forming: deque[float] = field(default_factory=lambda: deque(maxlen=DELAYS_KEPT))


class MarketReplica:
    """Follows one of its feeders for ever, and never raises because they are away: `age` grows instead.

    `store` may be touched only in `thread`, which also applies what the feeder sends: whatever runs there sees one consistent market.
    `urls` are separated by commas; of several feeders, which must serve the same market, adapters/feeder_choice.py says which one is
    followed. Raises RefusedError where `urls` or `ca` (PEM file of certificates to believe) make no sense.
    """

    def __init__(self, urls: str, token: str, *, ca: str = "", measure_delay: MeasureDelay = lambda _kind, _seconds: None) -> None:
        self.store = CandleStore()
        self.thread = FairThread("market-replica")
        self.statistics = ReplicaStatistics()
        self.market: Market | None = None
        self.as_of: datetime | None = None
        """The newest time of the exchange that the candles here may show."""
        self.connected = False
        self.followed: str | None = None
        """URL of the feeder that is followed, or was last."""
        self._measure_delay = measure_delay
        self._links = [HeartbeatLink(address) for address in feeder_addresses(urls, token, ca)]
        self._fresh_at = time.monotonic()
        self._settlements = {interval: Settlement() for interval in Interval}
        self._ready = asyncio.Event()
        self._failures = 0
        self._is_synchronised = False
        self._heard: tuple[Status, float] | None = None

    def age(self) -> timedelta:
        """Wall-clock time since the exchange last sent data that is in the store, as far as is known here.

        It grows while the connection is lost, and while a new one still brings the snapshot.
        """
        return timedelta(seconds=time.monotonic() - self._fresh_at)

    async def ready(self, timeout: timedelta) -> None:
        """Return once a snapshot with symbols is here; histories may still be on the way. Raises UnavailableError after `timeout`."""
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await self._ready.wait()
        except TimeoutError:
            urls = ", ".join(link.address.url for link in self._links)
            raise UnavailableError(f"No snapshot came from the feeder at {urls} within {timeout}; is it running?") from None

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
        """Follow a feeder until cancelled."""
        async with asyncio.TaskGroup() as group:
            if len(self._links) > 1:
                for link in self._links:
                    group.create_task(link.run())
                await self._first_heartbeats()
            position = choose_instead(self._standings(), lost=None) or 0
            while True:
                position = await self._stay_with(position)
        raise AssertionError("it follows for ever")

    def close(self) -> None:
        """Let go of the thread. `run` must have been cancelled."""
        self.thread.shutdown(cancel_futures=True)

    async def _first_heartbeats(self) -> None:
        for _ in range(FIRST_LOOKS):
            if all(standing.is_heard for standing in self._standings()):
                return
            await asyncio.sleep(JUDGED_EVERY)

    def _standings(self) -> list[Standing]:
        """Of each feeder. One of another market counts as never heard."""
        now = time.monotonic()
        return [UNHEARD if self._is_foreign(link.market) else link.heartbeats.standing(now) for link in self._links]

    def _is_foreign(self, market: Market | None) -> bool:
        return None not in (market, self.market) and market is not self.market

    async def _stay_with(self, position: int) -> int:
        """Follow one feeder until the connection is lost or another is better; the one to follow next, when it is time to."""
        address = self._links[position].address
        self.statistics.switches += self.followed not in (None, address.url)
        self.followed = address.url
        ends = [asyncio.ensure_future(end) for end in (self._follow(address), self._better_than(position))]
        following, better = ends
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
            self.connected = False
            self.statistics.disconnects += 1
        if not following.cancelled():
            return await self._after_loss(position, following.exception())
        return better.result()

    async def _better_than(self, position: int) -> int:
        """Return the feeder that is better than this one, once there is one."""
        began = time.monotonic()
        while True:
            looked = time.monotonic()
            await asyncio.sleep(JUDGED_EVERY)
            now = time.monotonic()
            if now - looked > 2 * JUDGED_EVERY:
                continue  # this process was held up, and what it knows of the feeders is old
            standings = self._standings()
            better = choose(standings, position, followed_for=now - began)
            if better != position:
                told = [f"{self._links[one].address.url} ({standings[one]})" for one in (position, better)]
                logger.warning("The feeder at %s is left for the one at %s", *told)
                return better

    async def _after_loss(self, position: int, error: BaseException | None) -> int:
        url = self._links[position].address.url
        if isinstance(error, FAILURES):
            logger.warning("The connection to the feeder at %s ended: %s: %s", url, type(error).__name__, error)
        else:
            logger.error("What the feeder at %s sent could not be applied; resynchronising", url, exc_info=error)
        other = choose_instead(self._standings(), lost=position)
        if other is not None and self._is_synchronised:
            return other
        self._failures += 1
        delay = retry_delay(self._failures, LONGEST_RETRY, error)
        logger.info("Next try to reach a feeder in %.1f s", delay)
        return await self._first_heard(position, delay)

    async def _first_heard(self, lost: int, within: float) -> int:
        """Wait so long, or until a feeder is heard that was not; the one to try now."""
        deadline = time.monotonic() + within
        away = {position for position, standing in enumerate(self._standings()) if not standing.is_heard}
        while (left := deadline - time.monotonic()) > 0:
            await asyncio.sleep(min(left, JUDGED_EVERY))
            for position, standing in enumerate(self._standings()):
                if position in away and standing.is_heard:
                    return position
        other = choose_instead(self._standings(), lost)
        return (lost + 1) % len(self._links) if other is None else other

    async def _follow(self, address: FeederAddress) -> NoReturn:
        self._is_synchronised, self._heard = False, None
        async with address.dialled(PATH) as connection:
            self.connected = True
            raw = await next_message(connection)
            self._greet(decode(raw))
            session = FeederSession(self.store)
            while True:
                await self._receive(session, raw)
                raw = await next_message(connection)

    def _greet(self, hello: Message) -> None:
        if not isinstance(hello, Hello):
            raise ProtocolError("The feeder did not begin with a hello")
        if self._is_foreign(hello.market):
            raise ProtocolError(f"It serves market {hello.market}, what is here is of {self.market}: name feeders of one market")
        self.market = hello.market

    async def _receive(self, session: FeederSession, raw: bytes) -> None:
        received_at = time.monotonic()
        message, arrivals = await asyncio.get_running_loop().run_in_executor(self.thread, session.receive, raw)
        self.statistics.messages += 1
        self._note(message, received_at)
        for arrival in arrivals:
            self._settlements[arrival.interval].arrived(arrival.newest, missing=arrival.missing)

    def _note(self, message: Message, received_at: float) -> None:
        match message:
            case TickerSnapshot():
                self.statistics.synchronisations += 1
                self._failures = 0
                self._is_synchronised = True
            case Candles() if message.received_at and self._is_synchronised:
                self._note_delay(message)
        if self.statistics.synchronisations and self.store.symbols:
            self._ready.set()
        status = getattr(message, "status", None)
        if isinstance(status, Status):
            self._heard = status, received_at
        self._note_freshness()

    def _note_delay(self, candles: Candles) -> None:
        delay = time.time() - candles.received_at
        closed = int(np.count_nonzero(candles.records["flags"] & CLOSED))
        forming = len(candles.records) - closed
        counts = (("closed", self.statistics.delays_closed, closed), ("forming", self.statistics.delays_forming, forming))
        for kind, delays, count in counts:
            if count:
                delays.extend([delay] * count)
                self._measure_delay(kind, delay)

    def _note_freshness(self) -> None:
        if self._heard is None:
            return
        status, heard_at = self._heard
        as_of = from_epoch_milliseconds(status.as_of) if status.as_of else None
        if self._is_synchronised:
            self.as_of, self._fresh_at = as_of, heard_at - status.age / 1000
        elif as_of is not None:
            # What is here is a mixture of old and new: as recent as the newest, as fresh as the oldest.
            self.as_of = as_of if self.as_of is None else max(as_of, self.as_of)
