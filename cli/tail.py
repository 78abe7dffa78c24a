"""Following the signals of a user: each one exactly once, in the order it became visible."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

from adapters.supabase.signals import RecordedSignal

OVERLAP = timedelta(seconds=30)
"""A row carries the time its transaction began and is seen when that has ended, at most a request's deadline later. So every look goes back
this far, and what was shown before is remembered for as long."""
BEFORE_ANY = datetime(1970, 1, 1, tzinfo=UTC)


class Recorded(Protocol):
    """The signals to follow, as they are stored."""

    async def newest(self, limit: int) -> list[RecordedSignal]:
        """The newest ones, newest first; at most `limit`."""

    def since(self, moment: datetime) -> AsyncIterator[list[RecordedSignal]]:
        """All that were recorded at or after the moment, page by page, oldest first."""


class Tail:
    """A place in a growing list of signals. The database's clock alone decides; ours may be wrong."""

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded
        self._shown: dict[object, datetime] = {}
        self._newest: datetime | None = None

    async def start(self, last: int) -> list[RecordedSignal]:
        """The last few signals, oldest first. Following begins after them."""
        newest = await self._recorded.newest(max(1, last))
        if not newest:
            return []
        lately = await self._take_since(newest[0].recorded_at - OVERLAP)
        known = {recorded.signal.id for recorded in lately}
        before = [recorded for recorded in newest[::-1] if recorded.signal.id not in known]
        return (before + lately)[-last:] if last else []

    async def next(self) -> list[RecordedSignal]:
        """What has come since, oldest first."""
        return await self._take_since(BEFORE_ANY if self._newest is None else self._newest - OVERLAP)

    async def _take_since(self, moment: datetime) -> list[RecordedSignal]:
        # Nothing counts as shown before the last page has come: what an outage cuts off is read again.
        found = [recorded async for page in self._recorded.since(moment) for recorded in page]
        new = [recorded for recorded in found if recorded.signal.id not in self._shown]
        for recorded in new:
            self._shown[recorded.signal.id] = recorded.recorded_at
            self._newest = max(self._newest or recorded.recorded_at, recorded.recorded_at)
        if self._newest is not None:
            remembered_from = self._newest - OVERLAP
            self._shown = {key: at for key, at in self._shown.items() if at >= remembered_from}
        return new
