"""When a candle counts as settled, and how those who wait for it are woken: once per candle, however many wait."""

import asyncio
from datetime import timedelta

SETTLE_LIMIT = timedelta(seconds=2)
"""Wall-clock time after a candle's first arrival at which it counts as settled though symbols are missing."""
GATHER_LATE = timedelta(milliseconds=250)
"""Candles that come late or from a backfill are gathered for so long before they wake anybody."""


class Settlement:
    """The settled candles of one interval. Belongs to the event loop it is used in."""

    def __init__(self) -> None:
        self.number = 0
        """Grows with every wake-up."""
        self._newest = -1
        self._is_new_candle = False
        self._event = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def settling(self) -> int | None:
        """Index of the candle that is arriving and has not settled yet."""
        return self._newest if self._is_new_candle else None

    def arrived(self, newest: int, *, missing: int) -> None:
        """Closed candles arrived: `newest` is the newest index, `missing` how many symbols had its predecessor but lack it."""
        if newest != self._newest:
            # An older one than before comes with another feeder's snapshot, whole: nothing of it is on its way.
            self._newest, self._is_new_candle = newest, newest > self._newest
        if self._is_new_candle and not missing:
            self._wake()
        elif self._timer is None:
            delay = SETTLE_LIMIT if self._is_new_candle else GATHER_LATE
            self._timer = asyncio.get_running_loop().call_later(delay.total_seconds(), self._wake)

    async def settled(self, since: int) -> int:
        """Return the number once it exceeds `since`."""
        while self.number <= since:
            await self._event.wait()
        return self.number

    def _wake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._is_new_candle = False
        self.number += 1
        self._event.set()
        self._event = asyncio.Event()
