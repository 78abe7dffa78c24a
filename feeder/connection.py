"""One connection to the exchange's market streams: a thin shell around a socket, thrown away at the first trouble."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, NoReturn

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.frames import Frame, Opcode
from websockets.protocol import Event

from adapters.binance.market_frames import Acknowledgement, Shutdown
from domain.errors import UnavailableError
from feeder.control import SubscriptionControl
from feeder.dialing import DialBudget
from feeder.intake import Intake
from feeder.liveness import Remedies
from feeder.statistics import FeederStatistics

logger = logging.getLogger(__name__)

OPEN_SECONDS = 10.0
CLOSE_SECONDS = 1.0
MANY_STREAMS = 50
_EXPECTED = (OSError, TimeoutError, WebSocketException, UnavailableError)


class ConnectionState(StrEnum):
    """What a connection does now."""

    DIALLING = "dialling"
    SUBSCRIBING = "subscribing"
    RECEIVING = "receiving"
    LEAVING = "leaving"
    """It still receives, until another has taken its place."""


class Reason(StrEnum):
    """Why a connection ended or has to be replaced. The first three leave it receiving until another has taken its place."""

    ROTATION = "rotation"
    SHUTDOWN = "shutdown"
    SILENT_STREAM = "silent_stream"
    SILENCE = "silence"
    UNSUBSCRIBED = "unsubscribed"
    """The exchange refused or did not acknowledge a subscription."""
    LOST = "lost"
    UNREACHABLE = "unreachable"
    FAILED = "failed"
    """A fault of ours; the log has it."""


class Ending(NamedTuple):
    """How a connection ended."""

    reason: Reason
    detail: str


@dataclass(frozen=True, kw_only=True)
class ConnectionReport:
    """One connection as an operator sees it."""

    id: int
    shard: int
    state: ConnectionState
    streams: int
    confirmed: int
    """Streams that the exchange has confirmed."""
    opened_at: datetime | None
    frames: int
    heard_age: timedelta | None
    """Since the last frame."""
    most_client_frames_per_second: int


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """How old a connection gets, and how long one of its streams may be silent though its symbol trades."""

    rotate_after: timedelta
    silent_after: timedelta


class SilenceError(UnavailableError):
    """Nothing came on an open socket."""


def silence_limit(streams: int) -> float:
    """Seconds without any frame after which a connection counts as dead though its socket is open."""
    return 10.0 if streams >= MANY_STREAMS else 60.0


class _Socket(ClientConnection):
    """Hands messages over in the turn of the event loop in which they come, and tells of the pings that the library answers by itself.

    Without a queue between them a frame costs a fifth less, and a reader that falls behind slows the socket down. What comes before
    somebody receives is dropped: nothing is subscribed then.
    """

    received: Callable[[Any], None] = staticmethod(lambda _: None)
    answered: Callable[[], None] = staticmethod(lambda: None)

    def process_event(self, event: Event) -> None:
        """Part of ClientConnection."""
        if isinstance(event, Frame) and event.opcode is Opcode.TEXT and event.fin:
            self.received(event.data)
            return
        super().process_event(event)
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            self.answered()


class ExchangeConnection:
    """Receives the wanted streams until something ends it; never used again after that.

    `ready` is done once the exchange has confirmed every stream and sent data. `replacement` is done, with the reason, once another
    connection should take this one's place while it still receives.
    """

    def __init__(
        self,
        url: str,
        streams: Iterable[str],
        intake: Intake,
        statistics: FeederStatistics,
        *,
        number: int,
        shard: int,
        budget: DialBudget,
        limits: ConnectionLimits,
        closed_arrived: Callable[[], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.number = number
        self.control = SubscriptionControl(streams, statistics)
        self.ready: asyncio.Future[None] = loop.create_future()
        self.replacement: asyncio.Future[Reason] = loop.create_future()
        self.ready_at = 0.0
        self._url = url.rstrip("/") + "/stream"
        self._shard = shard
        self._intake = intake
        self._statistics = statistics
        self._budget = budget
        self._limits = limits
        self._closed_arrived = closed_arrived
        self._socket: _Socket | None = None
        self._opened_at = 0.0
        self._frames = 0
        self._data_frames = 0
        self._heard_at = 0.0
        self._remedies: Remedies | None = None
        self._wanting = asyncio.Event()
        self._failure: Exception | None = None

    @property
    def is_open(self) -> bool:
        """Whether the socket is open."""
        return self._socket is not None

    def want(self, streams: Iterable[str]) -> None:
        """Receive these streams and no others from now on."""
        self.control.want(streams)
        self._wanting.set()

    def replace(self, reason: Reason) -> None:
        """Ask for another connection in place of this one."""
        if not self.replacement.done():
            self.replacement.set_result(reason)

    def revive(self, silent: Iterable[str]) -> None:
        """Deal with those streams that are silent though their symbols trade: subscribe anew, and if that did not help, be replaced."""
        if self._remedies is None or self.replacement.done():
            return
        remedy = self._remedies.decide([stream for stream in silent if stream in self.control.wanted])
        if remedy.replace:
            self.replace(Reason.SILENT_STREAM)
        elif remedy.renew:
            logger.warning("Connection %d subscribes anew to %d silent streams: %s", self.number, len(remedy.renew), remedy.renew[:5])
            self._statistics.resubscriptions += len(remedy.renew)
            self.control.renew(remedy.renew)
            self._wanting.set()

    def report(self) -> ConnectionReport:
        """What an operator may want to know."""
        age = time.monotonic() - self._opened_at
        return ConnectionReport(
            id=self.number,
            shard=self._shard,
            state=self._state(),
            streams=len(self.control.wanted),
            confirmed=len(self.control.confirmed),
            opened_at=datetime.now(UTC) - timedelta(seconds=age) if self.is_open else None,
            frames=self._frames,
            heard_age=timedelta(seconds=time.monotonic() - self._heard_at) if self._frames else None,
            most_client_frames_per_second=self.control.pace.most,
        )

    async def run(self) -> Ending:
        """Connect, subscribe and receive until something ends it; says how. Raises only for what is our own fault."""
        await self._budget.turn()
        self._statistics.dials += 1
        try:
            async with connect(
                self._url,
                create_connection=_Socket,
                compression=None,
                ping_interval=None,
                open_timeout=OPEN_SECONDS,
                close_timeout=CLOSE_SECONDS,
                max_size=2**24,
                proxy=None,
            ) as socket:
                await self._use(socket)
        except ExceptionGroup as group:
            expected, unexpected = group.split(_EXPECTED)
            if unexpected is not None or expected is None:
                raise
            return self._ending(expected.exceptions[0])
        except _EXPECTED as problem:
            return self._ending(problem)
        finally:
            self._socket = None
            most = self._statistics.most_client_frames_per_second
            self._statistics.most_client_frames_per_second = max(most, self.control.pace.most)
        raise AssertionError("a connection is used until something is raised")

    async def retire(self) -> None:
        """Close politely: what the exchange sent before it agreed is still received."""
        if self._socket is not None:
            await self._socket.close()

    async def _use(self, socket: ClientConnection) -> None:
        assert isinstance(socket, _Socket)
        socket.answered = self.control.pace.answered
        socket.received = self._take
        self._socket = socket
        self._opened_at = time.monotonic()
        self._statistics.connections_opened += 1
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take_fragmented(socket))
            group.create_task(self._steer(socket))
            group.create_task(self._watch())

    async def _take_fragmented(self, socket: ClientConnection) -> NoReturn:
        # Messages in several frames take the library's way; this also ends with the socket.
        while True:
            self._take(await socket.recv(decode=False))

    def _take(self, raw: bytes) -> None:
        try:
            self._receive(raw)
        except Exception as error:  # noqa: BLE001 - raised again where the connection can end of it: this is called by the event loop
            self._failure = error
            self._wanting.set()

    def _receive(self, raw: bytes) -> None:
        self._frames += 1
        self._heard_at = time.monotonic()
        control = self._intake.receive(raw)
        if self._intake.has_closed:
            self._closed_arrived()
        if control is None:
            self._data_frames += 1
        else:
            self._heed(control)
        if not self.ready.done():
            self._note_ready()

    def _heed(self, control: Acknowledgement | Shutdown) -> None:
        match control:
            case Acknowledgement():
                self.control.receive(control)
                self._wanting.set()
            case Shutdown():
                self.replace(Reason.SHUTDOWN)

    def _note_ready(self) -> None:
        if self._data_frames and self.control.is_settled:
            self.ready.set_result(None)
            self.ready_at = time.monotonic()
            self._remedies = Remedies(self._limits.silent_after)
            logger.info("Connection %d receives %d streams", self.number, len(self.control.wanted))

    async def _steer(self, socket: ClientConnection) -> NoReturn:
        while True:
            self._wanting.clear()
            if self._failure is not None:
                raise self._failure
            while (frame := self.control.next_frame()) is not None:
                await socket.send(frame, text=True)
            try:
                async with asyncio.timeout(self.control.pause()):
                    await self._wanting.wait()
            except TimeoutError:
                continue

    async def _watch(self) -> NoReturn:
        # Counts quiet seconds one by one: if our own loop stood still, they have not been lived through.
        quiet, seen = 0, self._frames
        while quiet < silence_limit(len(self.control.wanted)):
            await asyncio.sleep(1)
            quiet = quiet + 1 if self._frames == seen else 0
            seen = self._frames
            if time.monotonic() - self._opened_at > self._limits.rotate_after.total_seconds():
                self.replace(Reason.ROTATION)
        raise SilenceError(f"nothing came for {quiet} s")

    def _ending(self, problem: Exception) -> Ending:
        if not self.is_open:
            reason = Reason.UNREACHABLE
        elif isinstance(problem, SilenceError):
            reason = Reason.SILENCE
        else:
            reason = Reason.UNSUBSCRIBED if isinstance(problem, UnavailableError) else Reason.LOST
        return Ending(reason, f"{type(problem).__name__}: {problem}")

    def _state(self) -> ConnectionState:
        if not self.is_open:
            return ConnectionState.DIALLING
        if self.replacement.done():
            return ConnectionState.LEAVING
        return ConnectionState.RECEIVING if self.ready.done() else ConnectionState.SUBSCRIBING
