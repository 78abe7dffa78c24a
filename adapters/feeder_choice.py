"""Which of several feeders a replica follows. Nothing here touches a socket or a clock."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.feeder_protocol import Status
from domain.market import from_epoch_milliseconds

SILENT_AFTER = 3.0
"""Seconds without a heartbeat, of which there is one each second, after which a feeder counts as silent."""
STALLED_AFTER = 5.0
"""Seconds without data from the exchange after which a feeder is left for one that is fresh."""
FRESH_WITHIN = 2.0
"""Data of at most this many seconds is fresh. Less than STALLED_AFTER, so that a stall of the whole market moves nobody."""
TRAILS_BY = 4.0
"""Seconds after which what another feeder knew then must be known."""
FEW_BEHIND = 10
"""Histories that a feeder may lack beyond twice what another lacks."""
PERSISTS = 3.0
"""Seconds for which histories must be behind to count, as each candle that closes leaves some behind for a moment, and for which
data must have been fresh."""
AT_LEAST_FOLLOWED = 10.0
"""Seconds for which a feeder is followed before anything but its silence ends that: a change costs a snapshot."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is known of one feeder now."""

    is_silent: bool
    is_gone: bool
    """The connection that brings its heartbeats is broken."""
    age: float
    """Seconds since the exchange last sent it anything."""
    oldest_age: float
    """The same at its worst during the last PERSISTS seconds: when a stall of the market ends, one feeder says so before the other."""
    as_of: int
    """The exchange's newest time it knows, epoch milliseconds."""
    as_of_before: int
    """The same TRAILS_BY seconds ago; 0 where that is not known."""
    behind: int
    """Histories it has lacked candles of during all of the last PERSISTS seconds; where it was not heard for so long, at any moment."""

    def __str__(self) -> str:
        heard = "silent" if self.is_silent else f"data {self.age:.1f} s old"
        return f"{heard}, market at {from_epoch_milliseconds(self.as_of):%H:%M:%S}, {self.behind} histories behind"

    @property
    def is_heard(self) -> bool:
        """Whether its heartbeats come."""
        return not self.is_silent and not self.is_gone

    def trails(self, other: "Standing") -> bool:
        """Whether it still does not know what the other knew seconds ago."""
        return self.as_of < other.as_of_before


UNHEARD = Standing(is_silent=True, is_gone=True, age=math.inf, oldest_age=math.inf, as_of=0, as_of_before=0, behind=0)


class Heartbeats:
    """What one feeder said of itself during the last seconds; moments are monotonic seconds."""

    def __init__(self) -> None:
        self._heard: deque[tuple[float, Status]] = deque()
        self._is_gone = False

    def note(self, status: Status, now: float) -> None:
        """A heartbeat came. After a silence it counts as the first: the feeder may have begun anew."""
        if self._heard and now - self._heard[-1][0] > SILENT_AFTER:
            self._heard.clear()
        self._is_gone = False
        self._heard.append((now, status))
        while len(self._heard) > 1 and self._heard[1][0] <= now - TRAILS_BY:
            self._heard.popleft()

    def end(self) -> None:
        """The connection broke."""
        self._is_gone = True

    def standing(self, now: float) -> Standing:
        """How the feeder stands now. One heartbeat is none: a feeder that only just began does not know yet what it lacks."""
        if len(self._heard) < 2:
            return UNHEARD
        heard_at, newest = self._heard[-1]
        lately = [status for moment, status in self._heard if moment >= heard_at - PERSISTS]
        behind = [status.behind for status in lately]
        is_new = self._heard[0][0] > heard_at - PERSISTS
        return Standing(
            is_silent=now - heard_at > SILENT_AFTER,
            is_gone=self._is_gone,
            age=newest.age / 1000,
            oldest_age=max(status.age for status in lately) / 1000,
            as_of=newest.as_of,
            as_of_before=max((status.as_of for moment, status in self._heard if moment <= now - TRAILS_BY), default=0),
            behind=max(behind) if is_new else min(behind),
        )


def choose(standings: Sequence[Standing], current: int, *, followed_for: float) -> int:
    """The feeder to follow when `current` has been followed for so many seconds: `current`, unless another is clearly better."""
    found = standings[current]
    if not found.is_silent and followed_for < AT_LEAST_FOLLOWED:
        return current
    best = _best(standings, [position for position, other in enumerate(standings) if _is_better(other, found)])
    return current if best is None else best


def choose_instead(standings: Sequence[Standing], lost: int | None) -> int | None:
    """The feeder to follow now that the connection to `lost` is gone; `None` while no other is heard."""
    heard = [position for position, other in enumerate(standings) if other.is_heard]
    return _best(standings, [position for position in heard if position != lost])


def _is_better(other: Standing, found: Standing) -> bool:
    """Whether `other` is better by so much that it is worth leaving `found`."""
    if not other.is_heard:
        return False
    if found.is_silent:
        return True
    if other.oldest_age > FRESH_WITHIN or other.trails(found):
        return False
    if found.age > STALLED_AFTER or found.trails(other):
        return True
    return found.behind > 2 * other.behind + FEW_BEHIND


def _best(standings: Sequence[Standing], positions: Sequence[int]) -> int | None:
    """The best of these, the first of equals."""

    def rank(position: int) -> tuple[bool, int]:
        standing = standings[position]
        is_late = standing.age > STALLED_AFTER or any(standing.trails(standings[other]) for other in positions)
        return is_late, standing.behind // FEW_BEHIND

    return min(positions, key=rank, default=None)
