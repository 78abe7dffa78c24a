"""The simulated exchange and the feeder as processes of their own, so that they can be killed, and what each costs can be told."""

import asyncio
import inspect
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

import httpx
import psutil

from adapters.feeder_client import MarketReplica
from tests.integration.servers import free_port

ROOT = Path(__file__).parents[3]
TOKEN = "a secret of the tests"
CORES = sorted(os.sched_getaffinity(0))
FEEDER_CORE, OTHER_CORE = CORES[0], CORES[-1]
LINES_KEPT = 2_000
STOP_SECONDS = 20.0


class Process:
    """A program of ours that can be stopped, killed and started again. Used as an async context manager it runs within the block.

    With a `core` it runs there only: what it costs can be told, but other work on that core holds it up.
    """

    def __init__(self, *arguments: str, core: int | None = None, environment: dict[str, str] | None = None) -> None:
        self.lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._arguments = arguments
        self._core = core
        self._environment = os.environ | (environment or {})
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._cpu_before = 0.0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start it, again or for the first time."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *self._arguments, cwd=ROOT, env=self._environment, stderr=asyncio.subprocess.PIPE, limit=2**20
        )
        if self._core is not None:
            os.sched_setaffinity(self._process.pid, {self._core})
        self._reading = asyncio.create_task(self._read(self._process))

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end: its exit status. A program that does not end is killed, and that is an error."""
        assert self._process is not None
        self._cpu_before = self.cpu_seconds()
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
        return await self.ended()

    async def ended(self) -> int:
        """Its exit status, once it has ended by itself."""
        assert self._process is not None
        try:
            return await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            raise
        finally:
            await self._reading if self._reading else None

    @asynccontextmanager
    async def frozen(self) -> AsyncIterator[None]:
        """It does nothing while the block lasts."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGCONT)

    def cpu_seconds(self) -> float:
        """CPU time of all its lives."""
        times = self._now().cpu_times() if self.is_running else None
        return self._cpu_before + (times.user + times.system if times else 0.0)

    def memory(self) -> int:
        """Resident bytes."""
        return int(self._now().memory_info().rss)

    @property
    def is_running(self) -> bool:
        """Whether it has been started and not ended."""
        return self._process is not None and self._process.returncode is None

    def _now(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while line := await process.stderr.readline():
            self.lines.append(line.decode(errors="replace").rstrip())


class ExchangeProcess(Process):
    """A simulated exchange."""

    def __init__(self, *options: str, core: int | None = None) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._http = httpx.AsyncClient(base_url=self.url, timeout=30)
        super().__init__("local.exchange", "--port", str(self.port), *options, core=core)

    async def start(self) -> None:
        """Return once it listens."""
        await super().start()
        await until(self._listens)

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()
        await self.stop()

    async def status(self) -> dict[str, Any]:
        """What it says of itself."""
        return await self.get("/control/status")

    async def get(self, path: str, **parameters: str | int) -> Any:
        """A reply of its REST API."""
        return (await self._http.get(path, params=parameters)).raise_for_status().json()

    async def now(self) -> int:
        """Its clock, epoch milliseconds."""
        return int((await self.get("/api/v3/time"))["serverTime"])

    async def tell(self, path: str, **body: Any) -> Any:
        """Control it: the reply."""
        return (await self._http.post(path, json=body)).raise_for_status().json()

    async def forget(self, path: str) -> None:
        """Take back what it was told."""
        (await self._http.delete(path)).raise_for_status()

    async def _listens(self) -> bool:
        assert self.is_running, "\n".join(self.lines)
        return bool(await self.status())


class FeederProcess(Process):
    """A feeder that reads from one exchange; REST and streams may come from different ones."""

    def __init__(
        self,
        rest_url: str,
        stream_url: str,
        *options: str,
        market: str = "simulated",
        core: int | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        self.url = f"ws://127.0.0.1:{self.port}"
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=30)
        place = ("--rest-url", rest_url, "--stream-url", stream_url, "--market", market, "--port", str(self.port))
        own = {"FEEDER_TOKEN": TOKEN, "CLOUDTRADER_METRICS_PORT": str(self.metrics_port)}
        super().__init__("feeder", *place, *options, core=core, environment=own | (environment or {}))

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()
        await self.stop()

    async def status(self) -> dict[str, Any]:
        """What it says of itself; httpx's errors while it does not listen."""
        reply: dict[str, Any] = (await self._http.get("/status")).raise_for_status().json()
        return reply

    async def is_followed_by(self, replica: MarketReplica) -> bool:
        """Whether the replica has all that has been published."""
        seq = (await self.status())["seq"]
        return replica.connected and replica.store.seq >= seq

    async def is_complete(self) -> bool:
        """Whether every history is there and lacks nothing."""
        status = await self.status()
        return status["symbols"] > 0 and all(part["behind"] == 0 and part["complete"] for part in status["coverage"].values())


async def until(condition: Callable[[], object], timeout: float = 60.0, every: float = 0.05) -> None:
    """Return once the condition holds; while its server does not answer, it does not. Raises TimeoutError."""
    async with asyncio.timeout(timeout):
        while True:
            with suppress(OSError, httpx.HTTPError):
                held = condition()
                if await held if inspect.isawaitable(held) else held:
                    return
            await asyncio.sleep(every)


@asynccontextmanager
async def following(replica: MarketReplica) -> AsyncIterator[MarketReplica]:
    """The replica, followed while the block lasts."""
    task = asyncio.create_task(replica.run())
    try:
        yield replica
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        replica.close()
