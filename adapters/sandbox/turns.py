"""Whose turn it is: fair between owners by the processor time they used lately."""

import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Generic, TypeVar

HALF_LIFE = timedelta(seconds=10)
"""Use of this age counts half."""
_NOTHING = 1e-3
"""Seconds: who has used less than this lately has used nothing."""

Item = TypeVar("Item")


class Turns(Generic[Item]):
    """Waiting items of many owners. An owner has one turn at a time and takes its items in the order they came."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: dict[str, deque[Item]] = {}
        self._used: dict[str, float] = {}
        self._used_at = clock()

    def __len__(self) -> int:
        """May be asked in any thread."""
        return sum(map(len, list(self._waiting.values())))

    def wait(self, owner: str, item: Item) -> None:
        """Stand in line."""
        self._waiting.setdefault(owner, deque()).append(item)

    def take(self, is_free: Callable[[str], bool]) -> tuple[str, Item] | None:
        """The next item of whoever used least lately, among the owners that are free; whoever waits longest among equals."""
        free = list(filter(is_free, self._waiting))
        if not free:
            return None
        owner = min(free, key=lambda name: self._used.get(name, 0.0))
        line = self._waiting.pop(owner)
        item = line.popleft()
        if line:
            self._waiting[owner] = line  # behind those who have used as much
        return owner, item

    def leave(self, owner: str, item: Item) -> None:
        """Do not wait any longer; nothing where it does not wait."""
        line = self._waiting.get(owner, deque())
        if item in line:
            line.remove(item)
            if not line:
                del self._waiting[owner]

    def use(self, owner: str, seconds: float) -> None:
        """The owner used so much processor time."""
        now = self._clock()
        fade = 0.5 ** ((now - self._used_at) / HALF_LIFE.total_seconds())
        self._used_at = now
        self._used = {name: used * fade for name, used in self._used.items() if used * fade > _NOTHING}
        self._used[owner] = self._used.get(owner, 0.0) + seconds
