"""Pivot levels: support and resistance for a day, computed from the high, low and close of the day before."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from domain.market import Interval
from filters.expression.functions import Function
from filters.expression.graph import Graph
from filters.expression.kernels import Array, Values
from filters.expression.nodes import Node, WindowFunction

Weights = tuple[float, float, float, float]
"""How much of the pivot, high, low and close a level is."""

_PIVOT: Weights = (1, 0, 0, 0)
_CLASSIC: Mapping[str, Weights] = {
    "pivot": _PIVOT,
    "r1": (2, 0, -1, 0),
    "r2": (1, 1, -1, 0),
    "r3": (2, 1, -2, 0),
    "s1": (2, -1, 0, 0),
    "s2": (1, -1, 1, 0),
    "s3": (2, -2, 1, 0),
}
_FIBONACCI = {"r1": 0.382, "r2": 0.618, "r3": 1.0, "s1": -0.382, "s2": -0.618, "s3": -1.0}
_CAMARILLA = {"r1": 1.1 / 12, "r2": 1.1 / 6, "r3": 1.1 / 4, "r4": 1.1 / 2, "s1": -1.1 / 12, "s2": -1.1 / 6, "s3": -1.1 / 4, "s4": -1.1 / 2}
_KINDS: Mapping[str, tuple[str, Mapping[str, Weights]]] = {
    "classic_pivots": ("r1 = 2 * pivot - low, r2 = pivot + (high - low), r3 = high + 2 * (pivot - low)", _CLASSIC),
    "fibonacci_pivots": (
        "0.382, 0.618 and 1 times the day's range from the pivot",
        {"pivot": _PIVOT} | {name: (1, share, -share, 0) for name, share in _FIBONACCI.items()},
    ),
    "camarilla_pivots": (
        "1.1 times the day's range / 12, / 6, / 4 and / 2 from its close",
        {"pivot": _PIVOT} | {name: (0, share, -share, 1) for name, share in _CAMARILLA.items()},
    ),
}


def day_level_functions() -> Iterator[Function]:
    """Each kind of pivot levels."""
    for name, (how, levels) in _KINDS.items():
        column = WindowFunction(name=name, outputs=tuple(levels), compute=partial(_compute, tuple(levels.values())))
        yield Function(
            name=name,
            group="Levels of the day",
            summary=f"Pivot levels from the last UTC day that has closed: pivot = hlc3; {how}; s the same way down",
            inputs=(),
            outputs=column.outputs,
            example=f"crosses_above(close, {name}().r1)",
            build=partial(_build, column),
        )


def _build(function: WindowFunction, graph: Graph, inputs: Sequence[Node], parameters: Sequence[float]) -> tuple[Node, ...]:
    day = [graph.candles(Interval.D1, column) for column in ("high", "low", "close")]
    # a trader of whole days looks at a day by the levels of the one before, like all others
    before = [graph.shifted(series, 1) if graph.base is Interval.D1 else series for series in day]
    return graph.window(function, [*inputs, *before], 1, parameters)


def _compute(levels: Sequence[Weights], inputs: Sequence[Array], _: Sequence[float]) -> tuple[Values, ...]:
    high, low, close = inputs
    pivot = (high + low + close) / 3
    return tuple(of_pivot * pivot + of_high * high + of_low * low + of_close * close for of_pivot, of_high, of_low, of_close in levels)
