"""When connections to the exchange may be opened: it counts attempts per address, failed ones too."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

SECONDS_BETWEEN = 1.0
MOST_DIALS, WINDOW_SECONDS = 59, 300.0
"""Binance allows 300 in five minutes to everybody behind an address."""


class DialBudget:
    """At most one dial a second and 59 in any five minutes, first come, first served."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._dialled: deque[float] = deque(maxlen=MOST_DIALS)
        self._turn = asyncio.Lock()

    async def turn(self) -> None:
        """Return when the caller may dial, which then counts as done."""
        async with self._turn:
            while (delay := self.delay()) > 0:  # noqa: ASYNC110 - it waits for time to pass, not for somebody
                await asyncio.sleep(delay)
            self.spend()

    def delay(self) -> float:
        """Seconds until the next dial."""
        if not self._dialled:
            return 0.0
        since_last, oldest = self._clock() - self._dialled[-1], self._clock() - self._dialled[0]
        return max(0.0, SECONDS_BETWEEN - since_last, WINDOW_SECONDS - oldest if len(self._dialled) == MOST_DIALS else 0.0)

    def spend(self) -> None:
        """Count a dial."""
        self._dialled.append(self._clock())
