"""Indicators that TA-Lib lacks and that are made of what the language has."""

from collections.abc import Iterator, Sequence

import numpy as np

from filters.expression.functions import Function, Input, Parameter
from filters.expression.graph import Graph
from filters.expression.indicators import column_function
from filters.expression.kernels import WINDOWED, Array, Values
from filters.expression.nodes import ColumnFunction, Node
from filters.expression.row_blocks import in_blocks

_ICHIMOKU = tuple(
    Parameter(name=name, default=default, is_whole=True, minimum=1, meaning=meaning)
    for name, default, meaning in (
        ("conversion", 9, "candles of the conversion line (tenkan)"),
        ("base", 26, "candles of the base line (kijun)"),
        ("span", 52, "candles of span b"),
        ("displacement", 26, "candles the cloud is drawn ahead, the current one counted"),
    )
)
_STOCH_RSI = tuple(
    Parameter(name=name, default=default, is_whole=True, minimum=minimum, meaning=meaning)
    for name, default, minimum, meaning in (
        ("rsi", 14, 2, "candles of the RSI"),
        ("stoch", 14, 1, "candles of RSI among which the newest is placed"),
        ("k", 3, 1, "candles of the mean that gives k"),
        ("d", 3, 1, "candles of the mean of k that gives d"),
    )
)
_ALMA = (
    Parameter(name="candles", default=9, is_whole=True, minimum=1, meaning="how many candles, now included"),
    Parameter(name="offset", default=0.85, minimum=0, maximum=1, meaning="where the weights peak: 0 at the oldest candle, 1 at the newest"),
    Parameter(name="sigma", default=6, minimum=0.1, meaning="the higher, the narrower the peak"),
)


def indicators_beyond_talib() -> Iterator[Function]:
    """Each of them."""
    yield Function(
        name="ichimoku",
        group="Overlap Studies",
        summary="Ichimoku: the conversion and the base line, and the cloud as it is drawn at the current candle",
        inputs=(Input(name="high", default="high"), Input(name="low", default="low")),
        parameters=_ICHIMOKU,
        outputs=("conversion", "base", "span_a", "span_b"),
        example="close > max(ichimoku().span_a, ichimoku().span_b)",
        build=_ichimoku,
    )
    yield Function(
        name="stoch_rsi",
        group="Momentum Indicators",
        summary="Stochastic RSI as charts show it: k is where the RSI is within its own range, 0 to 100, smoothed, and d the mean of k",
        inputs=(Input(name="close", default="close"),),
        parameters=_STOCH_RSI,
        outputs=("k", "d"),
        example="crosses_above(stoch_rsi(close).k, 20)",
        build=_stoch_rsi,
    )
    yield Function(
        name="alma",
        group="Overlap Studies",
        summary="Arnaud Legoux Moving Average",
        inputs=(Input(name="close", default="close"),),
        parameters=_ALMA,
        example="close > alma(close, 9)",
        build=lambda graph, inputs, parameters: graph.columns(_ALMA_COLUMN, inputs, parameters),
    )


def _ichimoku(graph: Graph, inputs: Sequence[Node], parameters: Sequence[float]) -> tuple[Node, ...]:
    (high, low), _ = graph.together(inputs)
    conversion_candles, base_candles, span_candles, displacement = map(int, parameters)

    def middle(candles: int) -> Node:
        return _mean(graph, graph.windowed("highest", high, candles), graph.windowed("lowest", low, candles))

    conversion, base = middle(conversion_candles), middle(base_candles)
    ahead = displacement - 1
    return conversion, base, graph.shifted(_mean(graph, conversion, base), ahead), graph.shifted(middle(span_candles), ahead)


def _mean(graph: Graph, left: Node, right: Node) -> Node:
    return graph.pointwise("divide", graph.pointwise("add", left, right), graph.constant(2.0))


def _stoch_rsi(graph: Graph, inputs: Sequence[Node], parameters: Sequence[float]) -> tuple[Node, ...]:
    rsi, stoch, k, d = parameters
    (strength,) = graph.columns(column_function("RSI"), inputs, [rsi])
    (place,) = graph.columns(_PLACE, [strength], [stoch])
    (smooth,) = graph.columns(column_function("SMA"), [place], [k])
    return smooth, *graph.columns(column_function("SMA"), [smooth], [d])


def _place_within_range(inputs: Sequence[Array], parameters: Sequence[float]) -> tuple[Values, ...]:
    (values,), candles = inputs, int(parameters[0])
    place = np.full(values.shape, np.nan)
    if values.shape[1] >= candles:
        lowest, highest = WINDOWED["lowest"](values, candles), WINDOWED["highest"](values, candles)
        span = highest - lowest
        inside = np.true_divide(values[:, candles - 1 :] - lowest, span, out=np.full(span.shape, 0.5), where=span != 0)
        place[:, candles - 1 :] = np.where(np.isnan(span), np.nan, inside * 100)
    return (place,)


def _arnaud_legoux(inputs: Sequence[Array], parameters: Sequence[float]) -> tuple[Values, ...]:
    (values,), (candles, offset, sigma) = inputs, parameters
    count = int(candles)
    weights = np.exp(-((np.arange(count) - offset * (count - 1)) ** 2) / (2 * (count / sigma) ** 2))
    average = np.full(values.shape, np.nan)
    width = values.shape[1] - count + 1
    if width > 0:
        average[:, count - 1 :] = sum(weight * values[:, place : place + width] for place, weight in enumerate(weights / weights.sum()))
    return (average,)


def _lookback(parameters: Sequence[float]) -> int:
    return int(parameters[0]) - 1


_PLACE = ColumnFunction(name="place_within_range", outputs=("",), compute=in_blocks(_place_within_range), lookback=_lookback)
_ALMA_COLUMN = ColumnFunction(name="alma", outputs=("",), compute=in_blocks(_arnaud_legoux), lookback=_lookback)
