"""Calls functions of the history and of windows, in turns where others wait."""

from collections.abc import Callable

import numpy as np

from filters.bounded_cache import BoundedCache
from filters.expression.cost import microseconds_of
from filters.expression.kernels import Array, Values
from filters.expression.nodes import Column, Window
from filters.history import Moment, Stamp

ColumnKey = tuple[str, tuple[Stamp, ...]]
Columns = BoundedCache[ColumnKey, tuple[Values, ...]]

DEAR = 20_000
"""Microseconds. A function that takes longer is computed some symbols at a time."""
SYMBOLS_A_TURN = 32


class ColumnFailed(Exception):  # noqa: N818 - the evaluator turns it into an outcome
    """A function raised; `node` is its key."""

    def __init__(self, node: str, message: str) -> None:
        super().__init__(message)
        self.node = node


class TurnOver(Exception):  # noqa: N818 - not an error
    """It is another's turn. What was computed is kept: evaluating again goes on from there."""


def never() -> bool:
    """Whoever asks has the thread to himself."""
    return False


class Calls:
    """The calls of one calculation.

    Once `is_over` says so, TurnOver is raised before the next function of the history or window is computed, or the next symbols of a dear
    one, but not before some were: every turn gets further than the one before.
    """

    def __init__(self, moment: Moment, columns: Columns, is_over: Callable[[], bool]) -> None:
        self._moment = moment
        self._columns = columns
        self._is_over = is_over
        self._has_computed = False
        self._is_computing = False

    def outputs(self, node: Column | Window, inputs: Callable[[], list[Array]]) -> tuple[Values, ...]:
        """Every output of the node's function over the inputs, which are computed as a part of the call. Raises ColumnFailed."""
        is_outermost = not self._is_computing
        if is_outermost:
            self._let_others_go_on()
        self._is_computing = True
        try:
            if is_outermost and is_dear(node):
                return self._in_blocks(node, inputs())
            return _computed(node, inputs())
        finally:
            self._is_computing = not is_outermost
            self._has_computed = True

    def window(self, compute: Callable[[], Array]) -> Array:
        """What a kernel over a window gives."""
        self._let_others_go_on()
        values = compute()
        self._has_computed = True
        return values

    def _let_others_go_on(self) -> None:
        if self._has_computed and self._is_over():
            raise TurnOver

    def _in_blocks(self, node: Column | Window, inputs: list[Array]) -> tuple[Values, ...]:
        """As `_computed`, some symbols at a time; what was done in earlier turns is gone on with."""
        key = (f"{node.call} begun", self._moment.stamp(node.needs))
        begun = self._columns.get(key)
        blocks = [begun] if begun else []
        first = len(begun[0]) if begun else 0
        for begin in range(first, self._moment.rows, SYMBOLS_A_TURN):
            if begin > first and self._is_over():
                done = _joined(blocks)
                self._columns.put(key, done, size_of(done))
                raise TurnOver
            blocks.append(_computed(node, [values[begin : begin + SYMBOLS_A_TURN] for values in inputs]))
        self._columns.drop(key)
        return _joined(blocks)


def is_dear(node: Column | Window) -> bool:
    """Whether the node's function is computed some symbols at a time. Windows never are."""
    return isinstance(node, Column) and microseconds_of(node) > DEAR


def size_of(outputs: tuple[Values, ...]) -> int:
    """Bytes."""
    return sum(output.nbytes for output in outputs)


def _computed(node: Column | Window, inputs: list[Array]) -> tuple[Values, ...]:
    try:
        return node.function.compute(inputs, node.parameters)
    except Exception as error:  # TA-Lib raises nothing narrower
        raise ColumnFailed(node.key, f"{node.function.name}: {error}") from error


def _joined(blocks: list[tuple[Values, ...]]) -> tuple[Values, ...]:
    return tuple(np.concatenate(outputs) for outputs in zip(*blocks, strict=True))
