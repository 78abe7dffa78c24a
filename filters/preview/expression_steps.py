"""An expression over past candles: the engine's own nodes and anchors, a block of candles at a time.

All candles of a block share an anchor, so one computation from the anchor gives each of them what it had when it was the newest.
"""

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from domain.filters import FailureKind, FilterFailure
from domain.market import HISTORY_BLOCK, MINIMUM_HISTORY, history_anchor
from filters.bounded_cache import BoundedCache
from filters.expression import CompiledFilter
from filters.expression.calculation import Calculation
from filters.expression.calls import ColumnFailed, ColumnKey, Columns
from filters.expression.kernels import POINTWISE, Array
from filters.expression.nodes import Aligned, Constant, Node, Pointwise, Ticker
from filters.held import HeldFrame, HeldSnapshot, HeldTickers
from filters.history import Moment, closed_moment
from filters.outcome import HOLDS
from filters.preview.outcomes import Cells, Described, Outcome, Outcomes, Step
from filters.preview.past_candles import PastCandles, seen_at
from filters.preview.rolling_ticker import RollingTicker
from filters.preview.runs import Group, groups
from filters.preview.segments import Segment, segments

SYMBOLS_AT_ONCE = 64
"""So that the matrices of a block stay in the processor's cache."""
_COLUMN_BYTES = 64 * 2**20
_LONGEST = MINIMUM_HISTORY + HISTORY_BLOCK - 1


class PastCalculation(Calculation):
    """A calculation whose ticker has a past.

    Only pointwise arithmetic may read the ticker. Where it does so beside another interval's candles, both are looked at from the
    trader's own candles: the ticker is on no grid.
    """

    def __init__(self, moment: Moment, columns: Columns, ticker: RollingTicker | None) -> None:
        super().__init__(moment, {}, columns)
        self._base = moment.base
        self._ticker = ticker

    def over(self, node: Node, first: int, last: int) -> Array:
        """As ever; the ticker's values too."""
        if isinstance(node, Ticker):
            assert self._ticker is not None, "a filter that reads the ticker is live"
            return self._ticker.over(node.field, first, last)
        if isinstance(node, Aligned) and node.is_live:
            return self._from_base(node.argument, first, last)
        return super().over(node, first, last)

    def _from_base(self, node: Node, first: int, last: int) -> Array:
        if isinstance(node, Pointwise) and node.is_live:
            return POINTWISE[node.kernel](*(self._from_base(argument, first, last) for argument in node.arguments))
        if isinstance(node, Constant):
            return self.at(node, first)
        if node.interval is None:
            return self.over(node, first, last)
        seen = seen_at(node.interval, self._base, np.arange(first, last + 1))
        return self.over(node, int(seen[0]), int(seen[-1]))[:, seen - seen[0]]


def expression_steps(compiled: CompiledFilter, candles: PastCandles, first: int, last: int) -> Iterator[Step]:
    """Every symbol at candles `first` to `last` of the filter's interval, each of which must have its whole history in `candles`."""
    for begin in range(0, len(candles.symbols), SYMBOLS_AT_ONCE):
        rows = range(begin, min(begin + SYMBOLS_AT_ONCE, len(candles.symbols)))
        for group in groups(candles, tuple(compiled.required), rows):
            columns: Columns = BoundedCache(_COLUMN_BYTES)
            for segment in segments(compiled.interval, first, last, group):
                block = _Block(compiled, candles, group, segment)
                columns.discard(block.is_past)  # so that their memory serves again: new pages cost as much as an indicator
                yield block.step(columns)


class _Block:
    """The symbols of a group at the candles of a segment."""

    def __init__(self, compiled: CompiledFilter, candles: PastCandles, group: Group, segment: Segment) -> None:
        self._began = time.thread_time()
        self._compiled = compiled
        self._candles = candles
        self._group = group
        self._segment = segment
        self._rows = _as_slice(group.rows)
        self._snapshot = self._frames()
        self._moment = closed_moment(self._snapshot, compiled.interval, compiled.required, segment.last)

    def is_past(self, key: ColumnKey) -> bool:
        """Whether a column was computed from another history than this block's."""
        return any(stamp != self._moment.histories[stamp.interval].stamp for stamp in key[1])

    def step(self, columns: Columns) -> Step:
        """Evaluate it; `columns` are shared between the blocks of a group."""
        ready = self._ready()
        outcome: Outcomes = ready.astype(np.uint8)
        failures: tuple[FilterFailure, ...] = ()
        calculation = None
        if ready.any():
            calculation = self._calculation(columns)
            try:
                holds = self._over(calculation, self._compiled.match) == HOLDS
                outcome[holds & ready] = Outcome.MATCHED
            except ColumnFailed as failed:
                outcome[ready] = Outcome.FAILED
                failures = (self._failure(failed, int(np.count_nonzero(ready))),)
        return Step(
            rows=self._group.rows,
            first=self._segment.first,
            outcome=outcome,
            describe=lambda cells: self._describe(calculation, cells),
            failures=failures,
            busy=time.thread_time() - self._began,
        )

    def _over(self, calculation: Calculation, node: Node) -> Array:
        with np.errstate(all="ignore"):
            return calculation.over(node, self._segment.first, self._segment.last)

    def _describe(self, calculation: Calculation | None, cells: Cells) -> Described:
        assert calculation is not None, "only a ready symbol matches"
        return Described(
            labelled={label: self._over(calculation, node)[cells] for label, node in self._compiled.conditions.items()},
            series={name: self._over(calculation, node)[cells] for name, node in self._compiled.series.items()},
        )

    def _failure(self, failed: ColumnFailed, evaluations: int) -> FilterFailure:
        return FilterFailure(
            kind=FailureKind.RUNTIME,
            message=str(failed),
            line=self._compiled.lines.get(failed.node),
            symbol=self._candles.symbols[int(self._group.rows[0])],
            symbols=evaluations,
        )

    def _calculation(self, columns: Columns) -> Calculation:
        past, segment = self._candles.of(self._compiled.interval), self._segment
        ticker = RollingTicker(past, self._rows, segment.first, segment.last) if self._compiled.is_live else None
        return PastCalculation(self._moment, columns, ticker)

    def _frames(self) -> HeldSnapshot:
        base = self._compiled.interval
        frames = {}
        for interval in self._compiled.required:
            past, runs = self._candles.of(interval), self._group.runs[interval]
            seen = int(seen_at(interval, base, np.array([self._segment.first]))[0])
            anchor, run = history_anchor(seen), runs.number_at(seen)
            columns = past.window(self._rows, anchor, max(anchor, min(anchor + _LONGEST, past.end_index) - 1))
            frames[interval] = HeldFrame(
                interval, anchor, version=run, columns=columns, closed_from=runs.begin[run], closed_through=runs.end[run]
            )
        symbols = tuple(self._candles.symbols[row] for row in self._group.rows)
        # of the past no ticker is known: RollingTicker stands in
        return HeldSnapshot(symbols=symbols, seq=0, tickers=HeldTickers({}), frames=frames)

    def _ready(self) -> NDArray[np.bool_]:
        """Per symbol and candle: whether every history is complete."""
        indices = np.arange(self._segment.first, self._segment.last + 1)
        ready = np.ones((len(self._group.rows), len(indices)), dtype=np.bool_)
        for interval, needed in self._compiled.required.items():
            frame = self._snapshot.frames[interval]
            seen = seen_at(interval, self._compiled.interval, indices)
            if frame.closed_from.max() <= frame.first_index and frame.closed_through.min() >= seen[-1]:
                continue  # as nearly always: every symbol has all of it
            begin, end = frame.closed_from[:, np.newaxis], frame.closed_through[:, np.newaxis]
            ready &= (begin <= seen) & (seen <= end)
            ready &= (begin <= frame.first_index) | (seen - begin + 1 >= needed)
        return ready


def _as_slice(rows: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Neighbouring rows as a slice, which copies nothing."""
    return slice(int(rows[0]), int(rows[-1]) + 1) if int(rows[-1]) - int(rows[0]) + 1 == len(rows) else rows
