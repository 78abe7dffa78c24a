"""A trader's filter over the worker's replica of the market. Everything that touches candles runs in the replica's one thread."""

import asyncio
import difflib
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from activities.ports import STALE_NAMED, Freshness, Outcome, ScreenRequest, TickResult
from adapters.candle_store import STATUS_CODES, CandleStore
from adapters.feeder_client import MarketReplica
from domain.errors import FilterFailedError, RefusedError, UnavailableError
from domain.filters import FilterSpec, Trigger
from domain.market import SymbolStatus, epoch_milliseconds
from domain.screening import Progress
from filters.evaluation import Evaluator
from filters.expression import CompiledFilter, compile_filter
from filters.outcome import Evaluation
from workers.newly_closed import Found, Watched, evaluate_newly_closed, match_of
from workers.staleness import Standing, Standings

COMPILED_FILTERS_KEPT = 10_000
RESTORED_WITHIN = timedelta(seconds=60)
"""Symbols whose history is not back after this no longer hold up the others."""


class ReplicaScreens:
    """Opens screens on one replica. Compiled filters are shared between traders that wrote the same one."""

    def __init__(self, replica: MarketReplica, evaluator: Evaluator) -> None:
        self._replica = replica
        self._evaluator = evaluator
        self._restoration = Restoration(replica)
        self._standings = Standings(replica.store)

    async def open(self, request: ScreenRequest) -> "ReplicaScreen":
        """Compile the filter and find the symbols, or say what is wrong with them."""
        if self._replica.as_of is None or self._replica.market is None:
            raise UnavailableError("No market data has arrived yet. It comes with the feeder; `cloudtrader market status` shows it.")
        compiled = await asyncio.get_running_loop().run_in_executor(self._replica.thread, self._prepare, request)
        return ReplicaScreen(self._replica, self._evaluator, self._restoration, self._standings, compiled, request)

    def _prepare(self, request: ScreenRequest) -> CompiledFilter:
        self._refuse_unknown_symbols(request.settings.symbols)
        return _compiled(request.settings.filter)

    def _refuse_unknown_symbols(self, wanted: tuple[str, ...]) -> None:
        known = self._replica.store.symbols
        for symbol in sorted(set(wanted) - set(known)):
            near = difflib.get_close_matches(symbol, known, n=1)
            raise RefusedError(f"The market has no symbol {symbol}." + (f" Did you mean {near[0]}?" if near else ""))


@lru_cache(maxsize=COMPILED_FILTERS_KEPT)
def _compiled(spec: FilterSpec) -> CompiledFilter:
    return compile_filter(spec)


class Restoration:
    """After the replica met a feeder anew, the histories that a restarted feeder still fetches come back one by one."""

    def __init__(self, replica: MarketReplica) -> None:
        self._replica = replica
        self._synchronisation = 0
        self._since = 0.0

    def is_going_on(self) -> bool:
        """Whether the newest snapshot came less than RESTORED_WITHIN ago."""
        if self._replica.statistics.synchronisations != self._synchronisation:
            self._synchronisation, self._since = self._replica.statistics.synchronisations, time.monotonic()
        return time.monotonic() - self._since < RESTORED_WITHIN.total_seconds()


class ReplicaScreen:
    """One trader's filter over the replica."""

    def __init__(
        self,
        replica: MarketReplica,
        evaluator: Evaluator,
        restoration: "Restoration",
        standings: Standings,
        compiled: CompiledFilter,
        request: ScreenRequest,
    ) -> None:
        self._replica = replica
        self._evaluator = evaluator
        self._restoration = restoration
        self._standings = standings
        self._compiled = compiled
        self._request = request
        self._watched: Watched | None = None
        self._ranks = replica.store.rank
        self._settled = {interval: replica.settled(interval) for interval in compiled.required}

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
        """Evaluate what is new. A filter that fails is an outcome and leaves the progress where it was."""
        self._settled = {interval: self._replica.settled(interval) for interval in self._settled}
        look = self._look_at_closed if self._request.settings.filter.trigger is Trigger.CLOSE else self._look_at_forming
        return await asyncio.get_running_loop().run_in_executor(self._replica.thread, self._timed, look, progress)

    def _timed(self, look: Callable[[Progress], TickResult], progress: Progress) -> TickResult:
        started = time.perf_counter()
        try:
            result = look(progress)
        except FilterFailedError as error:
            result = TickResult(evaluated=False, outcome=Outcome.FAILED, progress=progress, freshness=self.freshness(), error=str(error))
        return replace(result, duration=timedelta(seconds=time.perf_counter() - started))

    def _look_at_closed(self, progress: Progress) -> TickResult:
        freshness, watched = self.freshness(), self._rows()
        as_of = _milliseconds(freshness)
        found = evaluate_newly_closed(
            self._evaluator,
            self._compiled,
            self._replica.store,
            watched,
            progress,
            as_of,
            settling=self._replica.settling(self._compiled.interval),
            is_restoring=self._restoration.is_going_on(),
        )
        standing = self._standing(as_of, watched)
        left_out = standing.unready if found.looked_at is None else standing.unready & ~found.looked_at
        unready = int(np.count_nonzero(left_out))
        found = replace(found, processed=found.processed + unready, not_ready=found.not_ready + unready)
        nothing_fresh = self._is_stale(freshness) or (standing.stale.any() and standing.unready.all())
        return self._result(found, freshness, standing, stale=found.candles == 0 and bool(nothing_fresh))

    def _look_at_forming(self, progress: Progress) -> TickResult:
        freshness, watched = self.freshness(), self._rows()
        as_of = _milliseconds(freshness)
        standing = self._standing(as_of, watched)
        if not as_of or self._is_stale(freshness):
            return self._result(Found(progress=progress), freshness, standing, stale=True)
        evaluation = self._evaluator.evaluate_forming(self._compiled, self._replica.store, as_of)
        ready = evaluation.ready[watched.rows] & ~standing.unready
        found = self._newly_forming(evaluation, progress, ready, as_of // self._compiled.interval.milliseconds)
        return self._result(found, freshness, standing, stale=False)

    def _newly_forming(self, evaluation: Evaluation, progress: Progress, ready: NDArray[np.bool_], index: int) -> Found:
        """What newly matches at the forming candle. A symbol that is not ready keeps its state."""
        snapshot, watched, frame = self._replica.store, self._rows(), self._replica.store.frame(self._compiled.interval)
        matched = evaluation.matched[watched.rows] & ready
        before = np.isin(watched.names, progress.matching)
        now = np.where(ready, matched, before)
        volume = evaluation.quote_volume_24h[watched.rows]
        new = sorted(np.flatnonzero(matched & ~before).tolist(), key=lambda k: (-float(np.nan_to_num(volume[k])), watched.names[k]))
        initial = progress.baseline is None
        kept = new if initial else new[: watched.max_matches]
        matches = tuple(
            match_of(
                snapshot,
                int(watched.rows[position]),
                evaluation,
                index=index,
                price=float(frame.columns["close"][watched.rows[position], index - frame.first_index]),
                milliseconds=self._compiled.interval.milliseconds,
                initial=initial,
                late=False,
                age=self._replica.age(),
            )
            for position in kept
        )
        return Found(
            progress=Progress(
                matching=tuple(name for name, holds in zip(watched.names, now, strict=True) if holds),
                baseline=index if initial else progress.baseline,
                evaluated=index,
            ),
            matches=matches,
            dropped=len(new) - len(kept),
            candles=1,
            newest=index,
            processed=len(watched.names),
            not_ready=int((~ready).sum()),
            conditions=evaluation.condition_counts(),
        )

    def _standing(self, as_of: int, watched: Watched) -> Standing:
        """Of the symbols watched, in their order."""
        is_forming = self._request.settings.filter.trigger is Trigger.TICK
        standing = self._standings.at(as_of, self._compiled.required, self._request.limits, is_forming=is_forming)
        return Standing(stale=standing.stale[watched.rows], missing=standing.missing[watched.rows])

    def _result(self, found: Found, freshness: Freshness, standing: Standing, *, stale: bool) -> TickResult:
        interval = self._compiled.interval
        behind = np.flatnonzero(standing.stale)
        return TickResult(
            evaluated=found.candles > 0,
            outcome=Outcome.STALE if stale else Outcome.EVALUATED,
            progress=found.progress,
            freshness=freshness,
            matches=found.matches,
            dropped_matches=found.dropped,
            candles=found.candles,
            missed_candles=found.missed,
            newest_candle=None if found.newest is None else interval.open_time(found.newest),
            symbols_processed=found.processed,
            symbols_not_ready=found.not_ready,
            symbols_stale=len(behind),
            stale_symbols=tuple(self._rows().names[position] for position in behind[:STALE_NAMED].tolist()),
            conditions=found.conditions or {},
        )

    def _is_stale(self, freshness: Freshness) -> bool:
        return freshness.age > self._request.limits.stale_after

    def _rows(self) -> Watched:
        """The trader's symbols as rows: those it lists, or the largest that trade up to the tier's number, or all where that has none."""
        store = self._replica.store
        if self._watched is None or self._ranks is not store.rank:
            # The store never changes its ranks and statuses in place.
            self._ranks = store.rank
            rows = self._wanted_rows(store)
            self._watched = Watched(
                rows=rows,
                names=tuple(store.symbols[row] for row in rows.tolist()),
                max_matches=self._request.limits.max_signals_per_tick,
                late_after=self._request.limits.stale_after,
            )
        return self._watched

    def _wanted_rows(self, store: CandleStore) -> NDArray[np.intp]:
        if wanted := self._request.settings.symbols:
            return np.flatnonzero(np.isin(store.symbols, wanted))
        if (most := self._request.limits.max_symbols) is None:
            return np.arange(len(store.symbols))
        trading = np.flatnonzero(store.status == STATUS_CODES[SymbolStatus.TRADING])
        return np.sort(trading[np.argsort(store.rank[trading], kind="stable")[:most]])


def _milliseconds(freshness: Freshness) -> int:
    return epoch_milliseconds(freshness.as_of) if freshness.as_of else 0
