"""Evaluates nodes at a moment. One candle's values are computed as vectors, from columns that every candle of a block shares."""

from collections.abc import Callable, Mapping
from typing import cast

import numpy as np
from numpy.typing import NDArray

from domain.market import Interval
from filters.bounded_cache import BoundedCache
from filters.expression.calls import Calls, Columns, is_dear, never, size_of
from filters.expression.kernels import POINTWISE, UNKNOWN, WINDOWED, Array, Values
from filters.expression.nodes import Aligned, Candles, Clock, Column, Constant, Node, Pointwise, Shifted, Ticker, Window, Windowed
from filters.history import Moment

Vectors = dict[tuple[str, int], Array]

NEWEST = 32
"""Nearly all filters look at the last few candles of an indicator only. These are kept by themselves, for a twentieth of the memory:
whole columns can go then, and do not have to be computed again at the same candle."""
MATRIX_BYTES = 128 * 2**20
"""Of values over several candles that one evaluation keeps for itself."""


class Calculation:
    """Values of nodes at one moment. `vectors` remembers what was computed at it, `columns` what later moments can use too.

    Raises TurnOver once `is_over` says so, see Calls.
    """

    def __init__(self, moment: Moment, vectors: Vectors, columns: Columns, is_over: Callable[[], bool] = never) -> None:
        self._moment = moment
        self._vectors = vectors
        self._columns = columns
        self._calls = Calls(moment, columns, is_over)
        self._matrices: BoundedCache[str, tuple[int, Array]] = BoundedCache(MATRIX_BYTES)
        self.added = 0
        """Bytes of what this calculation has added to `vectors`."""

    def now(self, node: Node) -> Array:
        """The node's values at the moment's candle, one per symbol."""
        values = self.at(node, self._moment.index)
        return values if values.ndim else np.broadcast_to(values, (self._moment.rows,))

    def at(self, node: Node, index: int) -> Array:
        """The values at candle `index` of the node's grid, one per symbol."""
        key = (node.key, index)
        found = self._vectors.get(key)
        if found is None:
            found = self._vectors[key] = self._AT[type(node)](self, node, index)
            self.added += found.nbytes
        return found

    def over(self, node: Node, first: int, last: int) -> Array:
        """The values from candle `first` to `last` of the node's grid, [symbol x candle]; NaN or unknown outside the history."""
        interval = node.interval or self._moment.base
        history = self._moment.histories[interval]
        begin, end = max(first, history.anchor), min(last, history.end)
        if end < begin:
            return self._nothing(node, last - first + 1)
        inner = self._inner(node, begin, end)
        if (begin, end) == (first, last):
            return inner
        outer = self._nothing(node, last - first + 1)
        outer[:, begin - first : end - first + 1] = inner
        return outer

    def _inner(self, node: Node, first: int, last: int) -> Array:
        """The values within the history. A part that several others need is computed for all the candles they have asked for together:
        else windows of windows would take twice as long with each level."""
        if isinstance(node, Candles | Column | Constant | Clock):
            values: Array = self._OVER[type(node)](self, node, first, last)
            return values
        begin, known = self._matrices.get(node.key) or (first, None)
        if known is None or first < begin or last >= begin + known.shape[1]:
            end = last if known is None else max(last, begin + known.shape[1] - 1)
            begin = min(first, begin)
            known = self._OVER[type(node)](self, node, begin, end)
            self._matrices.put(node.key, (begin, known), known.nbytes)
        return known[:, first - begin : last + 1 - begin]

    def _nothing(self, node: Node, width: int) -> Array:
        shape = (self._moment.rows, width)
        return np.full(shape, UNKNOWN, dtype=np.int8) if node.is_condition else np.full(shape, np.nan)

    # At one candle

    def _constant_at(self, node: Constant, index: int) -> Array:  # noqa: ARG002
        return cast("Array", np.float64(node.value))  # a number stands for any shape

    def _candles_at(self, node: Candles, index: int) -> Array:
        assert node.interval is not None
        return self._moment.histories[node.interval].vector(node.column, index)

    def _clock_at(self, node: Clock, index: int) -> Array:  # noqa: ARG002
        return cast("Array", np.float64(index))

    def _ticker_at(self, node: Ticker, index: int) -> Array:  # noqa: ARG002
        return self._moment.tickers[node.field].copy()

    def _pointwise_at(self, node: Pointwise, index: int) -> Array:
        return POINTWISE[node.kernel](*[self.at(argument, index) for argument in node.arguments])

    def _shifted_at(self, node: Shifted, index: int) -> Array:
        return self.at(node.argument, index - node.candles)

    def _windowed_at(self, node: Windowed, index: int) -> Array:
        return self._calls.window(lambda: self._windowed_over(node, index, index))[:, 0]

    def _aligned_at(self, node: Aligned, index: int) -> Array:
        return self.at(node.argument, self._moment.aligned(self._grid(node), index))

    def _column_at(self, node: Column, index: int) -> Array:
        interval = node.interval
        assert interval is not None
        history = self._moment.histories[interval]
        if not history.anchor <= index <= history.end:
            return self._nothing(node, 1)[:, 0]
        if index > history.end - NEWEST:
            values: Array = self._newest(node, interval)[node.output][index - history.end - 1]
            return values
        return self._column(node, interval)[node.output][:, index - history.anchor].copy()

    def _window_at(self, node: Window, index: int) -> Array:
        wanted = (f"{node.call} {node.output}", index)
        if wanted not in self._vectors:
            for place, output in enumerate(self._windows(node, index, index)):
                self._vectors[f"{node.call} {place}", index] = output[:, 0]
                self.added += output.nbytes
        return self._vectors[wanted]

    # Over a range of candles within the history

    def _constant_over(self, node: Constant, first: int, last: int) -> Array:
        return np.full((self._moment.rows, last - first + 1), node.value)

    def _candles_over(self, node: Candles, first: int, last: int) -> Array:
        assert node.interval is not None
        return self._moment.histories[node.interval].matrix(node.column, first, last)

    def _clock_over(self, node: Clock, first: int, last: int) -> Array:  # noqa: ARG002
        return np.broadcast_to(np.arange(first, last + 1, dtype=np.float64), (self._moment.rows, last - first + 1))

    def _pointwise_over(self, node: Pointwise, first: int, last: int) -> Array:
        return POINTWISE[node.kernel](*[self._operand(argument, first, last) for argument in node.arguments])

    def _operand(self, node: Node, first: int, last: int) -> Array:
        return self.at(node, first) if isinstance(node, Constant) else self.over(node, first, last)

    def _shifted_over(self, node: Shifted, first: int, last: int) -> Array:
        return self.over(node.argument, first - node.candles, last - node.candles)

    def _windowed_over(self, node: Windowed, first: int, last: int) -> Array:
        return WINDOWED[node.kernel](self.over(node.argument, first - node.candles + 1, last), node.candles)

    def _aligned_over(self, node: Aligned, first: int, last: int) -> Array:
        other = self._grid(node)
        seen = np.array([self._moment.aligned(other, index) for index in range(first, last + 1)])
        history = self._moment.histories[other]
        inside = (seen >= history.anchor) & (seen <= history.end)
        values = self._nothing(node, last - first + 1)
        if inside.any():
            columns = seen[inside]
            values[:, inside] = self.over(node.argument, columns[0], columns[-1])[:, columns - columns[0]]
        return values

    def _window_over(self, node: Window, first: int, last: int) -> Array:
        return self._windows(node, first, last)[node.output]

    def _windows(self, node: Window, first: int, last: int) -> tuple[Values, ...]:
        """Every output of the node's call."""
        return self._called(node, first - node.candles + 1, last)

    def _column_over(self, node: Column, first: int, last: int) -> Array:
        assert node.interval is not None
        history = self._moment.histories[node.interval]
        if first > history.end - NEWEST:
            newest = self._newest(node, node.interval)[node.output]
            return newest[first - history.end - 1 + len(newest) : last - history.end + len(newest)].T
        return self._column(node, node.interval)[node.output][:, first - history.anchor : last + 1 - history.anchor]

    def _newest(self, node: Column, interval: Interval) -> tuple[Values, ...]:
        """Every output of the node's call for the last NEWEST candles of the history, [candle x symbol]."""
        key = (f"{node.call} newest", self._moment.stamp(node.needs))
        found = self._columns.get(key)
        if found is None:
            found = tuple(output[:, -NEWEST:].T.copy() for output in self._column(node, interval))
            self._columns.put(key, found, size_of(found))
        return found

    def _column(self, node: Column, interval: Interval) -> tuple[Values, ...]:
        """Every output of the node's call, from the anchor to the end of the history."""
        if self._moment.is_forming and node.function.is_by_symbol and set(node.needs) == {interval} and not is_dear(node):
            return self._forming_column(node, interval)
        key = (node.call, self._moment.stamp(node.needs))
        found = self._columns.get(key)
        if found is None:
            history = self._moment.histories[interval]
            found = self._called(node, history.anchor, history.end)
            self._columns.put(key, found, size_of(found))
        return found

    def _forming_column(self, node: Column, interval: Interval) -> tuple[Values, ...]:
        """As `_column`: between two closes only forming candles change, and it is computed anew for symbols whose candle did."""
        history = self._moment.histories[interval]
        same = np.array([history.frame.version, history.anchor, history.last, self._moment.rows], dtype=np.float64)
        candles = self._forming_candles(interval)
        key = (f"{node.call} forming", ())
        known = self._columns.get(key)
        if known is None or not np.array_equal(known[0], same):
            outputs = self._called(node, history.anchor, history.end)
        else:
            outputs = known[2:]
            moved = np.flatnonzero(_differ(known[1], candles).any(axis=0))
            if moved.size:
                for output, values in zip(outputs, self._called(node, history.anchor, history.end, moved), strict=True):
                    output[moved] = values
        kept = (same, candles, *outputs)
        self._columns.put(key, kept, size_of(kept))
        return outputs

    def _forming_candles(self, interval: Interval) -> Array:
        """The interval's newest candle, [column x symbol]."""
        history = self._moment.histories[interval]
        key = (f"forming {interval}", history.last)
        if key not in self._vectors:
            place = history.last - history.frame.first_index
            self._vectors[key] = np.stack([values[:, place] for values in history.frame.columns.values()])
            self.added += self._vectors[key].nbytes
        return self._vectors[key]

    def _called(self, node: Column | Window, first: int, last: int, rows: NDArray[np.intp] | None = None) -> tuple[Values, ...]:
        """Every output of the node's function over these candles, for these rows or all."""

        def inputs() -> list[Array]:
            values = [self.over(argument, first, last) for argument in node.arguments]
            return values if rows is None else [each[rows] for each in values]

        return self._calls.outputs(node, inputs)

    @staticmethod
    def _grid(node: Aligned) -> Interval:
        assert node.argument.interval is not None
        return node.argument.interval

    _AT: Mapping[type[Node], Callable[..., Array]] = {
        Constant: _constant_at,
        Candles: _candles_at,
        Clock: _clock_at,
        Ticker: _ticker_at,
        Pointwise: _pointwise_at,
        Shifted: _shifted_at,
        Windowed: _windowed_at,
        Aligned: _aligned_at,
        Column: _column_at,
        Window: _window_at,
    }
    _OVER: Mapping[type[Node], Callable[..., Array]] = {
        Constant: _constant_over,
        Candles: _candles_over,
        Clock: _clock_over,
        Pointwise: _pointwise_over,
        Shifted: _shifted_over,
        Windowed: _windowed_over,
        Aligned: _aligned_over,
        Column: _column_over,
        Window: _window_over,
    }


def _differ(one: Array, other: Array) -> NDArray[np.bool_]:
    differ: NDArray[np.bool_] = (one != other) & ~(np.isnan(one) & np.isnan(other))
    return differ
