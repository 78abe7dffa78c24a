"""Looks at every candle that closed since a `close` trader last looked, each once per symbol, in order."""

import time
from dataclasses import replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from domain.filter_failures import grouped
from domain.filters import FilterFailure
from domain.market import HISTORY_BLOCK, KEPT_CANDLES, MINIMUM_HISTORY
from domain.screening import Match, Progress
from filters.frames import Frame, MarketSnapshot
from filters.history import Reads, evaluable_through
from filters.outcome import Evaluation
from workers.looking import Found, Look, Mask, Question, Watched, in_order, match_at

MATCHES_PER_TICK = 200
"""A tick that found this many matches comes back before it goes on with later candles, so that results stay small in history."""
CATCH_UP_SECONDS = 2.0
"""So does one that has taken this long: the trader can be told to stop, and others get their turn."""

Indices = NDArray[np.int64]


def newly_closed(
    reads: Reads,
    snapshot: MarketSnapshot,
    watched: Watched,
    progress: Progress,
    as_of_ms: int,
    *,
    settling: int | None = None,
    is_restoring: bool = False,
) -> Look[Found]:
    """All candles after `progress` that can be evaluated, oldest first, each symbol as far as its own candles reach.

    Left for later: candle `settling`, which only some symbols have yet; and everything while the replica `is_restoring` the history of
    symbols that were evaluated before. So a candle is evaluated for all symbols together, and the limit on its matches does not depend
    on the order in which they arrive. What is not reached within CATCH_UP_SECONDS or MATCHES_PER_TICK is left for the next look, too;
    nothing is passed over.
    """
    through = evaluable_through(reads, snapshot)[watched.rows]
    lost = int(np.count_nonzero(through < 0))
    if is_restoring and lost and progress.evaluated is not None:
        return Found(progress=progress, waiting_for=lost)
    if settling is not None:
        through = np.minimum(through, settling - 1)
    newest = int(through.max(initial=-1))
    if newest < 0:
        return Found(progress=progress)
    first = newest - 1 if progress.evaluated is None else progress.evaluated
    last = np.array([progress.behind.get(name, first) for name in watched.names], dtype=np.int64)
    pending = through > last
    if not pending.any():
        return Found(progress=progress)
    earliest = _earliest_evaluable(reads, snapshot, watched.rows)
    last = np.where(pending, np.maximum(last, _began(snapshot.frame(reads.interval), watched.rows) - 1), last)
    missed = int(np.clip(earliest - 1 - last, 0, None)[pending].max())
    last = np.where(pending, np.maximum(last, earliest - 1), last)
    found = yield from _Walk(reads, snapshot, watched, progress, as_of_ms, newest).over(last, through)
    return replace(found, missed=missed if found.candles else 0)


class _Walk:
    """From candle to candle."""

    def __init__(self, reads: Reads, snapshot: MarketSnapshot, watched: Watched, progress: Progress, as_of_ms: int, newest: int) -> None:
        self._reads = reads
        self._snapshot = snapshot
        self._watched = watched
        self._progress = progress
        self._as_of_ms = as_of_ms
        self._baseline = newest if progress.evaluated is None else progress.baseline
        self._frames, self._begins = self._kept()
        self._deadline = time.monotonic() + CATCH_UP_SECONDS
        self._matching = np.isin(watched.names, progress.matching)
        self._matches: list[Match] = []
        self._dropped = 0
        self._failures: list[FilterFailure] = []
        self._conditions: dict[str, int] | None = None
        self._is_stuck = False
        self._looked_at = self._unready = self._failed = np.zeros(len(watched.names), np.bool_)

    def over(self, last: Indices, through: Indices) -> Look[Found]:
        pending = through > last
        candles = 0
        for index in range(int(last[pending].min()) + 1, int(through.max()) + 1):
            due = (last < index) & (through >= index)
            if not due.any():
                continue
            if candles and self._must_come_back():
                break
            versions = self._versions()
            evaluation = yield Question(index=index, rows=self._watched.rows[due], as_of=self._as_of_ms)
            if self._versions() != versions:
                if self._is_other_store() and not evaluation.ready.any():
                    break  # the candle went away before it was looked at
                through = np.minimum(through, evaluable_through(self._reads, self._snapshot)[self._watched.rows])
                due &= through >= index  # histories that were lost meanwhile are looked at when they are back
            self._note(evaluation, due)
            if self._has_failed() and not (last >= index).any():  # stragglers do not hold up those that are past it
                self._is_stuck = True
                break
            self._take(evaluation, index)
            last[due] = index
            candles += bool(due.any())
        return self._found(last, candles)

    def _must_come_back(self) -> bool:
        """Whether the rest is for the next look: enough was found, it took long, or the store now keeps another range of candles."""
        is_enough = sum(not match.initial for match in self._matches) >= MATCHES_PER_TICK
        return is_enough or time.monotonic() > self._deadline or self._is_other_store()

    def _is_other_store(self) -> bool:
        frames, begins = self._kept()
        return begins != self._begins or any(now is not then for now, then in zip(frames, self._frames, strict=True))

    def _versions(self) -> list[int]:
        return [self._snapshot.frame(interval).version for interval in self._reads.required]

    def _kept(self) -> tuple[list[Frame], list[int]]:
        frames = [self._snapshot.frame(interval) for interval in self._reads.required]
        return frames, [frame.first_index for frame in frames]

    def _note(self, evaluation: Evaluation, due: Mask) -> None:
        """Who was looked at, and how that failed."""
        ready = evaluation.ready[self._watched.rows] & due
        self._looked_at, self._unready = due, due & ~ready
        self._failed = evaluation.failed[self._watched.rows] & ready
        if self._failed.any():
            self._failures.extend(evaluation.failures)

    def _has_failed(self) -> bool:
        return bool(self._failed.any()) and bool((self._failed == self._looked_at & ~self._unready).all())

    def _take(self, evaluation: Evaluation, index: int) -> None:
        """Compare one candle with what matched before. A symbol that is not ready, or for which the filter failed, keeps its state."""
        known = self._looked_at & ~self._unready & ~self._failed
        matched = evaluation.matched[self._watched.rows] & known
        new = in_order(np.flatnonzero(matched & ~self._matching).tolist(), evaluation, self._watched)
        self._matching[known] = matched[known]
        self._conditions = evaluation.condition_counts(self._watched.rows)
        initial = index == self._baseline
        kept = new if initial else new[: self._watched.max_matches]
        self._dropped += len(new) - len(kept)
        self._matches.extend(self._match(evaluation, position, index, initial=initial) for position in kept)

    def _match(self, evaluation: Evaluation, position: int, index: int, *, initial: bool) -> Match:
        interval = self._reads.interval
        age = timedelta(milliseconds=max(0, self._as_of_ms - (index + 1) * interval.milliseconds))
        is_late = age > self._watched.late_after
        row = int(self._watched.rows[position])
        return match_at(self._snapshot, interval, index, evaluation, row, initial=initial, late=is_late, age=age)

    def _found(self, last: Indices, candles: int) -> Found:
        newest = int(last.max())
        progress = Progress(
            matching=tuple(name for name, holds in zip(self._watched.names, self._matching, strict=True) if holds),
            baseline=self._baseline,
            evaluated=newest,
            behind=_behind(self._watched.names, last, newest),
        )
        return Found(
            progress=progress if candles else self._progress,
            matches=tuple(self._matches),
            dropped=self._dropped,
            candles=candles,
            newest=newest if candles else None,
            processed=int(self._looked_at.sum()),
            not_ready=int(self._unready.sum()),
            failed=int(self._failed.sum()),
            failures=grouped(self._failures),
            is_stuck=self._is_stuck,
            conditions=self._conditions,
            looked_at=self._looked_at,
        )


def _behind(names: tuple[str, ...], last: Indices, newest: int) -> dict[str, int]:
    """Symbols whose candles are late. One that is further behind than candles are kept has nothing left to catch up with."""
    late = np.flatnonzero((last < newest) & (last >= newest - KEPT_CANDLES))
    return {names[position]: int(last[position]) for position in late.tolist()}


def _earliest_evaluable(reads: Reads, snapshot: MarketSnapshot, rows: NDArray[np.intp]) -> Indices:
    """Per symbol: the first candle whose anchored history is still kept, in every interval the filter reads.

    A history that begins within the oldest block kept may have been cut there (the exchange gives 1,000 candles at once): candles that
    need that block are not evaluated.
    """
    base = reads.interval
    earliest = np.zeros(len(rows), dtype=np.int64)
    for interval in reads.required:
        frame = snapshot.frame(interval)
        is_cut = (frame.closed_from[rows] > frame.first_index) & (frame.closed_from[rows] < frame.first_index + HISTORY_BLOCK)
        first = frame.first_index + MINIMUM_HISTORY - 1 + HISTORY_BLOCK * is_cut
        # The base candle that is the first to see candle `first` of the other interval closed.
        seen = first if interval is base else -(-(first + 1) * interval.milliseconds // base.milliseconds) - 1
        earliest = np.maximum(earliest, seen)
    return earliest


def _began(frame: Frame, rows: NDArray[np.intp]) -> Indices:
    """Per symbol: where its history begins because there was nothing before, after an outage of the exchange or at its listing; else 0."""
    closed_from = frame.closed_from[rows]
    return np.where(closed_from >= frame.first_index + HISTORY_BLOCK, closed_from, 0)
