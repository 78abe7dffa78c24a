"""One connection to the exchange's market streams: a thin shell around a socket, thrown away at the first trouble."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from adapters.binance.market_frames import Acknowledgement, Shutdown
from domain.errors import UnavailableError
from feeder.intake import Intake
from feeder.statistics import FeederStatistics
from feeder.subscriptions import SECONDS_BETWEEN_FRAMES, subscribe_frames

logger = logging.getLogger(__name__)

OPEN_TIMEOUT = 10.0
ACKNOWLEDGE_TIMEOUT = 10.0
MANY_STREAMS = 50
BUFFERED_FRAMES = 1_024
_EXPECTED = (OSError, TimeoutError, WebSocketException, UnavailableError)


def silence_limit(streams: int) -> float:
    """Seconds without any frame after which a connection counts as dead though its socket is open."""
    return 10.0 if streams >= MANY_STREAMS else 60.0


class DialPacer:
    """Lets connections be opened one per second: the exchange counts attempts per address."""

    def __init__(self, seconds: float = 1.0) -> None:
        self._seconds = seconds
        self._turn = asyncio.Lock()

    async def turn(self) -> None:
        """Return when the next connection may be opened."""
        async with self._turn:
            await asyncio.sleep(self._seconds)


class ExchangeConnection:
    """Receives the given streams. `run` raises UnavailableError when the connection is no longer any good, for whatever reason."""

    def __init__(
        self,
        url: str,
        streams: Sequence[str],
        intake: Intake,
        statistics: FeederStatistics,
        *,
        pacer: DialPacer,
        closed_arrived: Callable[[], None],
    ) -> None:
        self.is_open = False
        self._url = url.rstrip("/") + "/stream"
        self._streams = streams
        self._intake = intake
        self._statistics = statistics
        self._pacer = pacer
        self._closed_arrived = closed_arrived
        self._acknowledged = 0
        self._heard_at = 0.0

    async def run(self) -> None:
        """Connect, subscribe and receive until something is wrong."""
        await self._pacer.turn()
        try:
            async with connect(
                self._url,
                compression=None,
                ping_interval=None,
                open_timeout=OPEN_TIMEOUT,
                close_timeout=1,
                max_size=2**24,
                max_queue=BUFFERED_FRAMES,
                proxy=None,
            ) as connection:
                await self._use(connection)
        except ExceptionGroup as group:
            if group.split(_EXPECTED)[1] is not None:
                raise
            raise UnavailableError("; ".join(str(error) for error in group.exceptions)) from group
        except WebSocketException as error:
            raise UnavailableError(str(error)) from error
        finally:
            self._statistics.connections_lost += self.is_open
            self.is_open = False

    async def _use(self, connection: ClientConnection) -> None:
        self._opened()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._receive(connection))
            group.create_task(self._subscribe(connection))
            group.create_task(self._watch())

    def _opened(self) -> None:
        self.is_open = True
        self._statistics.connections_opened += 1
        self._acknowledged = 0
        self._heard_at = time.monotonic()

    async def _receive(self, connection: ClientConnection) -> None:
        while True:
            raw = await connection.recv(decode=False)
            self._heard_at = time.monotonic()
            control = self._intake.receive(raw)
            if self._intake.has_closed:
                self._closed_arrived()
            match control:
                case Acknowledgement(number, ""):
                    self._acknowledged = number
                case Acknowledgement(_, error):
                    self._statistics.subscriptions_refused += 1
                    raise UnavailableError(f"the exchange refused a subscription: {error}")
                case Shutdown():
                    raise UnavailableError("the exchange is about to close the connection")

    async def _subscribe(self, connection: ClientConnection) -> None:
        for number, frame in subscribe_frames(self._streams):
            await connection.send(frame, text=True)
            await self._acknowledgement(number)
        logger.info("Subscribed to %d streams", len(self._streams))

    async def _acknowledgement(self, number: int) -> None:
        deadline = time.monotonic() + ACKNOWLEDGE_TIMEOUT
        await asyncio.sleep(SECONDS_BETWEEN_FRAMES)
        while self._acknowledged < number:
            if time.monotonic() > deadline:
                raise UnavailableError(f"the exchange did not acknowledge subscription {number}")
            await asyncio.sleep(SECONDS_BETWEEN_FRAMES)

    async def _watch(self) -> None:
        limit = silence_limit(len(self._streams))
        while True:
            remaining = self._heard_at + limit - time.monotonic()
            if remaining <= 0:
                raise UnavailableError(f"nothing came for {limit:.0f} s")
            await asyncio.sleep(remaining)
