"""A few jailed processes for many owners: each runs one request at a time, so that whatever dies has one culprit."""

import asyncio
import logging
import math
import os
import time
from collections import Counter, defaultdict
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from adapters.sandbox.launch import Nursery
from adapters.sandbox.limits import Limits
from adapters.sandbox.process import Death, JailedProcess, ProcessEndedError, Request
from adapters.sandbox.report import JailReport
from adapters.sandbox.suspensions import Suspensions
from adapters.sandbox.turns import Turns
from domain.errors import UnavailableError

log = logging.getLogger(__name__)

_LOOK_EVERY = 0.02
"""Seconds between two looks at a process that has not answered yet."""
_WALL_FACTOR = 10
"""A request that sleeps, or gets no processor, ends after so many times the processor time it may use."""
_DEATH_WITHIN = 5.0
_TRY_AGAIN_AFTER = 1.0
"""Seconds after a process could not be started."""
_WATCH_EVERY = 0.5
"""Seconds between two looks at the processes that should rest."""
_RESTLESS = 0.25
"""Seconds of processor time that a resting process may use: it cleans up behind a request."""
_WORN = 0.8
"""A process that has used this part of its lifetime or memory is replaced while it is idle."""


class Ending(StrEnum):
    """How a request ended."""

    ANSWERED = "answered"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CRASHED = "crashed"
    SUSPENDED = "suspended"
    """It was not run: its owner pauses."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of a request."""

    ending: Ending
    content: Any = None
    """The answer as its request reads it."""
    busy: timedelta = timedelta()
    """Processor time it took."""
    detail: str = ""
    """Of an ending that is not an answer: for operators, not for owners."""


@dataclass
class Statistics:
    """Since the pool was opened, and now."""

    endings: Counter[Ending] = field(default_factory=Counter)
    busy: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Processor seconds by owner."""
    started: int = 0
    """Processes."""
    replaced: int = 0
    """Processes that were ended or died and had to be replaced."""
    running: int = 0
    waiting: int = 0
    suspended: int = 0
    """Owners that pause now."""


@dataclass(frozen=True)
class _Rest:
    """Of an idle process."""

    owner: str
    """Who asked last."""
    cpu: float
    """What it had used when it answered."""


@dataclass(frozen=True, eq=False)
class _Waiting:
    request: Request
    answer: asyncio.Future[Answer]


class Pool:
    """An async context manager. Entering never fails: where no process can be had, requests say so."""

    def __init__(
        self,
        program: Sequence[str],
        limits: Limits,
        *,
        cpu_per_request: timedelta,
        at_once: int | None = None,
        allow_weak: bool = False,
    ) -> None:
        """`program`: Python's arguments for the nursery's program. `at_once`: requests that run at the same time; as many as
        processors, at least two. `allow_weak`: run also where the jail is not sufficient (`JailReport.is_sufficient`)."""
        self._limits = limits
        self._cpu_per_request = cpu_per_request.total_seconds()
        self._at_once = at_once or max(2, len(os.sched_getaffinity(0)))
        self._allow_weak = allow_weak
        self._program = program
        self._nursery = Nursery(program)
        self._renewing = asyncio.Lock()
        self._turns: Turns[_Waiting] = Turns()
        self._suspensions = Suspensions()
        self._idle: list[JailedProcess] = []
        self._rest: dict[JailedProcess, _Rest] = {}
        self._busy: dict[str, JailedProcess] = {}
        self._homes: dict[str, JailedProcess] = {}
        self._starting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._trouble = ""
        self._trouble_at = 0.0
        self._is_open = False
        self._told: set[str] = set()
        self._statistics = Statistics()
        self.report: JailReport | None = None
        """How the newest process is held; `None` before there is one."""

    async def __aenter__(self) -> Self:
        self._is_open = True
        self._grow()
        self._begin(self._watch())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._is_open = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._fail_waiting("The worker is ending.")
        await self._nursery.stop()
        for process in (*self._idle, *self._busy.values()):
            process.close()

    def statistics(self) -> Statistics:
        """Counters since the pool was opened, as they are now. May be called in any thread."""
        now, busy = self._statistics, dict(self._statistics.busy)
        levels = {"running": len(self._busy), "waiting": len(self._turns), "suspended": self._suspensions.current()}
        return replace(now, endings=Counter(dict(now.endings)), busy=busy, **levels)

    async def ask(self, request: Request) -> Answer:
        """Run the request when its owner's turn comes. Raises UnavailableError while no process can be had."""
        if refusal := self._refusal(request.owner):
            return refusal
        if self._trouble and not self._idle and not self._busy and time.monotonic() - self._trouble_at < _TRY_AGAIN_AFTER:
            raise UnavailableError(self._trouble)
        waiting = _Waiting(request, asyncio.get_running_loop().create_future())
        self._turns.wait(request.owner, waiting)
        self._dispatch()
        try:
            return await waiting.answer
        finally:
            self._turns.leave(request.owner, waiting)

    def _refusal(self, owner: str) -> Answer | None:
        """Where the owner pauses."""
        pause = self._suspensions.remaining(owner)
        if not pause:
            return None
        self._statistics.endings[Ending.SUSPENDED] += 1
        return Answer(ending=Ending.SUSPENDED, detail=f"{math.ceil(pause.total_seconds())} s more")

    def _dispatch(self) -> None:
        self._weed_out()
        while self._idle and len(self._busy) < self._at_once and (taken := self._turns.take(self._busy)):
            owner, waiting = taken
            if refusal := self._refusal(owner):
                _settle(waiting, refusal)
                continue
            process = self._place(owner)
            self._idle.remove(process)
            self._rest.pop(process, None)
            self._busy[owner] = process
            self._begin(self._run(process, waiting))
        self._grow()

    def _place(self, owner: str) -> JailedProcess:
        """Where the owner's requests ran last, if it is free; else where least is known of others."""
        home = self._homes.get(owner)
        if home in self._idle:
            return home
        homes = Counter(self._homes.values())
        place = min(self._idle, key=homes.__getitem__)
        if home is not None:
            home.forget.add(owner)
        self._homes[owner] = place
        return place

    async def _run(self, process: JailedProcess, waiting: _Waiting) -> None:
        owner, used_before = waiting.request.owner, process.cpu()
        try:
            answer = await self._watched(process, waiting.request, used_before)
        except BaseException:
            if not waiting.answer.done():
                waiting.answer.set_exception(UnavailableError("The filter's process was given up: the worker is ending."))
            raise
        self._turns.use(owner, answer.busy.total_seconds())
        self._statistics.endings[answer.ending] += 1
        self._statistics.busy[owner] += answer.busy.total_seconds()
        is_alive = answer.ending is Ending.ANSWERED
        if not is_alive:
            log.warning("A filter's process was ended: %s (%s), owner %s", answer.ending, answer.detail, owner)
        if not is_alive or process.is_spent:
            self._suspensions.offend(owner)
        del self._busy[owner]
        _settle(waiting, answer)
        self._keep_or_replace(process, owner, is_alive=is_alive)
        self._dispatch()

    async def _watched(self, process: JailedProcess, request: Request, used_before: float) -> Answer:
        asking = asyncio.create_task(process.ask(request))
        ending, until = None, time.monotonic() + _WALL_FACTOR * self._cpu_per_request
        while ending is None and not (await asyncio.wait({asking}, timeout=_LOOK_EVERY))[0]:
            ending = self._excess(process, used_before, until)
        busy = timedelta(seconds=max(0.0, process.cpu() - used_before))
        if ending is not None:
            process.kill()
        try:
            return Answer(ending=Ending.ANSWERED, content=await asking, busy=busy)
        except ProcessEndedError as error:
            death = await process.death(_DEATH_WITHIN)
            return Answer(ending=ending or _ending_of(death), busy=busy, detail=f"{death}; {error}")

    def _excess(self, process: JailedProcess, used_before: float, until: float) -> Ending | None:
        if process.cpu() - used_before > self._cpu_per_request or time.monotonic() > until:
            return Ending.TIMEOUT
        return Ending.MEMORY if process.resident() > self._limits.resident_bytes else None

    def _keep_or_replace(self, process: JailedProcess, owner: str, *, is_alive: bool) -> None:
        if is_alive and not process.is_spent and not self._is_worn(process):
            self._idle.append(process)
            self._rest[process] = _Rest(owner, process.cpu())
        else:
            self._replace(process, is_buried=not is_alive)

    def _is_worn(self, process: JailedProcess) -> bool:
        used_up = process.cpu() > _WORN * self._limits.lifetime_cpu.total_seconds()
        return used_up or process.resident() > _WORN * self._limits.resident_bytes

    def _replace(self, process: JailedProcess, *, is_buried: bool) -> None:
        """It is forgotten at once; the next to start takes its place."""
        self._statistics.replaced += 1
        self._homes = {owner: home for owner, home in self._homes.items() if home is not process}
        if not is_buried:
            self._begin(self._bury(process))

    def _weed_out(self) -> None:
        """Idle processes that are gone, and those that work although they have answered: they were taken over by whoever asked last."""
        for process in [process for process in self._idle if not process.is_alive]:
            self._idle.remove(process)
            self._rest.pop(process, None)
            self._replace(process, is_buried=False)
        for process, rest in list(self._rest.items()):
            if process.cpu() - rest.cpu > _RESTLESS:
                log.warning("A filter's process did not rest after its answer; owner %s", rest.owner)
                self._suspensions.offend(rest.owner)
                self._idle.remove(process)
                del self._rest[process]
                process.kill()
                self._replace(process, is_buried=False)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_EVERY)
            self._weed_out()
            self._grow()

    async def _bury(self, process: JailedProcess) -> None:
        await process.death(_DEATH_WITHIN)

    def _grow(self) -> None:
        """One process more than are busy stands ready, so that nobody waits for a start."""
        alive = len(self._idle) + len(self._busy) + self._starting
        wanted = min(len(self._busy) + len(self._turns), self._at_once) + 1
        if self._is_open and alive < wanted:
            self._starting += 1
            self._begin(self._start())

    async def _start(self) -> None:
        try:
            process = await self._started()
        except UnavailableError as error:
            self._starting -= 1
            self._trouble, self._trouble_at = str(error), time.monotonic()
            log.error("%s", error)
            if not self._idle and not self._busy:
                self._fail_waiting(str(error))
            return
        self._starting -= 1
        self._statistics.started += 1
        self._trouble = ""
        self._idle.append(process)
        self._dispatch()

    async def _started(self) -> JailedProcess:
        async with self._renewing:
            if not self._nursery.is_alive:
                await self._nursery.stop()
                self._nursery = Nursery(self._program)
                await self._nursery.start()
        process = await self._nursery.spawn()
        self.report = process.report
        self._warn(process.report)
        if not process.report.is_sufficient and not self._allow_weak:
            await process.death(_DEATH_WITHIN)
            raise UnavailableError(
                "Filters in JavaScript are not run: this machine cannot hold their processes. " + " ".join(process.report.warnings())
            )
        return process

    def _warn(self, report: JailReport) -> None:
        """Each lack once."""
        for warning in set(report.warnings()) - self._told:
            self._told.add(warning)
            log.warning("%s", warning)

    def _fail_waiting(self, why: str) -> None:
        while taken := self._turns.take(()):
            if not taken[1].answer.done():
                taken[1].answer.set_exception(UnavailableError(why))

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _settle(waiting: _Waiting, answer: Answer) -> None:
    """Whoever asked may not wait any longer."""
    if not waiting.answer.done():
        waiting.answer.set_result(answer)


def _ending_of(death: Death) -> Ending:
    """Of a process that nobody here ended."""
    return Ending.MEMORY if death.is_of_hunger else Ending.CRASHED
