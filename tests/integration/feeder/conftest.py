"""The real feeder as a process of its own, against the simulated exchange."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

from tests.integration.feeder.processes import TOKEN, ExchangeProcess, FeederProcess

STALL_BYTES = 16_384


class Feeder(FeederProcess):
    """One that reads everything from one exchange."""

    def __init__(self, exchange, *options, market="replay"):
        super().__init__(exchange, exchange.replace("http", "ws"), *options, market=market)


@asynccontextmanager
async def exchange(*options):
    """A simulated exchange; its address."""
    async with ExchangeProcess(*options) as process:
        yield process.url


class Relay:
    """Forwards connections to a port until they are dropped; while it stalls, only the first few kilobytes get through."""

    def __init__(self, port, *, stalls=False):
        self._port = port
        self._flowing = asyncio.Event()
        if not stalls:
            self._flowing.set()
        self._tasks = set()
        self._server = None
        self.url = ""

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def release(self):
        self._flowing.set()

    def drop(self):
        for task in self._tasks:
            task.cancel()

    async def __aexit__(self, *_):
        self.drop()
        self._server.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _forward(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        to_feeder = None
        try:
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALL_BYTES)
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self._port))
            from_feeder, to_feeder = await asyncio.open_connection(sock=connection)
            await asyncio.gather(self._pump(reader, to_feeder), self._pump(from_feeder, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(asyncio.current_task())
            for end in filter(None, (writer, to_feeder)):
                end.transport.abort()

    async def _pump(self, reader, writer):
        forwarded = 0
        while data := await reader.read(STALL_BYTES):
            writer.write(data)
            await writer.drain()
            forwarded += len(data)
            if forwarded > STALL_BYTES:
                await self._flowing.wait()
        raise ConnectionResetError


@pytest.fixture(scope="session")
def token():
    return TOKEN
