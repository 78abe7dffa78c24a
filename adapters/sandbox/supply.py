"""Where jailed processes come from and go to."""

import asyncio
import logging
import sys
from collections.abc import Sequence

from adapters.sandbox.launch import Nursery
from adapters.sandbox.process import JailedProcess
from adapters.sandbox.report import JailReport
from domain.errors import UnavailableError

log = logging.getLogger(__name__)


class Supply:
    """Starts processes from a nursery, which it replaces when it dies, and refuses those that are not held well enough."""

    def __init__(self, program: Sequence[str], *, allow_weak: bool) -> None:
        self._program = program
        self._allow_weak = allow_weak
        self._nursery = Nursery(program)
        self._renewing = asyncio.Lock()
        self._out: set[JailedProcess] = set()
        self._told: set[str] = set()
        self.report: JailReport | None = None
        """How the newest process is held; `None` before there is one."""

    async def fresh(self) -> JailedProcess:
        """A process that knows nobody. Raises UnavailableError."""
        if sys.platform != "linux":
            raise UnavailableError("JavaScript filters run on Linux only: their processes are held by what its kernel offers.")
        try:
            process = await self._spawned()
        except OSError as error:
            raise UnavailableError(f"A process for JavaScript filters cannot be started: {error}") from error
        self._out.add(process)
        self.report = process.report
        self._warn(process.report)
        if not process.report.is_sufficient and not self._allow_weak:
            await self.bury(process)
            raise UnavailableError(
                "Filters in JavaScript are not run: this machine cannot hold their processes. " + " ".join(process.report.warnings())
            )
        return process

    async def _spawned(self) -> JailedProcess:
        async with self._renewing:
            if not self._nursery.is_alive:
                await self._nursery.stop()
                self._nursery = Nursery(self._program)
                await self._nursery.start()
        return await self._nursery.spawn()

    async def bury(self, process: JailedProcess) -> None:
        """End it, if it has not ended."""
        self._out.discard(process)
        await process.death()

    async def close(self) -> None:
        """End all of them."""
        await self._nursery.stop()
        for process in self._out:
            process.close()

    def _warn(self, report: JailReport) -> None:
        """Each lack once."""
        for warning in set(report.warnings()) - self._told:
            self._told.add(warning)
            log.warning("%s", warning)
