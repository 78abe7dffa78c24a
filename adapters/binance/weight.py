"""Keeps all REST requests of this process within a share of the weight Binance allows per minute and address."""

import asyncio
import time
from collections.abc import Callable

BUDGET_SHARE = 0.4
"""Others behind the same address (execution, a browser) need weight too, and a ban costs minutes to days."""
BURST_SECONDS = 10.0


class WeightLimiter:
    """Paces requests evenly: at most 40 % of the declared weight in any minute, plus a burst of ten seconds' worth.

    `pause` stops everybody, which a 429 or 418 demands.
    """

    def __init__(self, limit_per_minute: int = 6_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._resumes_at = 0.0
        self._turn = asyncio.Lock()
        self.set_limit(limit_per_minute)
        self._available = self._burst
        self._counted_at = clock()

    def set_limit(self, limit_per_minute: int) -> None:
        """Take over the weight per minute that exchangeInfo declares."""
        self._limit = limit_per_minute
        self._per_second = limit_per_minute * BUDGET_SHARE / 60
        self._burst = self._per_second * BURST_SECONDS

    async def acquire(self, weight: int) -> None:
        """Return when a request of this weight may be sent, first come, first served."""
        async with self._turn:
            while (delay := self.delay(weight)) > 0:  # noqa: ASYNC110 - it waits for time to pass, not for somebody
                await asyncio.sleep(delay)
            self._available -= weight

    def delay(self, weight: int) -> float:
        """Seconds until a request of this weight may be sent."""
        now = self._clock()
        self._available = min(self._burst, self._available + (now - self._counted_at) * self._per_second)
        self._counted_at = now
        # A request heavier than the burst may go when the burst is full, and leaves a debt.
        missing = min(weight, self._burst) - self._available
        return max(self._resumes_at - now, missing / self._per_second, 0.0)

    def pause(self, seconds: float) -> None:
        """Let nobody send for so long."""
        self._resumes_at = max(self._resumes_at, self._clock() + seconds)

    def report(self, used_weight: int) -> None:
        """Take note of the weight used in this minute by the whole address, as the exchange counts it."""
        if used_weight > self._limit * (1 + BUDGET_SHARE) / 2:
            self.pause(BURST_SECONDS)
