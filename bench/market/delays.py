"""How late a replica has what the feeder received, told apart by what was going on."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import numpy as np

from adapters.feeder_client import MarketReplica

SAMPLED_EVERY = 0.1
LINGERS = 1.0
"""Seconds after the end of an event during which what arrives still counts to it."""
STEADY = "steady"


class Delays:
    """Seconds from a frame's arrival at the feeder to the replica having its candle, by kind and by what was going on."""

    def __init__(self, replica: MarketReplica) -> None:
        self._statistics = replica.statistics
        self._during = STEADY
        self._of: dict[tuple[str, str], list[float]] = defaultdict(list)

    @contextmanager
    def during(self, event: str) -> Iterator[None]:
        """What arrives within the block belongs to this event."""
        self._sample()
        before, self._during = self._during, event
        try:
            yield
        finally:
            self._sample()
            self._during = before

    def of(self, kind: str, event: str = STEADY) -> str:
        """Median, 99th percentile and maximum of `closed` or `forming` candles, in milliseconds."""
        found = self._of[kind, event]
        if not found:
            return "none"
        median, late = np.percentile(found, (50, 99))
        return f"{1e3 * median:.1f} / {1e3 * late:.1f} / {1e3 * max(found):.1f} ms of {len(found):,}"

    async def sample(self) -> None:
        """Gather until cancelled."""
        while True:
            self._sample()
            await asyncio.sleep(SAMPLED_EVERY)

    def _sample(self) -> None:
        for kind, waiting in (("closed", self._statistics.delays_closed), ("forming", self._statistics.delays_forming)):
            self._of[kind, self._during] += waiting
            waiting.clear()


@asynccontextmanager
async def gathered(replica: MarketReplica) -> AsyncIterator[Delays]:
    """The delays of this replica while the block lasts."""
    delays = Delays(replica)
    sampling = asyncio.create_task(delays.sample())
    try:
        yield delays
    finally:
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)
