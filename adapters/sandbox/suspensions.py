"""Owners whose requests killed processes pause, longer each time; with time it is forgiven."""

import time
from collections.abc import Callable
from datetime import timedelta

LONGEST_PAUSE = timedelta(seconds=60)
FORGIVEN_AFTER = timedelta(seconds=60)
"""One offence is forgotten for each such time without another."""
_MOST = 8
"""Offences that are remembered; so many make the longest pause."""


class Suspensions:
    """The first offence is free; then pauses of 1 s, 2 s, 4 s and so on up to LONGEST_PAUSE."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._offences: dict[str, tuple[int, float]] = {}

    def offend(self, owner: str) -> None:
        """Something of this owner's had to be ended."""
        self._offences = {name: offences for name, offences in self._offences.items() if self._count(name)}
        self._offences[owner] = (min(self._count(owner) + 1, _MOST), self._clock())

    def has_offended(self, owner: str) -> bool:
        """And was not forgiven yet."""
        return self._count(owner) > 0

    def remaining(self, owner: str) -> timedelta:
        """How long the owner still pauses; zero where it does not."""
        count, at = self._offences.get(owner, (0, 0.0))
        pause = min(2.0 ** (count - 2), LONGEST_PAUSE.total_seconds()) if count > 1 else 0.0
        return timedelta(seconds=max(0.0, at + pause - self._clock()))

    def current(self) -> int:
        """How many owners pause now. Any thread may ask."""
        return sum(bool(self.remaining(owner)) for owner in list(self._offences))

    def _count(self, owner: str) -> int:
        """Offences not forgiven yet."""
        count, at = self._offences.get(owner, (0, 0.0))
        return max(0, count - int((self._clock() - at) / FORGIVEN_AFTER.total_seconds()))
