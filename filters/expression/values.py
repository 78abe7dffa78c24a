"""What an expression can stand for while a filter is compiled, and the built-in names."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.market import Interval
from filters.expression.graph import Graph
from filters.expression.nodes import Node
from filters.expression.problems import Misuse, nearest
from filters.expression.registry import FUNCTIONS
from filters.frames import COLUMNS, TICKER_FIELDS

AVERAGES: Mapping[str, tuple[str, ...]] = {
    "hl2": ("high", "low"),
    "hlc3": ("high", "low", "close"),
    "ohlc4": ("open", "high", "low", "close"),
}
SERIES = (*COLUMNS, *AVERAGES)
STATEMENTS = ("condition", "plot")
RESULTS = ("match", "score")
BUILT_IN = frozenset({*SERIES, *FUNCTIONS, *STATEMENTS, *RESULTS, "candles", "ticker"})


@dataclass(frozen=True)
class CandlesObject:
    """`candles("1h")`: the candles of an interval."""

    interval: Interval


@dataclass(frozen=True)
class TickerObject:
    """`ticker`: the rolling 24 h statistics."""


@dataclass(frozen=True)
class Outputs:
    """The results of a function that has several."""

    function: str
    nodes: Mapping[str, Node]


Value = Node | CandlesObject | TickerObject | Outputs


def series(graph: Graph, interval: Interval, name: str) -> Node:
    """A column of candles, or an average of some."""
    if name not in AVERAGES:
        return graph.candles(interval, name)
    first, *rest = (graph.candles(interval, column) for column in AVERAGES[name])
    total = first
    for node in rest:
        total = graph.pointwise("add", total, node)
    return graph.pointwise("divide", total, graph.constant(float(len(AVERAGES[name]))))


def attribute(graph: Graph, owner: Value, name: str) -> Node:
    """`owner.name`. Raises Misuse."""
    if isinstance(owner, CandlesObject):
        return series(graph, owner.interval, _known(name, SERIES, f"candles have no {name!r}"))
    if isinstance(owner, TickerObject):
        return graph.ticker(_known(name, TICKER_FIELDS, f"the ticker has no {name!r}"))
    if isinstance(owner, Outputs):
        return owner.nodes[_known(name, owner.nodes, f"{owner.function} has no {name!r}; it has {', '.join(owner.nodes)}")]
    raise Misuse(f"a series has no {name!r}: only candles, the ticker and functions with several results have parts")


def _known(name: str, names: Mapping[str, object] | tuple[str, ...], message: str) -> str:
    if name not in names:
        raise Misuse(message, suggestion=nearest(name, names))
    return name


def plain(value: Value) -> Node:
    """The value as a series, number or condition. Raises Misuse for objects, which have to be asked for a part."""
    if isinstance(value, Node):
        return value
    if isinstance(value, Outputs):
        raise Misuse(f"{value.function} has several results: write one of {', '.join(f'.{name}' for name in value.nodes)} behind it")
    if isinstance(value, TickerObject):
        raise Misuse("write which part of the ticker, such as ticker.last")
    raise Misuse("write which part of the candles, such as .close")
