"""What a filter costs, estimated from what its functions were measured to take."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from filters.expression.nodes import Column, Node, Pointwise, Window, Windowed, inputs_of
from filters.expression.weights import CANDLES, COLUMNS, POINTWISE, WINDOWED, WINDOWS

_STEP = 4.0
"""Microseconds of any step at one candle."""
_COPY = 100.0
"""Microseconds of any other step over a whole history."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one function on one line adds."""

    function: str
    line: int
    estimated: timedelta


@dataclass(frozen=True, kw_only=True)
class Cost:
    """How much there is to compute."""

    indicators: int
    """Distinct calls of functions over the history."""
    nodes: int
    """Distinct steps."""
    estimated: timedelta
    """One core's time for a first evaluation over 400 symbols, when nothing of it has been computed for other traders."""
    shares: tuple[Share, ...]
    """By function and line, the largest first."""


def cost_of(nodes: Sequence[Node], results: Iterable[Node], indicators: int, lines: Mapping[str, int]) -> Cost:
    """The cost of the results, where `nodes` are all nodes of the filter, each after those it is made of."""
    widths: dict[str, int] = dict.fromkeys((node.key for node in results), 1)
    microseconds: dict[tuple[str, int], float] = defaultdict(float)
    calls = set()
    for node in reversed(nodes):
        if not (width := widths.get(node.key)):
            continue
        for child in inputs_of(node):
            widths[child.key] = max(widths.get(child.key, 0), _width(node, width))
        if isinstance(node, Column | Window):
            if node.call in calls:
                continue
            calls.add(node.call)
        microseconds[_name(node), lines[node.key]] += _weight(node, width)
    shares = [Share(function=name, line=line, estimated=timedelta(microseconds=value)) for (name, line), value in microseconds.items()]
    shares.sort(key=lambda share: share.estimated, reverse=True)
    total = timedelta(microseconds=sum(microseconds.values()))
    return Cost(indicators=indicators, nodes=len(nodes), estimated=total, shares=tuple(shares))


def _width(node: Node, width: int) -> int:
    """Of how many candles the node's parts are needed when it is needed at `width`."""
    if isinstance(node, Column):
        return CANDLES
    return min(CANDLES, width + node.candles - 1) if isinstance(node, Windowed | Window) else width


def _name(node: Node) -> str:
    match node:
        case Column() | Window():
            return node.function.name
        case Windowed():
            return node.kernel
    return "arithmetic"


def _weight(node: Node, width: int) -> float:
    """Microseconds."""
    whole = width / CANDLES
    match node:
        case Column():
            return microseconds_of(node)
        case Window():
            return _with_length(WINDOWS[node.function.name], node.parameters) * width
        case Windowed():
            return _STEP + WINDOWED[node.kernel] * min(1, (width + node.candles) / CANDLES)
        case Pointwise():
            return _STEP + POINTWISE[node.kernel] * whole
    return _STEP + _COPY * whole


def microseconds_of(node: Column) -> float:
    """What the node's call takes over a whole history of 400 symbols, without what it is computed from."""
    return _with_length(COLUMNS[node.function.name], node.parameters)


def _with_length(weight: tuple[float, float], parameters: Sequence[float]) -> float:
    fixed, per_candle = weight
    return fixed + per_candle * max((value for value in parameters if value.is_integer()), default=0.0)
