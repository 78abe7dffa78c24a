"""One request on one jailed process, watched: it is answered, or it ends when it has used what it may use."""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from adapters.sandbox.limits import Limits
from adapters.sandbox.process import Death, JailedProcess, ProcessEndedError, Request

_LOOK_EVERY = 0.02
"""Seconds between two looks at a process that has not answered yet."""
_WALL_FACTOR = 10
"""A request that sleeps, or gets no processor, ends after so many times the processor time it may use."""


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


@dataclass(frozen=True)
class Watch:
    """What one request may use."""

    limits: Limits
    cpu: timedelta

    async def run(self, process: JailedProcess, request: Request) -> Answer:
        """What became of it. Unless it was answered, the process is gone."""
        asking = asyncio.create_task(process.ask(request))
        used_before, until = process.cpu(), time.monotonic() + _WALL_FACTOR * self.cpu.total_seconds()
        ending = None
        while ending is None and not (await asyncio.wait({asking}, timeout=_LOOK_EVERY))[0]:
            ending = self._excess(process, used_before, until)
        busy = timedelta(seconds=max(0.0, process.cpu() - used_before))
        if ending is not None:
            process.kill()
        try:
            return Answer(ending=Ending.ANSWERED, content=await asking, busy=busy)
        except ProcessEndedError as error:
            death = await process.death()
            return Answer(ending=ending or _ending_of(death), busy=busy, detail=f"{death}; {error}")

    def _excess(self, process: JailedProcess, used_before: float, until: float) -> Ending | None:
        if process.cpu() - used_before > self.cpu.total_seconds() or time.monotonic() > until:
            return Ending.TIMEOUT
        return Ending.MEMORY if process.resident() > self.limits.resident_bytes else None


def _ending_of(death: Death) -> Ending:
    """Of a process that nobody here ended."""
    return Ending.MEMORY if death.is_of_hunger else Ending.CRASHED
