"""The market clock: the one source of time of a simulated market."""

import asyncio
import time
from collections.abc import Callable


class MarketClock:
    """Market time in epoch milliseconds: it advances `speed` times as fast as the monotonic clock, stands still while held and never
    goes back or beyond `end`."""

    def __init__(
        self, start: int, *, speed: float = 1.0, end: int | None = None, held: bool = False, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._base = float(start)
        self._since = monotonic()
        self._speed = speed
        self._end = end
        self._held = held
        self._changed = asyncio.Event()
        self.skew = 0
        """Milliseconds that the time is off where it is shown."""

    @property
    def speed(self) -> float:
        """Market seconds per second."""
        return self._speed

    @property
    def held(self) -> bool:
        """Whether the clock stands still until `start`."""
        return self._held

    @property
    def finished(self) -> bool:
        """Whether the market has ended."""
        return self._end is not None and self.now() >= self._end

    def now(self) -> int:
        """Market time in epoch milliseconds."""
        moment = int(self._base if self._held else self._base + (self._monotonic() - self._since) * 1000 * self._speed)
        return moment if self._end is None else min(moment, self._end)

    def shown(self) -> int:
        """Market time as clients are told it."""
        return self.now() + self.skew

    def start(self) -> None:
        """Let the clock run. Repeating it changes nothing."""
        self._anchor(held=False, speed=self._speed)

    def hold(self) -> None:
        """Let the clock stand still. Repeating it changes nothing."""
        self._anchor(held=True, speed=self._speed)

    def set_speed(self, speed: float) -> None:
        """Run at another speed from now on."""
        self._anchor(held=self._held, speed=speed)

    async def wait_until(self, moment: int) -> None:
        """Return once market time has reached `moment`; never, when the market ends before it."""
        while (remaining := moment - self.now()) > 0:
            still = self._held or self.finished
            try:
                async with asyncio.timeout(None if still else remaining / 1000 / self._speed):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _anchor(self, *, held: bool, speed: float) -> None:
        self._base, self._since = float(self.now()), self._monotonic()
        self._held, self._speed = held, speed
        self._changed.set()
        self._changed = asyncio.Event()
