"""Looks at the forming candle for a `tick` trader."""

from dataclasses import replace
from datetime import timedelta

import numpy as np

from domain.screening import Progress
from filters.frames import MarketSnapshot
from filters.history import Reads
from workers.looking import Found, Look, Mask, Question, Watched, in_order, match_at


def newly_forming(
    reads: Reads, snapshot: MarketSnapshot, watched: Watched, progress: Progress, as_of_ms: int, *, unready: Mask, age: timedelta
) -> Look[Found]:
    """What newly matches at the candle that forms when the exchange's clock shows `as_of_ms`; `age` is that of the market's data.

    Symbols that are `unready` are left out. They keep their state, and so do those for which the filter fails.
    """
    index = as_of_ms // reads.interval.milliseconds
    evaluation = yield Question(index=index, rows=watched.rows[~unready], as_of=as_of_ms, is_forming=True)
    ready = evaluation.ready[watched.rows] & ~unready
    failed = evaluation.failed[watched.rows] & ready
    told = Found(
        progress=progress,
        processed=len(watched.names),
        not_ready=int((~ready).sum()),
        failed=int(failed.sum()),
        failures=evaluation.failures if failed.any() else (),
    )
    if failed.any() and bool((failed == ready).all()):
        return replace(told, is_stuck=True)
    known = ready & ~failed
    matched = evaluation.matched[watched.rows] & known
    before = np.isin(watched.names, progress.matching)
    now = np.where(known, matched, before)
    new = in_order(np.flatnonzero(matched & ~before).tolist(), evaluation, watched)
    initial = progress.baseline is None
    kept = new if initial else new[: watched.max_matches]
    rows = [int(watched.rows[position]) for position in kept]
    return replace(
        told,
        progress=Progress(
            matching=tuple(name for name, holds in zip(watched.names, now, strict=True) if holds),
            baseline=index if initial else progress.baseline,
            evaluated=index,
        ),
        matches=tuple(match_at(snapshot, reads.interval, index, evaluation, row, initial=initial, late=False, age=age) for row in rows),
        dropped=len(new) - len(kept),
        candles=1,
        newest=index,
        conditions=evaluation.condition_counts(watched.rows),
    )
