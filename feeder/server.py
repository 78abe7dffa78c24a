"""Serves clients over WebSocket, and health and status over HTTP, on one port, with TLS where it has a certificate."""

import asyncio
import hmac
import ipaddress
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from adapters.feeder_protocol import HEARTBEATS_PATH, PATH
from domain.errors import RefusedError, UnavailableError
from feeder.broadcast import Broadcast, Client

logger = logging.getLogger(__name__)

TRY_AGAIN_LATER = 1013
CLOSE_SECONDS = 2.0
LONGEST_REQUEST = 2**16
LIGHT_HEARTBEAT_SECONDS = 1.0

Page = Callable[[str], tuple[HTTPStatus, str, bytes]]
"""Answers an HTTP request, given its query, with a status, a content type and a body."""


class MarketServer:
    """Clients must show the shared token; the pages are open. Raises RefusedError without a token, whatever address it listens at."""

    def __init__(self, broadcast: Broadcast, token: str, pages: dict[str, Page], tls: ssl.SSLContext | None = None) -> None:
        if not token:
            raise RefusedError("The feeder needs a token that its clients show: set FEEDER_TOKEN.")
        self._broadcast = broadcast
        self._expected = f"Bearer {token}".encode()
        self._pages = pages
        self._tls = tls

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[None]:
        """Serve while the block lasts. Raises UnavailableError when the port is taken."""
        server = await self._listen(host, port)
        if self._tls is None and not is_loopback(host):
            logger.warning(
                "Listening at %s:%d without TLS: token and candles can be read on the way. Set FEEDER_TLS_CERTIFICATE and FEEDER_TLS_KEY",
                host,
                port,
            )
        try:
            yield
        finally:
            # A client that does not read would hold up a polite close for ever.
            for connection in server.connections:
                connection.transport.abort()
            server.close()
            await server.wait_closed()

    async def _listen(self, host: str, port: int) -> Server:
        try:
            return await serve(
                self._serve,
                host,
                port,
                process_request=self._answer,
                ssl=self._tls,
                compression=None,
                max_size=LONGEST_REQUEST,
                close_timeout=CLOSE_SECONDS,
            )
        except OSError as problem:
            raise UnavailableError(
                f"The feeder cannot listen at {host}:{port} ({problem.strerror}): choose another FEEDER_PORT."
            ) from problem

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        path, _, query = request.path.partition("?")
        if path in self._pages:
            status, content_type, body = self._pages[path](query)
            headers = Headers({"Content-Type": content_type, "Content-Length": str(len(body)), "Connection": "close"})
            return Response(status.value, status.phrase, headers, body)
        if path not in {PATH, HEARTBEATS_PATH}:
            return connection.respond(HTTPStatus.NOT_FOUND, f"There are {', '.join((PATH, HEARTBEATS_PATH, *self._pages))}.\n")
        shown = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if not hmac.compare_digest(shown, self._expected):
            return connection.respond(HTTPStatus.UNAUTHORIZED, "Show the feeder's token as 'Authorization: Bearer <token>'.\n")
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None, "it was answered"
        if connection.request.path.partition("?")[0] == HEARTBEATS_PATH:
            await self._serve_heartbeats(connection)
        else:
            await self._serve_client(connection)

    async def _serve_heartbeats(self, connection: ServerConnection) -> None:
        try:
            await connection.send(self._broadcast.greeting())
            while connection.state is State.OPEN:
                if (pulse := self._broadcast.pulse()) is not None:
                    await connection.send(pulse)
                with suppress(TimeoutError):
                    async with asyncio.timeout(LIGHT_HEARTBEAT_SECONDS):
                        await connection.wait_closed()
        except ConnectionClosed:
            return

    async def _serve_client(self, connection: ServerConnection) -> None:
        client = self._broadcast.join()
        ends = (self._send(connection, client), client.overflowed.wait(), connection.wait_closed())
        tasks = [asyncio.ensure_future(end) for end in ends]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._broadcast.leave(client)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if client.overflowed.is_set():
            await self._cut(connection)

    async def _send(self, connection: ServerConnection, client: Client) -> None:
        try:
            while True:
                await connection.send(await self._broadcast.next_message(client))
        except ConnectionClosed:
            return

    async def _cut(self, connection: ServerConnection) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await connection.close(TRY_AGAIN_LATER, "too slow: too much is waiting for this client; connect again")
        except TimeoutError:
            connection.transport.abort()


def tls_of(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """What a server shows its clients, from PEM files; `None` without them. Raises RefusedError where they are of no use."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise RefusedError("TLS needs both FEEDER_TLS_CERTIFICATE and FEEDER_TLS_KEY; only one of them is set.")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as problem:  # ssl.SSLError, for what is no certificate or not its key, is one
        raise RefusedError(
            f"TLS cannot be used with FEEDER_TLS_CERTIFICATE {certificate} and FEEDER_TLS_KEY {key}: {problem}. "
            "They are PEM files that the feeder can read, the second the key of the first."
        ) from problem
    return context


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach a server that listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
