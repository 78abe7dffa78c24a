"""Evaluates every candle that closed since a `close` trader last looked, each once per symbol, in order."""

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from domain.market import HISTORY_BLOCK, KEPT_CANDLES, MINIMUM_HISTORY, from_epoch_milliseconds
from domain.screening import Match, Progress
from filters.evaluation import Evaluator
from filters.expression import CompiledFilter
from filters.frames import Frame, MarketSnapshot
from filters.outcome import Evaluation

MATCHES_PER_TICK = 200
"""A tick that found this many matches comes back before it goes on with later candles, so that results stay small in history."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What a trader looks at: the rows of its symbols, and how many new matches of one candle it may report."""

    rows: NDArray[np.intp]
    names: tuple[str, ...]
    max_matches: int
    late_after: timedelta


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the newly closed candles brought. `candles` zero: nothing had closed."""

    progress: Progress
    matches: tuple[Match, ...] = ()
    dropped: int = 0
    candles: int = 0
    missed: int = 0
    waiting_for: int = 0
    """Symbols whose history is being restored, for which everything waits."""
    newest: int | None = None
    processed: int = 0
    not_ready: int = 0
    conditions: dict[str, int] | None = None
    looked_at: NDArray[np.bool_] | None = None
    """Per symbol watched: whether the newest candle was evaluated for it."""


def evaluate_newly_closed(
    evaluator: Evaluator,
    compiled: CompiledFilter,
    snapshot: MarketSnapshot,
    watched: Watched,
    progress: Progress,
    as_of_ms: int,
    *,
    settling: int | None = None,
    is_restoring: bool = False,
) -> Found:
    """All candles after `progress` that can be evaluated, oldest first, each symbol as far as its own candles reach.

    Left for later: candle `settling`, which only some symbols have yet; and everything while the replica `is_restoring` the history of
    symbols that were evaluated before. So a candle is evaluated for all symbols together, and the limit on its matches does not depend
    on the order in which they arrive.
    """
    through = evaluator.evaluable_through(compiled, snapshot)[watched.rows]
    lost = int(np.count_nonzero(through < 0))
    if is_restoring and lost and progress.evaluated is not None:
        return Found(progress=progress, waiting_for=lost)
    if settling is not None:
        through = np.minimum(through, settling - 1)
    newest = int(through.max(initial=-1))
    if newest < 0:
        return Found(progress=progress)
    if progress.evaluated is None:
        progress = replace(progress, baseline=newest, evaluated=newest - 1)
    last = _last_evaluated(watched.names, progress)
    pending = through > last
    if not pending.any():
        return Found(progress=progress)
    earliest = _earliest_evaluable(compiled, snapshot, watched.rows)
    last = np.where(pending, np.maximum(last, _began(snapshot.frame(compiled.interval), watched.rows) - 1), last)
    missed = int(np.clip(earliest - 1 - last, 0, None)[pending].max())
    last = np.where(pending, np.maximum(last, earliest - 1), last)
    return _Walk(evaluator, compiled, snapshot, watched, progress, as_of_ms).over(last, through, missed)


class _Walk:
    """From candle to candle."""

    def __init__(
        self,
        evaluator: Evaluator,
        compiled: CompiledFilter,
        snapshot: MarketSnapshot,
        watched: Watched,
        progress: Progress,
        as_of_ms: int,
    ) -> None:
        self._evaluator = evaluator
        self._compiled = compiled
        self._snapshot = snapshot
        self._watched = watched
        self._progress = progress
        self._as_of_ms = as_of_ms
        matching = set(progress.matching)
        self._matching = np.array([name in matching for name in watched.names], dtype=np.bool_)
        self._matches: list[Match] = []
        self._dropped = 0

    def over(self, last: NDArray[np.int64], through: NDArray[np.int64], missed: int) -> Found:
        pending = through > last
        candles = not_ready = 0
        evaluation, looked_at = None, np.zeros_like(pending)
        for index in range(int(last[pending].min()) + 1, int(through.max()) + 1):
            due = (last < index) & (through >= index)
            if not due.any():
                continue
            evaluation = self._evaluator.evaluate_closed(self._compiled, self._snapshot, index)
            not_ready = self._take(evaluation, index, due)
            last[due] = index
            candles, looked_at = candles + 1, due
            if sum(not match.initial for match in self._matches) >= MATCHES_PER_TICK:
                break
        newest = int(last.max())
        return Found(
            progress=replace(
                self._progress,
                matching=tuple(name for name, holds in zip(self._watched.names, self._matching, strict=True) if holds),
                evaluated=newest,
                behind=_behind(self._watched.names, last, newest),
            ),
            matches=tuple(self._matches),
            dropped=self._dropped,
            candles=candles,
            missed=missed,
            newest=newest,
            processed=int(looked_at.sum()),
            not_ready=not_ready,
            conditions=evaluation.condition_counts() if evaluation else None,
            looked_at=looked_at,
        )

    def _take(self, evaluation: Evaluation, index: int, due: NDArray[np.bool_]) -> int:
        """Compare one candle with what matched before; how many of the symbols due were not ready."""
        ready = evaluation.ready[self._watched.rows] & due
        matched = evaluation.matched[self._watched.rows] & ready
        new = np.flatnonzero(matched & ~self._matching)
        self._matching[ready] = matched[ready]  # a symbol that is not ready keeps its state
        volume = evaluation.quote_volume_24h[self._watched.rows]
        ordered = sorted(new.tolist(), key=lambda position: (-_or_zero(float(volume[position])), self._watched.names[position]))
        initial = index == self._progress.baseline
        kept = ordered if initial else ordered[: self._watched.max_matches]
        self._dropped += len(ordered) - len(kept)
        self._matches.extend(self._match(evaluation, position, index, initial=initial) for position in kept)
        return int(due.sum() - ready.sum())

    def _match(self, evaluation: Evaluation, position: int, index: int, *, initial: bool) -> Match:
        interval = self._compiled.interval
        row = int(self._watched.rows[position])
        age = timedelta(milliseconds=max(0, self._as_of_ms - (index + 1) * interval.milliseconds))
        frame = self._snapshot.frame(interval)
        return match_of(
            self._snapshot,
            row,
            evaluation,
            index=index,
            price=float(frame.columns["close"][row, index - frame.first_index]),
            milliseconds=interval.milliseconds,
            initial=initial,
            late=age > self._watched.late_after,
            age=age,
        )


def match_of(
    snapshot: MarketSnapshot,
    row: int,
    evaluation: Evaluation,
    *,
    index: int,
    price: float,
    milliseconds: int,
    initial: bool,
    late: bool,
    age: timedelta,
) -> Match:
    """One symbol's match at one candle, with the ticker of this moment."""
    tickers = snapshot.tickers.columns
    return Match(
        symbol=snapshot.symbols[row],
        candle_index=index,
        candle_open_time=from_epoch_milliseconds(index * milliseconds),
        price=Decimal(repr(price)),
        change_percent=_or_zero(float(tickers["change_percent"][row])),
        quote_volume=_or_zero(float(tickers["quote_volume"][row])),
        conditions=evaluation.conditions(row),
        values=evaluation.values(row),
        initial=initial,
        late=late,
        data_age=age,
        snapshot_seq=snapshot.seq,
    )


def _last_evaluated(names: tuple[str, ...], progress: Progress) -> NDArray[np.int64]:
    behind = progress.behind
    return np.array([behind.get(name, progress.evaluated) for name in names], dtype=np.int64)


def _behind(names: tuple[str, ...], last: NDArray[np.int64], newest: int) -> dict[str, int]:
    """Symbols whose candles are late. One that is further behind than candles are kept has nothing left to catch up with."""
    late = np.flatnonzero((last < newest) & (last >= newest - KEPT_CANDLES))
    return {names[position]: int(last[position]) for position in late.tolist()}


def _earliest_evaluable(compiled: CompiledFilter, snapshot: MarketSnapshot, rows: NDArray[np.intp]) -> NDArray[np.int64]:
    """Per symbol: the first candle whose anchored history is still kept, in every interval the filter reads.

    A history that begins within the oldest block kept may have been cut there (the exchange gives 1,000 candles at once): candles that
    need that block are not evaluated.
    """
    base = compiled.interval
    earliest = np.zeros(len(rows), dtype=np.int64)
    for interval in compiled.required:
        frame = snapshot.frame(interval)
        is_cut = (frame.closed_from[rows] > frame.first_index) & (frame.closed_from[rows] < frame.first_index + HISTORY_BLOCK)
        first = frame.first_index + MINIMUM_HISTORY - 1 + HISTORY_BLOCK * is_cut
        # The base candle that is the first to see candle `first` of the other interval closed.
        seen = first if interval is base else -(-(first + 1) * interval.milliseconds // base.milliseconds) - 1
        earliest = np.maximum(earliest, seen)
    return earliest


def _began(frame: Frame, rows: NDArray[np.intp]) -> NDArray[np.int64]:
    """Per symbol: where its history begins because there was nothing before, after an outage of the exchange or at its listing; else 0."""
    closed_from = frame.closed_from[rows]
    return np.where(closed_from >= frame.first_index + HISTORY_BLOCK, closed_from, 0)


def _or_zero(value: float) -> float:
    return value if np.isfinite(value) else 0.0
