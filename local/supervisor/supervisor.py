"""All processes of one machine, from the first start to the last stop."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from local.supervisor.logs import ProcessLog
from local.supervisor.managed import ManagedProcess
from local.supervisor.running import SUPERVISED_BY
from local.supervisor.specs import ProcessSpec, require_start_order
from local.supervisor.status import Display, ProcessStatus, State

REFRESH_PERIOD = timedelta(seconds=1)


class Supervisor:
    """Runs the processes that the specs describe. Made inside a running event loop; good for one run."""

    def __init__(self, specs: Sequence[ProcessSpec], *, state: Path, environment: Mapping[str, str], display: Display) -> None:
        require_start_order(specs)
        logs = state / "logs"
        logs.mkdir(exist_ok=True)
        self._display = display
        self._processes = {
            spec.name: ManagedProcess(
                spec,
                log=ProcessLog(logs / f"{spec.name}.log"),
                display=display,
                environment={**environment, SUPERVISED_BY: str(state)},
            )
            for spec in specs
        }
        display.watch(self.statuses)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()

    @property
    def statuses(self) -> tuple[ProcessStatus, ...]:
        """What every process is doing, in the order of the specs."""
        return tuple(process.status for process in self._processes.values())

    async def run(self) -> bool:
        """Start everything, keep it running until `stop`, then stop it in reverse order. False when a step that others need failed."""
        for name, process in self._processes.items():
            needs = [self._processes[needed] for needed in process.spec.depends_on]
            self._tasks[name] = asyncio.create_task(process.keep(needs), name=name)
        try:
            return await self._watch()
        finally:
            await self._stop_all()

    async def settled(self) -> None:
        """Wait until every process has been ready once, is done or has failed for good."""
        for process in self._processes.values():
            await process.settled.wait()

    def stop(self) -> None:
        """Begin to stop; asked again, kill what still runs."""
        if not self._stopping.is_set():
            self._stopping.set()
            return
        for process in self._processes.values():
            process.kill()

    async def _watch(self) -> bool:
        while not self._stopping.is_set():
            blocked = [name for name in self._failures() if self._is_needed(name)]
            if blocked:
                self._display.say(f"{', '.join(blocked)} failed for good and others need it: stopping everything.")
                return False
            self._raise_surprises()
            self._display.refresh()
            with suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_PERIOD.total_seconds()):
                    await self._stopping.wait()
        return True

    def _failures(self) -> list[str]:
        return [name for name, process in self._processes.items() if process.status.state is State.FAILED]

    def _is_needed(self, name: str) -> bool:
        return any(name in process.spec.depends_on for process in self._processes.values())

    def _raise_surprises(self) -> None:
        for task in self._tasks.values():
            if task.done() and not task.cancelled():
                task.result()

    async def _stop_all(self) -> None:
        for task in reversed(self._tasks.values()):
            task.cancel()
            await asyncio.wait({task})
