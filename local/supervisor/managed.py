"""One process over its whole life: started when what it needs is ready, watched, restarted, stopped."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic

from local.supervisor.backoff import Backoff
from local.supervisor.health import Problem, look
from local.supervisor.logs import ProcessLog
from local.supervisor.running import RunningProcess, describe_exit, running
from local.supervisor.specs import ProcessSpec
from local.supervisor.status import Display, ProcessStatus, State

STARTING_PERIOD = timedelta(milliseconds=100)
"""Time between looks at a process that is not healthy."""
MISUSE = 2
"""Exit status of a program that was asked for something it cannot do: trying again does not help."""
WATCHING_PERIOD = timedelta(seconds=2)
"""Time between looks at a healthy one."""


class ManagedProcess:
    """Keeps one process going until its task is cancelled, which stops it.

    `ready` is set while others may rely on it; `settled` once it was ready for the first time or has failed for good.
    """

    def __init__(
        self,
        spec: ProcessSpec,
        *,
        log: ProcessLog,
        display: Display,
        environment: dict[str, str],
    ) -> None:
        self.spec = spec
        self.status = ProcessStatus(name=spec.name, url=spec.url)
        self.ready = asyncio.Event()
        self.settled = asyncio.Event()
        self._log = log
        self._display = display
        self._environment = environment
        self._backoff = Backoff()
        self._process: RunningProcess | None = None
        self._healthy_since: float | None = None

    async def keep(self, needs: Sequence["ManagedProcess"]) -> None:
        """Run and restart. Returns when a step is done or has failed for good; a service runs until the task is cancelled."""
        try:
            while not self._finished():
                await self._run_once(needs)
        except asyncio.CancelledError:
            self._enter(State.STOPPED)
            raise

    def kill(self) -> None:
        """End the process at once, whatever its grace."""
        if self._process is not None:
            self._process.kill()

    def _finished(self) -> bool:
        if self.spec.done_file is not None and self.spec.done_file.exists() and self.status.state is State.WAITING:
            self._become_ready(State.DONE, "done at an earlier start")
        return self.status.state in (State.DONE, State.FAILED)

    async def _run_once(self, needs: Sequence["ManagedProcess"]) -> None:
        for needed in needs:
            await needed.ready.wait()
        self._log.forget()
        self._enter(State.STARTING)
        try:
            failure = await self._run()
        except OSError as problem:
            failure = f"cannot be started: {problem}"
        finally:
            self.ready.clear()
            self.status.pid = None
        if failure:
            await self._fail(failure, for_good=failure == describe_exit(MISUSE) and self._healthy_since is None)
        else:
            self._succeed()

    async def _run(self) -> str:
        """Run once, to the end. Why it must run again; empty when a step succeeded."""
        began = monotonic()
        self._healthy_since = None
        async with running(self.spec, self._log, self._environment) as process:
            self._process = process
            self.status.pid = process.pid
            self._display.changed(self.status)
            try:
                ended = asyncio.ensure_future(process.wait())
                failure = await (self._complete(ended) if self.spec.is_step else self._serve(ended, began))
                self.status.took = timedelta(seconds=monotonic() - began) if self.spec.is_step else self.status.took
            except asyncio.CancelledError:
                self._enter(State.STOPPING)
                raise
            finally:
                self.ready.clear()
        return failure

    @staticmethod
    async def _complete(ended: "asyncio.Future[int]") -> str:
        status = await ended
        return describe_exit(status) if status else ""

    async def _serve(self, ended: "asyncio.Future[int]", began: float) -> str:
        """Watch a service until it ends or has not been healthy for too long."""
        assert self.spec.health is not None
        last_good = began
        while not ended.done():
            problem = await look(self.spec.health)
            if ended.done():
                break
            if problem is None:
                last_good = monotonic()
                self._see_healthy(began)
            elif monotonic() - last_good > (patience := self._patience(problem).total_seconds()):
                return f"was not healthy for {patience:g} s: {problem.text}"
            else:
                self._see_unhealthy(problem.text)
            period = STARTING_PERIOD if problem else WATCHING_PERIOD
            await asyncio.wait({ended}, timeout=period.total_seconds())
        return describe_exit(ended.result())

    def _patience(self, problem: Problem) -> timedelta:
        if self._healthy_since is None:
            return self.spec.starts_within
        return self.spec.unhealthy_for if problem.answered else self.spec.silent_for

    def _see_healthy(self, began: float) -> None:
        if self._healthy_since is None:
            self._healthy_since = monotonic()
            self.status.took = timedelta(seconds=self._healthy_since - began)
        if self.status.state is not State.READY:
            self._become_ready(State.READY)

    def _see_unhealthy(self, problem: str) -> None:
        self.status.detail = problem
        if self.status.state is State.READY:
            self.ready.clear()
            self._enter(State.UNHEALTHY, problem)

    def _succeed(self) -> None:
        if self.spec.done_file is not None:
            self.spec.done_file.touch()
        self._become_ready(State.DONE)

    async def _fail(self, reason: str, *, for_good: bool) -> None:
        self._display.failed(self.status, reason, self._log.tail())
        healthy_for = timedelta(seconds=monotonic() - self._healthy_since) if self._healthy_since else timedelta()
        wait = self._backoff.next(healthy_for)
        if for_good or (self.spec.is_step and self._backoff.failures >= self.spec.attempts):
            self._enter(State.FAILED, reason)
            self.settled.set()
            return
        self.status.restarts += 1
        self._enter(State.RESTARTING, f"{reason}; again in {wait.total_seconds():.1f} s")
        await asyncio.sleep(wait.total_seconds())

    def _become_ready(self, state: State, detail: str = "") -> None:
        self._enter(state, detail)
        self.ready.set()
        self.settled.set()

    def _enter(self, state: State, detail: str = "") -> None:
        self.status.state = state
        self.status.detail = detail
        self.status.since = datetime.now(UTC)
        self._display.changed(self.status)
