"""Frames at a steady rate and in bursts: load that does not depend on what the market does."""

import asyncio
import itertools

import numpy as np

from domain.market import Interval
from local.exchange.candles import Integers
from local.exchange.hub import Hub, kline
from local.exchange.live import LiveMarket

_STEP = 0.05
_SECONDS_BETWEEN_FRAMES = 2.0
"""Of one stream, at any rate."""
_BURST = 2


class SteadyFrames:
    """Sends the forming candle of one stream after the other, whether it has changed or not, while a rate is set."""

    def __init__(self, live: LiveMarket, hub: Hub) -> None:
        self._live, self._hub = live, hub
        self._rate: float | None = None
        self._set = asyncio.Event()
        self._position = 0

    def set_rate(self, frames_per_second: float | None) -> None:
        """Send about so many frames of forming candles per second, at most one per stream in two seconds; None as the market moves."""
        self._rate = frames_per_second
        self._live.steady = frames_per_second is not None
        (self._set.set if self._live.steady else self._set.clear)()

    def burst(self) -> None:
        """Send two frames on every stream at once."""
        for _, (interval, rows) in itertools.product(range(_BURST), self._listened()):
            self._live.send_forming(interval, rows)

    async def run(self) -> None:
        """Send until cancelled."""
        loop, owed = asyncio.get_running_loop(), 0.0
        while True:
            if not self._set.is_set():
                await self._set.wait()
                last, owed = loop.time(), 0.0
            await asyncio.sleep(_STEP)
            streams = sum(len(rows) for _, rows in self._listened())
            now = loop.time()
            owed += (now - last) * min(self._rate or 0.0, streams / _SECONDS_BETWEEN_FRAMES)
            last = now
            self._send(min(int(owed), streams), streams)
            owed -= int(owed)

    def _send(self, count: int, streams: int) -> None:
        # The streams in a circle, by interval and row; the next `count` of them from where the last step ended.
        chosen = np.sort((self._position + np.arange(count)) % streams) if streams else np.arange(0)
        first = 0
        for interval, rows in self._listened():
            self._live.send_forming(interval, rows[chosen[(chosen >= first) & (chosen < first + len(rows))] - first])
            first += len(rows)
        self._position = (self._position + count) % max(1, streams)

    def _listened(self) -> list[tuple[Interval, Integers]]:
        return [(interval, self._hub.rows(kline(interval))) for interval in self._live.intervals]
