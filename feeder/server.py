"""Serves clients over WebSocket, and health, status and metrics over HTTP, on one port."""

import asyncio
import hmac
import logging
from collections.abc import Callable
from http import HTTPStatus

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from adapters.feeder_protocol import PATH
from feeder.broadcast import Broadcast, Client

logger = logging.getLogger(__name__)

TRY_AGAIN_LATER = 1013
CLOSE_SECONDS = 2.0

Page = Callable[[], tuple[HTTPStatus, str, bytes]]
"""Answers an HTTP request with a status, a content type and a body."""


class MarketServer:
    """Clients must show the shared token; the pages are open."""

    def __init__(self, broadcast: Broadcast, token: str, pages: dict[str, Page]) -> None:
        if not token:
            raise ValueError("The feeder needs a token that its clients show: set FEEDER_TOKEN.")
        self._broadcast = broadcast
        self._expected = f"Bearer {token}".encode()
        self._pages = pages

    async def start(self, host: str, port: int) -> Server:
        """Listen; the caller closes what this returns."""
        return await serve(
            self._serve_client,
            host,
            port,
            process_request=self._answer,
            compression=None,
            max_size=2**16,
            close_timeout=CLOSE_SECONDS,
        )

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if path in self._pages:
            status, content_type, body = self._pages[path]()
            headers = Headers({"Content-Type": content_type, "Content-Length": str(len(body)), "Connection": "close"})
            return Response(status.value, status.phrase, headers, body)
        if path != PATH:
            return connection.respond(HTTPStatus.NOT_FOUND, f"There are {PATH} and {', '.join(self._pages)}.\n")
        shown = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(shown, self._expected):
            return connection.respond(HTTPStatus.UNAUTHORIZED, "Show the feeder's token as 'Authorization: Bearer <token>'.\n")
        return None

    async def _serve_client(self, connection: ServerConnection) -> None:
        client = self._broadcast.join()
        sending = asyncio.create_task(self._send(connection, client))
        overflowing = asyncio.create_task(client.overflowed.wait())
        try:
            await asyncio.wait((sending, overflowing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._broadcast.leave(client)
            sending.cancel()
            overflowing.cancel()
            await asyncio.gather(sending, overflowing, return_exceptions=True)
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
