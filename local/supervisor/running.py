"""One running child process: its output goes to its log, and nothing of its process group outlives it."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from local.supervisor.logs import ProcessLog
from local.supervisor.specs import ProcessSpec

LAUNCHER = Path(__file__).with_name("child.py")
DRAIN_WITHIN = timedelta(seconds=1)
"""How long output is still read after the end; a grandchild may hold the pipe open for ever."""
SUPERVISED_BY = "CLOUDTRADER_SUPERVISED_BY"
"""Environment variable that marks every descendant with the state directory it belongs to."""


class RunningProcess:
    """A started child. Make one with `running`."""

    def __init__(self, process: asyncio.subprocess.Process, reading: "asyncio.Task[None]") -> None:
        self._process = process
        self._reading = reading
        self.pid = process.pid

    async def wait(self) -> int:
        """Its exit status once it has ended: negative is the number of the OS signal that killed it."""
        return await self._process.wait()

    def kill(self) -> None:
        """End the whole process group now."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    async def stop(self, grace: timedelta) -> None:
        """Ask it to end, wait at most `grace`, then kill it and whatever it left in its group."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace.total_seconds()):
                await self._process.wait()
        self.kill()
        await self._process.wait()
        await asyncio.wait({self._reading}, timeout=DRAIN_WITHIN.total_seconds())
        self._reading.cancel()


@asynccontextmanager
async def running(spec: ProcessSpec, log: ProcessLog, environment: dict[str, str]) -> AsyncIterator[RunningProcess]:
    """The process for as long as the block lasts; stopped within its grace at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), *spec.argv),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environment, **spec.environment},
        start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops its processes in order
    )
    assert process.stdout is not None
    child = RunningProcess(process, asyncio.create_task(_keep(process.stdout, log)))
    try:
        yield child
    finally:
        await child.stop(spec.grace)


async def _keep(output: asyncio.StreamReader, log: ProcessLog) -> None:
    while chunk := await output.read(65536):
        log.write(chunk)


def describe_exit(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"ended with status {status}"
    return f"was killed by {signal.Signals(-status).name}"
