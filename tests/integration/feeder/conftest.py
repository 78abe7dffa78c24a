"""The real feeder as a process of its own, against the simulated exchange."""

import asyncio
import inspect
import os
import signal
import socket
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[3]
TOKEN = "a secret of the tests"
STALL_BYTES = 16_384


class Program:
    """A process that can be killed and started again."""

    def __init__(self, *arguments, environment=None):
        self._arguments = arguments
        self._environment = {**os.environ, **(environment or {})}
        self._process = None
        self._reading = None
        self.lines = []

    async def start(self):
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *self._arguments, cwd=ROOT, env=self._environment, stderr=asyncio.subprocess.PIPE
        )
        self._reading = asyncio.create_task(self._read())

    @property
    def has_ended(self):
        return self._process.returncode is not None

    async def stop(self, number=signal.SIGTERM):
        with suppress(ProcessLookupError):
            self._process.send_signal(number)
        return await self.ended()

    async def ended(self):
        """Its exit status, once it has ended by itself."""
        code = await asyncio.wait_for(self._process.wait(), 15)
        await self._reading
        return code

    async def _read(self):
        while line := await self._process.stderr.readline():
            self.lines.append(line.decode().rstrip())


class Feeder(Program):
    def __init__(self, exchange, *options, market="replay"):
        self.port, self.metrics_port = free_port(), free_port()
        self.url = f"ws://127.0.0.1:{self.port}"
        rest = ("--rest-url", exchange, "--stream-url", exchange.replace("http", "ws"))
        place = ("--market", market, "--port", str(self.port))
        super().__init__(
            "feeder", *rest, *place, *options, environment={"FEEDER_TOKEN": TOKEN, "CLOUDTRADER_METRICS_PORT": str(self.metrics_port)}
        )

    async def status(self):
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://127.0.0.1:{self.port}/status")).json()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def until(condition, timeout=60.0):
    """Wait for something to come true; fails with what it was."""
    async with asyncio.timeout(timeout):
        while True:
            with suppress(OSError, httpx.HTTPError):
                result = condition()
                if await result if inspect.isawaitable(result) else result:
                    return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def running(program):
    await program.start()
    try:
        yield program
    finally:
        await program.stop()


@asynccontextmanager
async def exchange(*options):
    """A simulated exchange; its address."""
    port = free_port()
    async with running(Program("local.exchange", "--port", str(port), *options)) as program:
        await until(lambda: any("listening" in line for line in program.lines) or program.has_ended)
        assert not program.has_ended, program.lines
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def following(replica):
    """The replica, followed while the block lasts."""
    task = asyncio.create_task(replica.run())
    try:
        yield replica
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        replica.close()


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
