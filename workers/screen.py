"""A trader's filter over the worker's replica of the market. Everything that touches candles runs in the replica's one thread."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np

from activities.ports import STALE_NAMED, Freshness, Outcome, ScreenRequest, TickResult
from adapters.feeder_client import MarketReplica
from domain.filters import Trigger
from domain.market import epoch_milliseconds
from domain.screening import Progress
from workers.looking import Found, Look, Watched
from workers.newly_closed import newly_closed
from workers.newly_forming import newly_forming
from workers.passes import Passes
from workers.staleness import Restoration, Standing, Standings
from workers.universe import Universe


class ReplicaScreen:
    """One trader's filter over the replica, in either language."""

    def __init__(
        self, replica: MarketReplica, restoration: Restoration, standings: Standings, passes: Passes, request: ScreenRequest
    ) -> None:
        self._replica = replica
        self._restoration = restoration
        self._standings = standings
        self._passes = passes
        self._reads = passes.reads
        self._request = request
        self._universe = Universe(replica.store, request)
        self._settled = {interval: replica.settled(interval) for interval in self._reads.required}

    async def changed(self) -> None:
        """Return when candles of an interval the filter reads have closed and settled since the last tick."""
        waits = [asyncio.ensure_future(self._replica.changed(interval, since)) for interval, since in self._settled.items()]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def freshness(self) -> Freshness:
        """How fresh the replica is."""
        market = self._replica.market
        assert market is not None, "a screen opens only once data has arrived"
        return Freshness(market=market, as_of=self._replica.as_of, age=self._replica.age(), seq=self._replica.store.seq)

    async def tick(self, progress: Progress) -> TickResult:
        """Evaluate what is new. A filter that fails for every symbol is an outcome and leaves the progress where it was.

        Raises UnavailableError when the engine is away.
        """
        self._settled = {interval: self._replica.settled(interval) for interval in self._settled}
        look = self._look_at_closed if self._request.settings.filter.trigger is Trigger.CLOSE else self._look_at_forming
        return await self._passes.through(_timed(look, progress))

    def _look_at_closed(self, progress: Progress) -> Look[TickResult]:
        freshness, watched = self.freshness(), self._universe.watched()
        as_of = _milliseconds(freshness)
        found = yield from newly_closed(
            self._reads,
            self._replica.store,
            watched,
            progress,
            as_of,
            settling=self._replica.settling(self._reads.interval),
            is_restoring=self._restoration.is_going_on(),
        )
        standing = self._standing(as_of, watched)
        left_out = standing.unready if found.looked_at is None else standing.unready & ~found.looked_at
        unready = int(np.count_nonzero(left_out))
        found = replace(found, processed=found.processed + unready, not_ready=found.not_ready + unready)
        nothing_fresh = self._is_stale(freshness) or (standing.stale.any() and standing.unready.all())
        return self._result(found, freshness, watched, standing, stale=found.candles == 0 and bool(nothing_fresh))

    def _look_at_forming(self, progress: Progress) -> Look[TickResult]:
        freshness, watched = self.freshness(), self._universe.watched()
        as_of = _milliseconds(freshness)
        standing = self._standing(as_of, watched)
        if not as_of or self._is_stale(freshness):
            return self._result(Found(progress=progress), freshness, watched, standing, stale=True)
        found = yield from newly_forming(
            self._reads, self._replica.store, watched, progress, as_of, unready=standing.unready, age=freshness.age
        )
        return self._result(found, freshness, watched, standing, stale=False)

    def _standing(self, as_of: int, watched: Watched) -> Standing:
        """Of the symbols watched, in their order."""
        is_forming = self._request.settings.filter.trigger is Trigger.TICK
        standing = self._standings.at(as_of, self._reads.required, self._request.limits, is_forming=is_forming)
        return Standing(stale=standing.stale[watched.rows], missing=standing.missing[watched.rows])

    def _result(self, found: Found, freshness: Freshness, watched: Watched, standing: Standing, *, stale: bool) -> TickResult:
        behind = np.flatnonzero(standing.stale)
        return TickResult(
            evaluated=found.candles > 0,
            outcome=_outcome(found, stale=stale),
            progress=found.progress,
            freshness=freshness,
            matches=found.matches,
            dropped_matches=found.dropped,
            candles=found.candles,
            missed_candles=found.missed,
            newest_candle=None if found.newest is None else self._reads.interval.open_time(found.newest),
            symbols_processed=found.processed,
            symbols_not_ready=found.not_ready,
            symbols_stale=len(behind),
            stale_symbols=tuple(watched.names[position] for position in behind[:STALE_NAMED].tolist()),
            symbols_failed=found.failed,
            failures=found.failures,
            error="; ".join(map(str, found.failures)) if found.is_stuck else "",
            conditions=found.conditions or {},
        )

    def _is_stale(self, freshness: Freshness) -> bool:
        return freshness.age > self._request.limits.stale_after


def _timed(look: Callable[[Progress], Look[TickResult]], progress: Progress) -> Look[TickResult]:
    started = time.perf_counter()
    result = yield from look(progress)
    return replace(result, duration=timedelta(seconds=time.perf_counter() - started))


def _outcome(found: Found, *, stale: bool) -> Outcome:
    if found.is_stuck:
        return Outcome.FAILED
    return Outcome.STALE if stale else Outcome.EVALUATED


def _milliseconds(freshness: Freshness) -> int:
    return epoch_milliseconds(freshness.as_of) if freshness.as_of else 0
