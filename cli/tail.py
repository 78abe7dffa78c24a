"""Following the signals of a user: each one exactly once, in the order it became visible."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from adapters.supabase.signals import RecordedSignal

OVERLAP = timedelta(seconds=30)
"""A row carries the time its transaction began and is seen when that has ended, at most a request's deadline later. So every look goes back
this far, and what was shown before is remembered for as long."""
FIRST_PAGE = 100

Fetch = Callable[[int, datetime | None], Awaitable[list[RecordedSignal]]]
"""The newest signals, newest first, at most so many, recorded after a moment."""


class Tail:
    """A place in a growing list of signals. The database's clock alone decides; ours may be wrong."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._shown: dict[object, datetime] = {}
        self._newest: datetime | None = None

    async def start(self, last: int) -> list[RecordedSignal]:
        """The last few signals, oldest first. Following begins after them."""
        newest = await self._fetch(1, None)
        if not newest:
            return []
        lately = self._take(await self._all_after(newest[0].recorded_at - OVERLAP))
        before = await self._fetch(last, None) if len(lately) < last else []
        return (lately if not before else before[::-1])[-last:] if last else []

    async def next(self) -> list[RecordedSignal]:
        """What has come since, oldest first."""
        return self._take(await self._all_after(None if self._newest is None else self._newest - OVERLAP))

    def _take(self, found: list[RecordedSignal]) -> list[RecordedSignal]:
        new = [recorded for recorded in found if recorded.signal.id not in self._shown]
        for recorded in new:
            self._shown[recorded.signal.id] = recorded.recorded_at
            self._newest = max(self._newest or recorded.recorded_at, recorded.recorded_at)
        if self._newest is not None:
            remembered_from = self._newest - OVERLAP
            self._shown = {key: at for key, at in self._shown.items() if at >= remembered_from}
        return new

    async def _all_after(self, moment: datetime | None) -> list[RecordedSignal]:
        """Every signal after a moment, oldest first, however many there are."""
        size = FIRST_PAGE
        while len(found := await self._fetch(size, moment)) == size:
            size *= 4
        return found[::-1]
