"""Evaluates compiled filters over a snapshot of the market, sharing all work between traders.

Deterministic: the result at a closed candle depends on the candles of its history alone (and on the ticker where the filter reads
it), not on when, in what order or beside which other filters it is evaluated. A filter that fails is an outcome, not an exception.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from domain.filters import FailureKind, FilterFailure
from domain.market import Interval
from filters.bounded_cache import BoundedCache
from filters.expression.calculation import Calculation, ColumnFailed, Columns, Vectors
from filters.expression.compiled import CompiledFilter
from filters.frames import MarketSnapshot
from filters.history import Moment, Stamp, closed_moment, forming_moment
from filters.outcome import HOLDS, Evaluation

COLUMN_BYTES = 256 * 2**20
"""Indicator columns kept for all traders together."""
MOMENT_BYTES = 64 * 2**20
"""Values and results kept of the candles evaluated last."""


@dataclass
class _Shelf:
    """What is known of one moment."""

    vectors: Vectors = field(default_factory=dict)
    results: dict[str, Evaluation] = field(default_factory=dict)
    close: NDArray[np.float64] | None = None
    quote_volume_24h: NDArray[np.float64] | None = None

    def size(self, rows: int) -> int:
        """An upper bound of its bytes."""
        results = sum(2 + 1 + len(result.labelled) + len(result.series) for result in self.results.values())
        return 8 * rows * (2 + len(self.vectors) + results)


class Evaluator:
    """Evaluates filters one after the other; belongs to one thread.

    Holds at most COLUMN_BYTES of columns and MOMENT_BYTES of values, and nothing computed from data that has been superseded.
    """

    def __init__(self, column_bytes: int = COLUMN_BYTES, moment_bytes: int = MOMENT_BYTES) -> None:
        self._columns: Columns = BoundedCache(column_bytes)
        self._shelves: BoundedCache[tuple[Interval, int, int, tuple[Stamp, ...]], _Shelf] = BoundedCache(moment_bytes)
        self._versions: dict[tuple[Interval, bool], int] = {}

    def evaluate_closed(self, compiled: CompiledFilter, snapshot: MarketSnapshot, index: int) -> Evaluation:
        """Every symbol at closed candle `index` of the filter's interval."""
        moment = closed_moment(snapshot, compiled.interval, compiled.required, index)
        return self._evaluate(compiled, moment, snapshot.seq if compiled.is_live else -1)

    def evaluate_forming(self, compiled: CompiledFilter, snapshot: MarketSnapshot, as_of: int) -> Evaluation:
        """Every symbol at the candle that forms when the exchange's clock shows `as_of`, epoch milliseconds."""
        moment = forming_moment(snapshot, compiled.interval, compiled.required, as_of)
        return self._evaluate(compiled, moment, snapshot.seq)

    def _evaluate(self, compiled: CompiledFilter, moment: Moment, seq: int) -> Evaluation:
        if not moment.is_kept:
            return _nothing(compiled, moment.rows)
        stamps = moment.stamp(compiled.required)
        self._retire(stamps)
        key = (moment.base, moment.index, seq, stamps)
        shelf = self._shelves.get(key) or _Shelf()
        result = shelf.results.get(compiled.key)
        if result is None:
            result = shelf.results[compiled.key] = self._result(compiled, moment, shelf)
            self._shelves.put(key, shelf, shelf.size(moment.rows))
        return result

    def _result(self, compiled: CompiledFilter, moment: Moment, shelf: _Shelf) -> Evaluation:
        ready = moment.ready(compiled.required)
        if shelf.close is None or shelf.quote_volume_24h is None:
            shelf.close, shelf.quote_volume_24h = moment.close(), moment.quote_volume_24h()
        calculation = Calculation(moment, shelf.vectors, self._columns)
        try:
            with np.errstate(all="ignore"):
                return Evaluation(
                    ready=ready,
                    failed=np.zeros(moment.rows, dtype=np.bool_),
                    matched=(calculation.now(compiled.match) == HOLDS) & ready,
                    close=shelf.close,
                    quote_volume_24h=shelf.quote_volume_24h,
                    labelled={label: calculation.now(node) for label, node in compiled.conditions.items()},
                    series={name: calculation.now(node) for name, node in compiled.series.items()},
                )
        except ColumnFailed as failed:
            failure = FilterFailure(
                kind=FailureKind.RUNTIME,
                message=str(failed),
                line=compiled.lines.get(failed.node),
                symbols=int(np.count_nonzero(ready)),
            )
            return Evaluation(
                ready=ready,
                failed=ready,
                matched=np.zeros(moment.rows, dtype=np.bool_),
                close=shelf.close,
                quote_volume_24h=shelf.quote_volume_24h,
                failures=(failure,) if ready.any() else (),
            )

    def _retire(self, stamps: tuple[Stamp, ...]) -> None:
        """Forget what was computed from data that has a newer version now."""
        changed = False
        for stamp in stamps:
            kind = (stamp.interval, stamp.is_forming)
            changed |= self._versions.get(kind) != stamp.version
            self._versions[kind] = stamp.version
        if changed:
            self._columns.discard(lambda key: self._is_superseded(key[1]))
            self._shelves.discard(lambda key: self._is_superseded(key[3]))

    def _is_superseded(self, stamps: tuple[Stamp, ...]) -> bool:
        return any(self._versions.get((stamp.interval, stamp.is_forming)) != stamp.version for stamp in stamps)


def _nothing(compiled: CompiledFilter, rows: int) -> Evaluation:
    """No symbol is ready."""
    no = np.zeros(rows, dtype=np.bool_)
    unknown = np.zeros(rows, dtype=np.int8)
    empty = np.full(rows, np.nan)
    return Evaluation(
        ready=no,
        failed=no,
        matched=no,
        close=empty,
        quote_volume_24h=np.zeros(rows),
        labelled=dict.fromkeys(compiled.conditions, unknown),
        series=dict.fromkeys(compiled.series, empty),
    )
