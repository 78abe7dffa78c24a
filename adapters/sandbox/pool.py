"""A few jailed processes for many owners: each runs one request at a time, so that whatever dies has one culprit."""

import asyncio
import contextlib
import logging
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from types import TracebackType
from typing import Self

from adapters.sandbox.limits import Limits
from adapters.sandbox.process import JailedProcess, Request
from adapters.sandbox.report import JailReport
from adapters.sandbox.statistics import Statistics
from adapters.sandbox.supply import Supply
from adapters.sandbox.suspensions import Suspensions
from adapters.sandbox.turns import Turns
from adapters.sandbox.watch import Answer, Ending, Watch
from domain.errors import UnavailableError

log = logging.getLogger(__name__)

_TRY_AGAIN_AFTER = 1.0
"""Seconds after a process could not be started."""
_LOOK_EVERY = 0.5
"""Seconds between two looks at the processes that should rest."""
_RESTLESS = 0.25
"""Seconds of processor time that a resting process may use: it cleans up behind a request."""
_APART_AT_ONCE = 1
"""Requests of owners who have offended."""
_NICENESS_APART = 10
_WORN = 0.8
"""A process that has used this part of its lifetime or memory is replaced when it has answered."""


@dataclass(frozen=True)
class _Rest:
    """Of an idle process."""

    owner: str
    """Who asked last."""
    cpu: float
    """What it had used when it answered."""


@dataclass(frozen=True, eq=False)
class _Waiting:
    """Whoever asked may have stopped waiting."""

    request: Request
    answer: asyncio.Future[Answer]

    def settle(self, answer: Answer) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)

    def fail(self, why: str) -> None:
        if not self.answer.done():
            self.answer.set_exception(UnavailableError(why))


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
        self._watch = Watch(limits, cpu_per_request)
        self._at_once = at_once or max(2, _processors())
        self._supply = Supply(program, allow_weak=allow_weak)
        self._asked: set[_Waiting] = set()
        self._turns: Turns[_Waiting] = Turns()
        self._suspensions = Suspensions()
        self._idle: dict[JailedProcess, _Rest] = {}
        self._homes: dict[str, JailedProcess] = {}
        self._busy: set[str] = set()
        self._at_home = 0
        self._apart = 0
        self._starting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._trouble = ""
        self._trouble_at = 0.0
        self._is_open = False
        self._statistics = Statistics()

    @property
    def report(self) -> JailReport | None:
        """How the newest process is held; `None` before there is one."""
        return self._supply.report

    async def __aenter__(self) -> Self:
        self._is_open = True
        self._grow()
        self._begin(self._look_after())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._is_open = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._fail_all("The worker is ending.")
        await self._supply.close()

    def statistics(self) -> Statistics:
        """Counters since the pool was opened, as they are now. Any thread may ask."""
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
        self._asked.add(waiting)
        self._turns.wait(request.owner, waiting)
        self._dispatch()
        try:
            return await waiting.answer
        finally:
            self._asked.remove(waiting)
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
        while taken := self._turns.take(self._may_run):
            owner, waiting = taken
            if refusal := self._refusal(owner):
                waiting.settle(refusal)
                continue
            self._busy.add(owner)
            self._begin(self._run_offender(waiting) if self._suspensions.has_offended(owner) else self._run_at_home(waiting))
        self._grow()

    def _may_run(self, owner: str) -> bool:
        if owner in self._busy:
            return False
        if self._suspensions.has_offended(owner):
            return self._apart < _APART_AT_ONCE or bool(self._suspensions.remaining(owner))
        return bool(self._idle) and self._at_home < self._at_once

    def _run_offender(self, waiting: _Waiting) -> Coroutine[object, object, None]:
        self._apart += 1
        return self._run_apart(waiting)

    def _run_at_home(self, waiting: _Waiting) -> Coroutine[object, object, None]:
        process = self._place(waiting.request.owner)
        del self._idle[process]
        self._at_home += 1
        return self._run_at(process, waiting)

    def _place(self, owner: str) -> JailedProcess:
        """Where the owner's requests ran last, if it is free; else where the fewest others are at home."""
        home = self._homes.get(owner)
        if home is not None and home in self._idle:
            return home
        homes = Counter(self._homes.values())
        place = min(self._idle, key=homes.__getitem__)
        if home is not None:
            home.forget.add(owner)
        self._homes[owner] = place
        return place

    async def _run_at(self, process: JailedProcess, waiting: _Waiting) -> None:
        try:
            answer = await self._run(process, waiting)
        finally:
            self._at_home -= 1
        if answer.ending is Ending.ANSWERED and not process.is_spent and not self._is_worn(process):
            self._idle[process] = _Rest(waiting.request.owner, process.cpu())
        else:
            self._replace(process)
        self._dispatch()

    async def _run_apart(self, waiting: _Waiting) -> None:
        """Who has offended gets a process for each request, started for it: nobody else is at home where it may die, nobody else waits
        for it, and it gets the processor when the others leave it."""
        try:
            process = await self._supply.fresh()
            self._statistics.started += 1
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, process.number, _NICENESS_APART)
            await self._run(process, waiting)
            self._replace(process)
        except UnavailableError as error:
            waiting.fail(str(error))
        finally:
            self._busy.discard(waiting.request.owner)
            waiting.fail("The filter's process was given up.")
            self._apart -= 1
        self._dispatch()

    async def _run(self, process: JailedProcess, waiting: _Waiting) -> Answer:
        owner = waiting.request.owner
        try:
            answer = await self._watch.run(process, waiting.request)
        except BaseException as error:
            waiting.fail("The filter's process was given up.")
            if isinstance(error, Exception):  # else the pool is closing, which ends all of them
                self._replace(process)
            raise
        finally:
            self._busy.discard(owner)
        self._turns.use(owner, answer.busy.total_seconds())
        self._statistics.endings[answer.ending] += 1
        self._statistics.busy[owner] += answer.busy.total_seconds()
        if answer.ending is not Ending.ANSWERED:
            log.warning("A filter's process was ended: %s (%s), owner %s", answer.ending, answer.detail, owner)
        if answer.ending is not Ending.ANSWERED or process.is_spent:
            self._suspensions.offend(owner)
        waiting.settle(answer)
        return answer

    def _is_worn(self, process: JailedProcess) -> bool:
        used_up = process.cpu() > _WORN * self._limits.lifetime_cpu.total_seconds()
        return used_up or process.resident() > _WORN * self._limits.resident_bytes

    def _replace(self, process: JailedProcess) -> None:
        """It is forgotten at once; the next to start takes its place."""
        self._statistics.replaced += 1
        self._homes = {owner: home for owner, home in self._homes.items() if home is not process}
        self._begin(self._supply.bury(process))

    def _weed_out(self) -> None:
        """Idle processes that are gone, and those that work although they have answered: whoever asked last took them over."""
        for process, rest in list(self._idle.items()):
            is_restless = process.is_alive and process.cpu() - rest.cpu > _RESTLESS
            if is_restless:
                log.warning("A filter's process did not rest after its answer; owner %s", rest.owner)
                self._suspensions.offend(rest.owner)
                process.kill()
            if is_restless or not process.is_alive:
                del self._idle[process]
                self._replace(process)

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            try:
                self._dispatch()
            except Exception:
                log.exception("A look at the filter processes failed")  # the next one may not, and requests wait for it

    def _grow(self) -> None:
        """One process more than are busy stands ready, so that nobody waits for a start."""
        wanted = min(self._at_home + len(self._turns), self._at_once) + 1
        if self._is_open and len(self._idle) + self._at_home + self._starting < wanted:
            self._starting += 1
            self._begin(self._start())

    async def _start(self) -> None:
        try:
            process = await self._supply.fresh()
        except UnavailableError as error:
            self._trouble, self._trouble_at = str(error), time.monotonic()
            log.error("%s", error)
            if not self._idle and not self._busy:
                self._fail_all(str(error))
            return
        finally:
            self._starting -= 1
        self._statistics.started += 1
        self._trouble = ""
        self._idle[process] = _Rest("nobody", process.cpu())
        self._dispatch()

    def _fail_all(self, why: str) -> None:
        for waiting in self._asked:
            waiting.fail(why)

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("Work on the filter processes failed", exc_info=error)


def _processors() -> int:
    """Those this process may use; elsewhere than on Linux no filter runs."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
