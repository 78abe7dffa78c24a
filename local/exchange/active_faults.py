"""The faults that are going on: begun, ended when their time is up or when they are cleared, and applied to frames and replies."""

import asyncio
import heapq
import itertools
import math
import time
from dataclasses import dataclass

from local.exchange.faults import Begun, Fault, FrameFault, LastingFault, Late, ReplyFault, Venue
from local.exchange.http11 import Response
from local.exchange.hub import Frame, Hub


@dataclass(frozen=True, kw_only=True)
class _Active:
    fault: LastingFault
    begun: Begun
    ends_at: float | None
    """On the monotonic clock."""
    timer: asyncio.TimerHandle | None


class ActiveFaults:
    """Faults by their number. While none is going on, frames take their usual way and nothing is done to any."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._numbers = itertools.count(1)
        self._active: dict[int, _Active] = {}
        self._postponed = Postponed(venue.hub)

    def begin(self, fault: Fault) -> dict[str, object]:
        """Let it happen; returns what it is and what it has hit. Raises ValueError when it cannot."""
        number = next(self._numbers)
        begun = fault.begin(self._venue)
        if isinstance(fault, LastingFault):
            self._keep(number, fault, begun)
        return {**self._described(number, fault), **begun.hit}

    def clear(self, number: int | None) -> None:
        """End one, or all of them. Raises ValueError when there is no such fault."""
        if number is not None and number not in self._active:
            raise ValueError(f"there is no fault {number}; going on are: {', '.join(map(str, self._active)) or 'none'}")
        for each in [number] if number is not None else list(self._active):
            self._end(each, expired=False)

    def described(self) -> list[dict[str, object]]:
        """All that are going on."""
        return [self._described(number, active.fault) for number, active in self._active.items()]

    def refusal(self) -> Response | None:
        """The reply that a REST request gets instead of the right one; None for the right one."""
        faults = (active.fault for active in self._active.values())
        refusals = (fault.refusal() for fault in faults if isinstance(fault, ReplyFault))
        return next((refusal for refusal in refusals if refusal), None)

    def _keep(self, number: int, fault: LastingFault, begun: Begun) -> None:
        timer, ends_at = None, None
        if fault.seconds is not None:
            ends_at = time.monotonic() + fault.seconds
            timer = asyncio.get_running_loop().call_later(fault.seconds, lambda: self._end(number, expired=True))
        self._active[number] = _Active(fault=fault, begun=begun, ends_at=ends_at, timer=timer)
        self._route()

    def _end(self, number: int, *, expired: bool) -> None:
        active = self._active.pop(number)
        if active.timer:
            active.timer.cancel()
        if expired:
            active.begun.expire()
        active.begun.undo()
        self._route()
        self._postponed.release()

    def _route(self) -> None:
        tampers = any(isinstance(active.fault, FrameFault) for active in self._active.values())
        self._venue.hub.tamper = self._tamper if tampers else None

    def _tamper(self, frame: Frame) -> None:
        frames: list[Late] = [(0.0, frame)]
        for active in self._active.values():
            if isinstance(fault := active.fault, FrameFault):
                frames = [(late + more, passed) for late, each in frames for more, passed in fault.passed(each)]
        for late, passed in frames:
            if late:
                self._postponed.take(late, passed)
            else:
                self._venue.hub.deliver(passed)

    def _described(self, number: int, fault: Fault) -> dict[str, object]:
        active = self._active.get(number)
        left = None if active is None or active.ends_at is None else max(0.0, active.ends_at - time.monotonic())
        return {"id": number, "kind": fault.kind, **fault.model_dump(), "active": active is not None, "seconds_left": left}


class Postponed:
    """Frames that wait for their time, which come in its order."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._frames: list[tuple[float, int, Frame]] = []
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    def take(self, seconds: float, frame: Frame) -> None:
        """Send a frame after so many seconds."""
        entry = (time.monotonic() + seconds, next(self._numbers), frame)
        heapq.heappush(self._frames, entry)
        if self._frames[0] is entry:
            self._arm()

    def release(self) -> None:
        """Send all at once: a frame must not come after those that go the usual way again."""
        self._send(math.inf)

    def _send_due(self) -> None:
        self._send(time.monotonic())

    def _send(self, until: float) -> None:
        while self._frames and self._frames[0][0] <= until:
            self._hub.deliver(heapq.heappop(self._frames)[2])
        self._hub.flush()
        self._arm()

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None
        if self._frames:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, self._frames[0][0] - time.monotonic()), self._send_due)
