"""The whole stack as `make up` runs it, in a directory of its own, for tests to look at and to break."""

import asyncio
import json
import os
import random
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from local.supervisor import state_directory
from local.supervisor.stack import MAX_WORKERS, usual_ports

STARTING = re.compile(r"(\S+) starting pid (\d+)")
READY_WITHIN = 180.0
STOPPED_WITHIN = 60.0
OWN_PORTS = range(20_000, 32_000)
"""Below those that the kernel gives to connections."""


class RunningStack:
    """`make up` in a directory; its settings, and the processes by name."""

    def __init__(self, state: Path, process: Process) -> None:
        self.state = state
        self.lines: list[str] = []
        self.pids: dict[str, int] = {}
        self._process = process
        self._ready = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout
        async for raw in self._process.stdout:
            line = raw.decode(errors="replace").rstrip()
            self.lines.append(line)
            if found := STARTING.search(line):
                self.pids[found[1]] = int(found[2])
            if " ready after " in line:
                self._ready.set()

    async def ready(self) -> None:
        """Everything runs."""
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
        """SIGKILL to what the process of this name runs as now; its process id."""
        pid = self.pids[name]
        os.kill(pid, signal.SIGKILL)
        return pid

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
        state = Path(folder, "state")
        _use_ports_of_its_own(state)
        async with _running_in(state, environment) as stack:
            yield stack


def _use_ports_of_its_own(state: Path) -> None:
    """As if an earlier start had used them: several stacks may start at the same moment."""
    state_directory.prepare(state)
    names = usual_ports(workers=MAX_WORKERS)
    (state / "ports.json").write_text(json.dumps(dict(zip(names, random.sample(OWN_PORTS, len(names)), strict=True))))


@asynccontextmanager
async def _running_in(state: Path, environment: dict[str, str]) -> AsyncIterator[RunningStack]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "local",
        "up",
        stdout=PIPE,
        stderr=STDOUT,
        env={**os.environ, "CLOUDTRADER_STATE": str(state), **environment},
    )
    stack = RunningStack(state, process)
    try:
        await stack.ready()
        yield stack
    finally:
        await stack.stop()
