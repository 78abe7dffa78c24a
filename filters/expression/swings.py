"""Swing highs and lows, known once they are confirmed, and divergences between those of a price and those of another series."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from domain.market import MINIMUM_HISTORY
from filters.expression.functions import Function, Input, Parameter
from filters.expression.graph import Graph
from filters.expression.kernels import UNKNOWN, WINDOWED, Array, Condition, Values, last_known
from filters.expression.nodes import ColumnFunction, Node
from filters.expression.row_blocks import Compute, in_blocks

GROUP = "Swings and divergence"
_LEFT = Parameter(name="left", default=5, is_whole=True, minimum=1, meaning="candles before the pivot that it exceeds")
_RIGHT = Parameter(
    name="right", default=5, is_whole=True, minimum=1, meaning="candles after the pivot that do not exceed it: it is known that much later"
)
_NEAREST = Parameter(name="nearest", default=5, is_whole=True, minimum=1, meaning="least candles between the two pivots")
_FARTHEST = Parameter(name="farthest", default=60, is_whole=True, minimum=1, meaning="most candles between the two pivots")


def swing_functions() -> Iterator[Function]:
    """Pivots and divergence."""
    looking_back = f"; looking back {MINIMUM_HISTORY} candles at least"
    pivot = partial(Function, group=GROUP, parameters=(_LEFT, _RIGHT), outputs=_PIVOT_HIGH.outputs)
    yield pivot(
        name="pivot_high",
        summary="The newest confirmed swing high: its value, and how many candles ago it was" + looking_back,
        inputs=(Input(name="high", default="high"),),
        example="crosses_above(close, pivot_high().value)",
        build=partial(_build_pivot, _PIVOT_HIGH),
    )
    yield pivot(
        name="pivot_low",
        summary="The newest confirmed swing low: its value, and how many candles ago it was" + looking_back,
        inputs=(Input(name="low", default="low"),),
        example="pivot_low(low, 10, 3).age == 3",
        build=partial(_build_pivot, _PIVOT_LOW),
    )
    yield Function(
        name="divergence",
        group=GROUP,
        summary=(
            "Where a swing of the series is confirmed: whether price and series moved apart between it and the one before. "
            "Bullish: lower low of the price, higher low of the series; bearish: higher high, lower high; hidden: the other way round"
        ),
        inputs=(Input(name="series"), Input(name="high", default="high"), Input(name="low", default="low")),
        parameters=(_LEFT, _RIGHT, _NEAREST, _FARTHEST),
        outputs=_DIVERGENCE.outputs,
        example="any_of(divergence(rsi(close, 14)).bullish, 3)",
        build=_build_divergence,
    )


def _build_pivot(function: ColumnFunction, graph: Graph, inputs: Sequence[Node], parameters: Sequence[float]) -> tuple[Node, ...]:
    return graph.columns(function, inputs, parameters)


def _build_divergence(graph: Graph, inputs: Sequence[Node], parameters: Sequence[float]) -> tuple[Node, ...]:
    none = graph.constant(0.0)
    columns = graph.columns(_DIVERGENCE, inputs, parameters)
    return tuple(graph.pointwise("greater", column, none, is_condition=True) for column in columns)


def _confirmed(values: Values, left: int, right: int) -> Condition:
    """Whether the candle `right` ago is a swing high: above the `left` before it, not below the `right` after it."""
    height = values[:, left : values.shape[1] - right]
    before = WINDOWED["highest"](values[:, : values.shape[1] - right - 1], left)
    after = WINDOWED["highest"](values[:, left + 1 :], right)
    known = ~np.isnan(height + before + after)
    confirmed = np.zeros(values.shape, dtype=np.int8)
    confirmed[:, left + right :] = np.where(known, np.where((height > before) & (height >= after), 1, -1), 0)
    return confirmed


def _pivots(sign: float, inputs: Sequence[Array], parameters: Sequence[float]) -> tuple[Values, Values]:
    """Value and age of the newest confirmed high, or low where `sign` is -1."""
    (values,), (left, right) = inputs, map(int, parameters)
    if values.shape[1] <= left + right:
        return np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    seen = last_known(_confirmed(sign * values, left, right))
    age = np.where(seen < 0, np.nan, np.arange(values.shape[1]) - seen + right)
    return np.where(seen < 0, np.nan, np.take_along_axis(values, np.maximum(seen - right, 0), axis=1)), age


def _divergences(inputs: Sequence[Array], parameters: Sequence[float]) -> tuple[Values, ...]:
    """Bullish, bearish, hidden bullish, hidden bearish: 1 where there is one, 0 where not, NaN where that is not known."""
    series, high, low = inputs
    if series.shape[1] <= _divergence_lookback(parameters):
        return tuple(np.full(series.shape, np.nan) for _ in range(4))
    bearish, hidden_bearish = _at_tops(series, high, parameters)
    bullish, hidden_bullish = _at_tops(-series, -low, parameters)
    return bullish, bearish, hidden_bullish, hidden_bearish


def _at_tops(series: Values, price: Values, parameters: Sequence[float]) -> tuple[Values, Values]:
    """At confirmed tops of the series: price higher and series lower than at the top before, and the reverse."""
    left, right, nearest, farthest = map(int, parameters)
    confirmed = _confirmed(series, left, right)
    rows, columns = np.nonzero(confirmed == 1)
    distance = np.diff(columns)
    is_pair = (np.diff(rows) == 0) & (distance >= nearest) & (distance <= farthest)
    rows, later, earlier = rows[1:][is_pair], columns[1:][is_pair], columns[:-1][is_pair]
    price_rise, series_rise = (values[rows, later - right] - values[rows, earlier - right] for values in (price, series))
    nothing = np.where(confirmed == UNKNOWN, np.nan, 0.0)
    nothing[:, : _divergence_lookback(parameters)] = np.nan
    found = nothing.copy(), nothing
    for sign, output in zip((1, -1), found, strict=True):
        apart = np.where((sign * price_rise > 0) & (sign * series_rise < 0), 1.0, 0.0)
        output[rows, later] += np.where(np.isnan(price_rise), np.nan, apart)
    return found


def _pivot_lookback(parameters: Sequence[float]) -> int:
    return int(parameters[0] + parameters[1])


def _divergence_lookback(parameters: Sequence[float]) -> int:
    left, right, nearest, farthest = map(int, parameters)
    return left + right + farthest if nearest <= farthest else -1


def _pivot(name: str, compute: Compute) -> ColumnFunction:
    return ColumnFunction(name=name, outputs=("value", "age"), compute=in_blocks(compute), lookback=_pivot_lookback)


_PIVOT_HIGH = _pivot("pivot_high", partial(_pivots, 1.0))
_PIVOT_LOW = _pivot("pivot_low", partial(_pivots, -1.0))
_DIVERGENCE = ColumnFunction(
    name="divergence",
    outputs=("bullish", "bearish", "hidden_bullish", "hidden_bearish"),
    compute=in_blocks(_divergences),
    lookback=_divergence_lookback,
)
