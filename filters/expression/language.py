"""The functions the language adds to TA-Lib: most are short ways to write what nodes can already say."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial, reduce
from itertools import chain

from domain.market import MINIMUM_HISTORY
from filters.expression.functions import Build, Function, Input, Parameter
from filters.expression.graph import Graph
from filters.expression.kernels import bars_since, value_when
from filters.expression.nodes import ColumnFunction, Node
from filters.expression.row_blocks import in_blocks

LOGIC = "Logic"
ARITHMETIC = "Arithmetic"
PAST = "The last candles"

_BARS_SINCE = ColumnFunction(
    name="bars_since", outputs=("",), compute=in_blocks(lambda inputs, _: (bars_since(inputs[0]),)), lookback=lambda _: 0
)
_VALUE_WHEN = ColumnFunction(
    name="value_when", outputs=("",), compute=in_blocks(lambda inputs, _: (value_when(inputs[0], inputs[1]),)), lookback=lambda _: 0
)


def greater(graph: Graph, left: Node, right: Node) -> Node:
    """The condition left > right."""
    return graph.pointwise("greater", left, right, is_condition=True)


def at_least(graph: Graph, left: Node, right: Node) -> Node:
    """The condition left >= right."""
    return graph.pointwise("at_least", left, right, is_condition=True)


def every(graph: Graph, conditions: Sequence[Node]) -> Node:
    """The condition that all of them hold."""
    return reduce(lambda left, right: graph.pointwise("minimum", left, right, is_condition=True), conditions)


def _crosses_above(graph: Graph, left: Node, right: Node) -> Node:
    (left, right), _ = graph.together((left, right))  # one candle ago is the same moment for both
    return every(graph, [greater(graph, left, right), at_least(graph, graph.shifted(right, 1), graph.shifted(left, 1))])


def _change(graph: Graph, series: Node, candles: int) -> Node:
    return graph.pointwise("subtract", series, graph.shifted(series, candles))


def _percent_change(graph: Graph, series: Node, candles: int) -> Node:
    ratio = graph.pointwise("divide", _change(graph, series, candles), graph.shifted(series, candles))
    return graph.pointwise("multiply", ratio, graph.constant(100.0))


def _rising(graph: Graph, series: Node, candles: int) -> Node:
    return graph.windowed("lowest", greater(graph, series, graph.shifted(series, 1)), candles, is_condition=True)


def _falling(graph: Graph, series: Node, candles: int) -> Node:
    return graph.windowed("lowest", greater(graph, graph.shifted(series, 1), series), candles, is_condition=True)


def _between(graph: Graph, series: Node, low: Node, high: Node) -> Node:
    return every(graph, [at_least(graph, series, low), at_least(graph, high, series)])


def _over_candles(build: Callable[[Graph, Node, int], Node]) -> Build:
    return lambda graph, inputs, parameters: (build(graph, inputs[0], int(parameters[0])),)


def _of_inputs(build: Callable[..., Node]) -> Build:
    return lambda graph, inputs, _: (build(graph, *inputs),)


def _kernel(name: str) -> Build:
    return lambda graph, inputs, parameters: (graph.pointwise(name, *inputs, *map(graph.constant, parameters)),)


def _in_window(kernel: str, *, is_condition: bool = False) -> Build:
    return _over_candles(lambda graph, node, candles: graph.windowed(kernel, node, candles, is_condition=is_condition))


def _column(function: ColumnFunction) -> Build:
    return lambda graph, inputs, parameters: graph.columns(function, inputs, parameters)


_SERIES = Input(name="series")
_CONDITION = Input(name="condition", is_condition=True)
_PAIR = (Input(name="a"), Input(name="b"))


_EXAMPLES = {
    "abs": "abs(close - open) > 2 * atr(14)",
    "min": "close > min(open, close[1], close[2])",
    "max": "close > max(open, close[1])",
    "round": "round(close / 10) == close / 10",
    "log": "log(close / close[1]) > 0.01",
    "sqrt": "sqrt(volume) > 100",
    "sign": "sign(close - open) == sign(close[1] - open[1])",
    "nz": "nz(trades, 0) > 100",
    "crosses_above": "crosses_above(ema(close, 9), ema(close, 21))",
    "crosses_below": "crosses_below(rsi(close, 14), 70)",
    "between": "between(rsi(close, 14), 40, 60)",
    "all_of": "all_of(close > ema(close, 50), 5)",
    "any_of": "any_of(rsi(close, 14) < 30, 10)",
    "count": "count(close > open, 10) >= 7",
    "bars_since": "bars_since(crosses_above(close, sma(close, 50))) < 5",
    "value_when": "close > value_when(volume > 3 * sma(volume, 20), high)",
    "highest": "close > highest(high, 20)[1]",
    "lowest": "close < lowest(low, 20)[1]",
    "rising": "rising(close, 3)",
    "falling": "falling(volume, 3)",
    "change": "change(close, 1) > 0",
    "percent_change": "percent_change(close, 12) > 3",
}


def _candles(default: float | None = None) -> Parameter:
    return Parameter(name="candles", default=default, is_whole=True, minimum=1, meaning="how many candles")


def language_functions() -> Iterator[Function]:
    """Every function that is not TA-Lib's."""
    for function in chain(_arithmetic(), _logic(), _past()):
        yield replace(function, example=_EXAMPLES[function.name])


def _arithmetic() -> Iterator[Function]:
    function = partial(Function, group=ARITHMETIC)
    yield function(name="abs", summary="Without its sign", inputs=(_SERIES,), build=_kernel("absolute"))
    yield function(name="min", summary="The least of several", inputs=_PAIR, is_variadic=True, build=_kernel("minimum"))
    yield function(name="max", summary="The greatest of several", inputs=_PAIR, is_variadic=True, build=_kernel("maximum"))
    digits = Parameter(name="digits", default=0.0, is_whole=True, minimum=-15, maximum=15, meaning="digits behind the point")
    yield function(name="round", summary="Rounded to digits", inputs=(_SERIES,), parameters=(digits,), build=_kernel("round"))
    yield function(name="log", summary="Natural logarithm", inputs=(_SERIES,), build=_kernel("log"))
    yield function(name="sqrt", summary="Square root", inputs=(_SERIES,), build=_kernel("sqrt"))
    yield function(name="sign", summary="-1, 0 or 1", inputs=(_SERIES,), build=_kernel("sign"))
    replacement = Parameter(name="replacement", default=0.0, meaning="what stands for a value that does not exist")
    nz = "The series, with the replacement where it has no value"
    yield function(name="nz", summary=nz, inputs=(_SERIES,), parameters=(replacement,), build=_kernel("or_else"))


def _logic() -> Iterator[Function]:
    function = partial(Function, group=LOGIC)
    above = "a is above b and was not one candle ago"
    yield function(name="crosses_above", summary=above, inputs=_PAIR, build=_of_inputs(_crosses_above))
    below = "a is below b and was not one candle ago"
    yield function(name="crosses_below", summary=below, inputs=_PAIR, build=_of_inputs(lambda graph, a, b: _crosses_above(graph, b, a)))
    bounds = (_SERIES, Input(name="low"), Input(name="high"))
    yield function(name="between", summary="low <= series <= high", inputs=bounds, build=_of_inputs(_between))
    all_of = "The condition held at each of the last candles"
    condition = partial(function, inputs=(_CONDITION,), parameters=(_candles(),))
    yield condition(name="all_of", summary=all_of, build=_in_window("lowest", is_condition=True))
    any_of = "The condition held at one of the last candles at least"
    yield condition(name="any_of", summary=any_of, build=_in_window("highest", is_condition=True))
    yield condition(name="count", summary="At how many of the last candles the condition held", build=_in_window("count"))
    since = f"Candles since the condition last held, looking back {MINIMUM_HISTORY} candles at least; no value where it never did"
    yield function(name="bars_since", summary=since, inputs=(_CONDITION,), build=_column(_BARS_SINCE))
    when = "The value of the series when the condition last held"
    yield function(name="value_when", summary=when, inputs=(_CONDITION, _SERIES), build=_column(_VALUE_WHEN))


def _past() -> Iterator[Function]:
    function = partial(Function, group=PAST, inputs=(_SERIES,))
    yield function(name="highest", summary="The highest value, now included", parameters=(_candles(),), build=_in_window("highest"))
    yield function(name="lowest", summary="The lowest value, now included", parameters=(_candles(),), build=_in_window("lowest"))
    one = (_candles(1.0),)
    yield function(name="rising", summary="Each candle above the one before", parameters=one, build=_over_candles(_rising))
    yield function(name="falling", summary="Each candle below the one before", parameters=one, build=_over_candles(_falling))
    yield function(name="change", summary="Now less the value some candles ago", parameters=one, build=_over_candles(_change))
    percent = "Change in percent of the value some candles ago"
    yield function(name="percent_change", summary=percent, parameters=one, build=_over_candles(_percent_change))
