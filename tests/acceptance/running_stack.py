"""The whole stack as `make up` runs it, in a directory of its own, for tests to look at and to break."""

import asyncio
import json
import os
import random
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from local.supervisor import state_directory
from local.supervisor.running import SUPERVISED_BY
from local.supervisor.stack import MAX_WORKERS, usual_ports
from tests.acceptance.recording import START, write_recording

CHANGED = re.compile(r"s  (\S+) (starting|ready) pid (\d+)")
READY_WITHIN = 300.0
STOPPED_WITHIN = 60.0
OWN_PORTS = range(20_000, 32_000)
"""Below those that the kernel gives to connections."""


class RunningStack:
    """`make up` in a directory; its settings, and the processes by name."""

    def __init__(self, state: Path, environment: dict[str, str]) -> None:
        self.state = state
        self.lines: list[str] = []
        self.pids: dict[str, int] = {}
        self._ready_pids: dict[str, int] = {}
        self._environment = environment
        self._process: Process

    async def start(self) -> float:
        """Start, also again after a stop or a crash; the seconds until everything was ready."""
        began = asyncio.get_running_loop().time()
        self.lines.clear()
        environment = {**os.environ, "CLOUDTRADER_STATE": str(self.state), **self._environment}
        command = (sys.executable, "-m", "local", "up")
        self._process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT, env=environment)
        self._ready = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        await self._until_ready()
        return asyncio.get_running_loop().time() - began

    async def _read(self) -> None:
        assert self._process.stdout
        async for raw in self._process.stdout:
            line = raw.decode(errors="replace").rstrip()
            self.lines.append(line)
            if found := CHANGED.search(line):
                {"starting": self.pids, "ready": self._ready_pids}[found[2]][found[1]] = int(found[3])
            if " ready after " in line:
                self._ready.set()

    async def _until_ready(self) -> None:
        waits = [asyncio.ensure_future(self._ready.wait()), self._reading]
        await asyncio.wait(waits, timeout=READY_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        waits[0].cancel()
        assert self._ready.is_set(), "\n".join(self.lines[-60:])

    @property
    def settings(self) -> dict[str, str]:
        """What STATE/env says."""
        lines = (self.state / "env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def port(self, name: str) -> int:
        """Where the process of this name listens."""
        return int(json.loads((self.state / "ports.json").read_text())[name])

    def kill(self, name: str) -> int:
        """SIGKILL to the process of this name and to the server that it may hold; its process id."""
        pid = self.pids[name]
        for process in _tree(pid):
            process.kill()
        return pid

    def end(self, name: str) -> int:
        """SIGTERM to the process of this name; its process id."""
        os.kill(self.pids[name], signal.SIGTERM)
        return self.pids[name]

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """The process of this name and the server that it may hold stand still: they take connections and answer nothing."""
        tree = _tree(self.pids[name])
        for process in tree:
            process.suspend()
        try:
            yield
        finally:
            for process in tree:
                process.resume()

    async def ready_again(self, name: str, before: int) -> None:
        """The process of this name, which was `before`, is ready as another one."""
        async with asyncio.timeout(READY_WITHIN):
            while self._ready_pids[name] == before:  # noqa: ASYNC110  (the supervisor says it in a line of text)
                await asyncio.sleep(0.05)

    async def crash(self) -> None:
        """SIGKILL to the supervisor."""
        self._process.kill()
        await self._process.wait()

    def processes(self) -> list[psutil.Process]:
        """Everything that runs for this state directory now."""
        return [process for process in psutil.process_iter() if _belongs_to(process, self.state)]

    async def stop(self) -> None:
        """As Ctrl-C does."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(self._process.wait(), STOPPED_WITHIN)
        await self._reading


@asynccontextmanager
async def running_stack(**environment: str) -> AsyncIterator[RunningStack]:
    """The stack, ready; stopped at the end. Its folder is not pytest's own, which PostgreSQL's user may not enter."""
    with TemporaryDirectory(prefix="cloudtrader-test-", ignore_cleanup_errors=True) as folder:
        stack = RunningStack(Path(folder, "state"), environment)
        _use_ports_of_its_own(stack.state)
        try:
            await stack.start()
            yield stack
        finally:
            await stack.stop()


@asynccontextmanager
async def small_stack(**environment: str) -> AsyncIterator[RunningStack]:
    """The stack on a small market of its own."""
    with TemporaryDirectory(prefix="cloudtrader-test-") as folder:
        write_recording(file := Path(folder, "market.parquet"))
        async with running_stack(MARKET=f"replay:{file}", MARKET_START=START, **environment) as stack:
            yield stack


def _use_ports_of_its_own(state: Path) -> None:
    """As if an earlier start had used them: several stacks may start at the same moment."""
    state_directory.prepare(state)
    names = usual_ports(workers=MAX_WORKERS)
    (state / "ports.json").write_text(json.dumps(dict(zip(names, random.sample(OWN_PORTS, len(names)), strict=True))))


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def _belongs_to(process: psutil.Process, state: Path) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(SUPERVISED_BY) == str(state)
    except psutil.Error:
        return False
