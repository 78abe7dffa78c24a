"""The exchange's clock beside ours, and the time of a market whose streams say nothing."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import NoReturn

from adapters.binance.rest import BinanceRest, TimeSample
from domain.errors import UnavailableError
from feeder.intake import Intake

SAMPLES = 5
REFRESH_SECONDS = 600.0
CHECK_SECONDS = 60.0
LOOK_SECONDS = 2.0
SILENT_SECONDS = 5.0
TOLERANCE_SECONDS = 1.0


class ExchangeClock:
    """Measures the offset every ten minutes, and anew when a sample a minute disagrees; the quickest of five answers counts.

    While the streams are silent it asks for the time every two seconds, so that candles are seen to close, and are repaired, though no
    stream works. A market that runs faster than ours is told by its time alone: nothing here uses the offset.
    """

    def __init__(self, intake: Intake, clock: Callable[[], float] = time.monotonic) -> None:
        self._intake = intake
        self._clock = clock
        self._best: TimeSample | None = None
        self._measured_at = 0.0
        self._asked_at = 0.0

    @property
    def offset(self) -> timedelta | None:
        """By how much the exchange's clock is ahead of ours; `None` before it was measured."""
        return timedelta(seconds=self._best.offset) if self._best else None

    @property
    def round_trip(self) -> timedelta | None:
        """How long the answer took that the offset is from."""
        return timedelta(seconds=self._best.round_trip) if self._best else None

    async def follow(self, rest: BinanceRest) -> NoReturn:
        """Keep the offset, and in silence the time of the market, up to date; an exchange that does not answer is asked again."""
        while True:
            with suppress(UnavailableError):  # the universe and the repairs tell of it
                await self.look(rest)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, rest: BinanceRest) -> None:
        """Ask the exchange for whatever is due now. Raises UnavailableError."""
        now = self._clock()
        if self._best is None or now - self._measured_at >= REFRESH_SECONDS:
            await self._measure(rest)
        elif self._intake.age() > SILENT_SECONDS or now - self._asked_at >= CHECK_SECONDS:
            sample = await self._ask(rest)
            if abs(sample.offset - self._best.offset) > TOLERANCE_SECONDS + sample.round_trip / 2:
                await self._measure(rest)

    async def _measure(self, rest: BinanceRest) -> None:
        samples = [await self._ask(rest) for _ in range(SAMPLES)]
        self._best = min(samples, key=lambda sample: sample.round_trip)
        self._measured_at = self._clock()

    async def _ask(self, rest: BinanceRest) -> TimeSample:
        sample = await rest.server_time()
        self._asked_at = self._clock()
        self._intake.note_time(sample.time)
        return sample
