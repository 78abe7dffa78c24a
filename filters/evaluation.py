"""Evaluates compiled filters over a snapshot of the market, sharing all work between traders.

Deterministic: the result at a closed candle depends on the candles of its history alone (and on the ticker where the filter reads
it), not on when, in what order or beside which other filters it is evaluated. A filter that fails is an outcome, not an exception.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from domain.filters import FailureKind, FilterFailure
from domain.market import Interval
from filters.bounded_cache import BoundedCache
from filters.expression.calculation import Calculation, Vectors
from filters.expression.calls import ColumnFailed, Columns, never
from filters.expression.compiled import CompiledFilter
from filters.frames import MarketSnapshot
from filters.history import Moment, closed_moment, forming_moment
from filters.outcome import HOLDS, Evaluation

COLUMN_BYTES = 256 * 2**20
"""Indicator columns kept for all traders together."""
MOMENT_BYTES = 64 * 2**20
"""Values and results kept of the candles evaluated last."""


Counted = TypeVar("Counted", NDArray[np.bool_], NDArray[np.float64])

_RESULT_BYTES = 1_000
"""About what a result takes besides its arrays."""

Versions = tuple[tuple[Interval, bool, int], ...]
"""Interval, whether its forming candle is seen, and the version of its data, for each that a filter reads."""
ShelfKey = tuple[Interval, int, int, int, Versions]
"""What a result depends on besides the filter: the trader's interval, the newest candle seen, the sequence number where the ticker is read,
rows and versions."""


class _Shelf:
    """What is known of one moment."""

    def __init__(self, moment: Moment) -> None:
        self.moment = moment
        self.is_kept = moment.is_kept
        self.vectors: Vectors = {}
        self.results: dict[str, Evaluation] = {}
        self.size = 0
        """An upper bound of its bytes."""
        self._ready: dict[tuple[tuple[Interval, int], ...], NDArray[np.bool_]] = {}

    @cached_property
    def close(self) -> NDArray[np.float64]:
        return self._counted(self.moment.close())

    @cached_property
    def quote_volume_24h(self) -> NDArray[np.float64]:
        return self._counted(self.moment.quote_volume_24h())

    @cached_property
    def nobody(self) -> NDArray[np.bool_]:
        """No symbol."""
        return self._counted(np.zeros(self.moment.rows, dtype=np.bool_))

    def ready(self, required: Mapping[Interval, int]) -> NDArray[np.bool_]:
        """Per symbol: whether every history is complete."""
        key = tuple(required.items())
        found = self._ready.get(key)
        if found is None:
            found = self._ready[key] = self._counted(self.moment.ready(required))
        return found

    def _counted(self, values: Counted) -> Counted:
        self.size += values.nbytes
        return values


class Evaluator:
    """Evaluates filters one after the other; belongs to one thread.

    Holds at most COLUMN_BYTES of columns and MOMENT_BYTES of values, and nothing computed from data that has been superseded. Where
    `is_over` says that it is another's turn, TurnOver is raised; the same evaluation goes on from there while its data is not superseded.
    """

    def __init__(self, column_bytes: int = COLUMN_BYTES, moment_bytes: int = MOMENT_BYTES) -> None:
        self._columns: Columns = BoundedCache(column_bytes)
        self._shelves: BoundedCache[ShelfKey, _Shelf] = BoundedCache(moment_bytes)
        self._versions: dict[tuple[Interval, bool], int] = {}

    def evaluate_closed(
        self, compiled: CompiledFilter, snapshot: MarketSnapshot, index: int, is_over: Callable[[], bool] = never
    ) -> Evaluation:
        """Every symbol at closed candle `index` of the filter's interval."""
        base, required = compiled.interval, compiled.required
        versions = tuple((interval, False, snapshot.frame(interval).version) for interval in required)
        key = (base, index, snapshot.seq if compiled.is_live else -1, len(snapshot.symbols), versions)
        shelf = self._shelves.get(key) or self._new_shelf(closed_moment(snapshot, base, required, index), versions)
        return self._evaluate(compiled, shelf, key, is_over)

    def evaluate_forming(
        self, compiled: CompiledFilter, snapshot: MarketSnapshot, as_of: int, is_over: Callable[[], bool] = never
    ) -> Evaluation:
        """Every symbol at the candle that forms when the exchange's clock shows `as_of`, epoch milliseconds."""
        base, required = compiled.interval, compiled.required
        versions = tuple((interval, True, snapshot.seq) for interval in required)
        newest = as_of // min(interval.milliseconds for interval in required)
        key = (base, newest, snapshot.seq, len(snapshot.symbols), versions)
        shelf = self._shelves.get(key) or self._new_shelf(forming_moment(snapshot, base, required, as_of), versions)
        return self._evaluate(compiled, shelf, key, is_over)

    def _evaluate(self, compiled: CompiledFilter, shelf: _Shelf, key: ShelfKey, is_over: Callable[[], bool]) -> Evaluation:
        if not shelf.is_kept:
            return _nothing(compiled, shelf.moment.rows)
        result = shelf.results.get(compiled.key)
        if result is None:
            calculation = Calculation(shelf.moment, shelf.vectors, self._columns, is_over)
            try:
                result = shelf.results[compiled.key] = _result(compiled, shelf, calculation)
                shelf.size += result.matched.nbytes + _RESULT_BYTES
            finally:
                shelf.size += calculation.added
                self._shelves.put(key, shelf, shelf.size)
        return result

    def _new_shelf(self, moment: Moment, versions: Versions) -> _Shelf:
        """A shelf for the moment; what was computed from data that has a newer version now is forgotten."""
        newest = {(interval, is_forming): version for interval, is_forming, version in versions}
        if newest.items() - self._versions.items():
            self._versions |= newest
            self._columns.discard(lambda key: any(self._is_superseded(*stamp[:3]) for stamp in key[1]))
            self._shelves.discard(lambda key: any(self._is_superseded(*version) for version in key[-1]))
        return _Shelf(moment)

    def _is_superseded(self, interval: Interval, is_forming: bool, version: int) -> bool:  # noqa: FBT001 - a stamp's parts
        return self._versions.get((interval, is_forming)) != version


def _result(compiled: CompiledFilter, shelf: _Shelf, calculation: Calculation) -> Evaluation:
    ready = shelf.ready(compiled.required)
    try:
        with np.errstate(all="ignore"):
            return Evaluation(
                ready=ready,
                failed=shelf.nobody,
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
            matched=shelf.nobody,
            close=shelf.close,
            quote_volume_24h=shelf.quote_volume_24h,
            failures=(failure,) if ready.any() else (),
        )


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
