"""The exchange's one port: HTTP requests, and WebSocket connections that begin as one."""

import asyncio
import logging
import time
from collections.abc import Iterable
from http import HTTPStatus
from types import TracebackType
from typing import Self

import orjson

from local.exchange.active_faults import ActiveFaults
from local.exchange.clock import MarketClock
from local.exchange.control import PREFIX, Control
from local.exchange.door import MOST_DIALS, Door
from local.exchange.http11 import MalformedRequestError, Request, Response, head_size, take_request
from local.exchange.hub import Hub
from local.exchange.interruptions import InterruptedMarket
from local.exchange.live import LiveMarket
from local.exchange.market import SimulatedMarket
from local.exchange.rest import Rest
from local.exchange.session import Lifetime, Session
from local.exchange.steady import SteadyFrames
from local.exchange.symbols import Symbols
from local.exchange.wire import Scales

_log = logging.getLogger(__name__)

_CHECK_EVERY = 1.0
_IDLE = 120.0
"""Seconds an HTTP connection may be silent."""
_CLOSE_WITHIN = 2.0


class Exchange:
    """A running exchange, as an async context manager: it listens and plays the market until it is left."""

    def __init__(
        self,
        market: SimulatedMarket,
        clock: MarketClock,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        lifetime: Lifetime | None = None,
        most_dials: int = MOST_DIALS,
        reserved: int = 0,
        holes: Iterable[tuple[int, int]] = (),
    ) -> None:
        """Port 0 is any free one; the last `reserved` symbols are held back; nothing trades in `holes`, given in epoch milliseconds.

        Raises ValueError for holes and reserves that cannot be. Entering raises OSError when the port is taken.
        """
        scales = Scales(market.listings)
        self.market, self.clock = InterruptedMarket(market), clock
        for begins, ends in holes:
            self.market.interrupt(None, begins, ends)
        self.symbols = Symbols(self.market, clock, reserved=reserved)
        self.lifetime = lifetime or Lifetime()
        self.hub = Hub(market.listings, market.intervals)
        self.door = Door(most_dials=most_dials)
        self.faults = ActiveFaults(self)
        self._live = LiveMarket(self.market, clock, self.hub, scales)
        self._steady = SteadyFrames(self._live, self.hub)
        self.rest = Rest(self.market, clock, live=self._live, symbols=self.symbols, scales=scales, refusal=self.faults.refusal)
        self.control = Control(
            self.market,
            clock,
            hub=self.hub,
            door=self.door,
            live=self._live,
            rest=self.rest,
            symbols=self.symbols,
            steady=self._steady,
            faults=self.faults,
        )
        self.connections: set[Connection] = set()
        self._host, self._port = host, port
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def address(self) -> str:
        """host:port, once it listens."""
        assert self._server is not None
        host, port, *_ = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(lambda: Connection(self), self._host, self._port, backlog=512)
        self._tasks = [asyncio.create_task(work) for work in (self._live.run(), self._steady.run(), self._check())]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        for connection in tuple(self.connections):
            connection.shut_down()
        if self.connections:
            await asyncio.wait([connection.closed for connection in self.connections], timeout=_CLOSE_WITHIN)
        for connection in tuple(self.connections):
            connection.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def wait(self) -> None:
        """Run until cancelled; a failure of the market's own tasks is raised here. A market that has ended goes on answering."""
        await asyncio.gather(*self._tasks)

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_EVERY)
            for connection in tuple(self.connections):
                connection.check()


class Connection(asyncio.Protocol):
    """One TCP connection: HTTP until an upgrade request turns it into a Session."""

    def __init__(self, exchange: Exchange) -> None:
        self.closed = asyncio.get_running_loop().create_future()
        self._exchange = exchange
        self._transport: asyncio.Transport | None = None
        self._session: Session | None = None
        self._buffer = bytearray()
        self._peer = ""
        self._heard_at = time.monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._peer = transport.get_extra_info("peername")[0]
        self._exchange.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio calls it so
        """Part of asyncio.Protocol."""
        self._exchange.connections.discard(self)
        self.closed.set_result(None)
        if self._session:
            self._session.leave()
            self._exchange.door.closed(self._session)

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol."""
        self._heard_at = time.monotonic()
        if self._session:
            self._session.receive(data)
            return
        self._buffer += data
        try:
            self._serve()
        except MalformedRequestError as error:
            self._reply(Response(status=HTTPStatus.BAD_REQUEST, body=orjson.dumps({"code": -1000, "msg": str(error)})), None)
            self._close()

    def check(self) -> None:
        """Keep a WebSocket alive, drop an idle HTTP connection."""
        if self._session:
            self._session.check()
        elif time.monotonic() - self._heard_at > _IDLE:
            self._close()

    def shut_down(self) -> None:
        """Close in the manner of the protocol."""
        if self._session:
            self._session.announce_end(self._exchange.clock.shown())
            self._session.close("the exchange stopped")
        else:
            self._close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport:
            self._transport.abort()

    def _serve(self) -> None:
        while self._transport and not self._transport.is_closing():
            head = bytes(self._buffer[: head_size(self._buffer)])
            if (request := take_request(self._buffer, self._peer)) is None:
                return
            if request.headers.get("upgrade", "").lower() == "websocket":
                self._upgrade(head)
                return
            self._reply(self._answer(request), request)
            if request.headers.get("connection", "").lower() == "close":
                self._close()

    def _upgrade(self, head: bytes) -> None:
        assert self._transport is not None
        door = self._exchange.door
        if not door.admits(self._peer):
            self._reply(Response(status=HTTPStatus.TOO_MANY_REQUESTS, headers={"Retry-After": "300"}), None)
            self._close()
        elif door.refusals:
            self.abort()
        else:
            handshake = head + bytes(self._buffer)
            self._buffer.clear()
            self._session = Session(self._transport, self._exchange.hub, handshake, number=door.dials, lifetime=self._exchange.lifetime)
            door.opened(self._session)

    def _answer(self, request: Request) -> Response:
        try:
            return (self._exchange.control if request.path.startswith(PREFIX) else self._exchange.rest).answer(request)
        except Exception:  # noqa: BLE001 -- one request that fails must not take the connection or the market along
            _log.exception("%s %s failed", request.method, request.path)
            body = orjson.dumps({"code": -1000, "msg": "An unknown error occurred while processing the request."})
            return Response(status=HTTPStatus.INTERNAL_SERVER_ERROR, body=body)

    def _reply(self, response: Response, request: Request | None) -> None:
        if self._transport:
            self._transport.write(response.encode(request))

    def _close(self) -> None:
        if self._transport:
            self._transport.close()
