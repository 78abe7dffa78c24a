"""Builds the nodes of one filter: each computation once, history and size bounded."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Any

import numpy as np

from domain.market import MINIMUM_HISTORY, Interval
from filters.expression.kernels import POINTWISE
from filters.expression.nodes import (
    Aligned,
    Candles,
    Clock,
    Column,
    ColumnFunction,
    Constant,
    Node,
    Pointwise,
    Shifted,
    Ticker,
    Window,
    Windowed,
    WindowFunction,
)
from filters.expression.problems import Misuse, TooLarge

MAX_NODES = 2_000
MAX_INDICATORS = 64
MAX_DEPTH = 100


class Graph:
    """The nodes of a filter whose trader has the given interval. Every method raises Misuse for what the language does not allow."""

    def __init__(self, base: Interval) -> None:
        self.base = base
        self._nodes: dict[str, Node] = {}

    @property
    def nodes(self) -> int:
        """How many distinct computations there are."""
        return len(self._nodes)

    def since(self, place: int) -> tuple[Node, ...]:
        """The nodes made after the first `place`, each after those it is made of."""
        return tuple(islice(self._nodes.values(), place, None))

    @property
    def indicators(self) -> int:
        """How many distinct calls of column and window functions there are."""
        return len({node.call for node in self._nodes.values() if isinstance(node, Column | Window)})

    def constant(self, value: float) -> Node:
        if not np.isfinite(value):
            raise Misuse("this is not a finite number")
        return self._add(Constant, ("constant", value.hex()), (), interval=None, needs={}, value=value)

    def candles(self, interval: Interval, column: str) -> Node:
        return self._add(Candles, ("candles", interval, column), (), interval=interval, needs={interval: 1}, column=column)

    def clock(self, interval: Interval) -> Node:
        return self._add(Clock, ("clock", interval), (), interval=interval, needs={interval: 1})

    def ticker(self, field: str) -> Node:
        return self._add(Ticker, ("ticker", field), (), interval=None, needs={}, is_live=True, field=field)

    def pointwise(self, kernel: str, *arguments: Node, is_condition: bool = False) -> Node:
        constants = [argument.value for argument in arguments if isinstance(argument, Constant)]
        if len(constants) == len(arguments):
            return self._fold(kernel, constants, is_condition=is_condition)
        joined, interval = self.together(arguments)
        fields = {"kernel": kernel, "arguments": joined, "is_condition": is_condition}
        return self._add(Pointwise, ("pointwise", kernel), joined, interval=interval, needs=_most(joined), **fields)

    def shifted(self, argument: Node, candles: int) -> Node:
        """The value `candles` ago; a number stays what it is."""
        if candles == 0 or isinstance(argument, Constant):
            return argument
        interval = _grid(argument)
        fields = {"argument": argument, "candles": candles, "is_condition": argument.is_condition}
        return self._add(Shifted, ("shifted", candles), (argument,), interval=interval, needs=_further(argument, candles), **fields)

    def windowed(self, kernel: str, argument: Node, candles: int, *, is_condition: bool = False) -> Node:
        interval = _grid(argument)
        fields = {"kernel": kernel, "argument": argument, "candles": candles, "is_condition": is_condition}
        needs = _further(argument, candles - 1)
        return self._add(Windowed, ("windowed", kernel, candles), (argument,), interval=interval, needs=needs, **fields)

    def columns(self, function: ColumnFunction, inputs: Sequence[Node], parameters: Sequence[float]) -> tuple[Node, ...]:
        """One node per output of the function."""
        lookback = function.lookback(parameters)
        if lookback < 0:
            raise Misuse(f"{function.name} does not accept these parameters: {', '.join(f'{value:g}' for value in parameters)}")
        return self._outputs(Column, function, inputs, parameters, lookback)

    def window(self, function: WindowFunction, inputs: Sequence[Node], candles: int, parameters: Sequence[float]) -> tuple[Node, ...]:
        """One node per output of the function over the last `candles`."""
        return self._outputs(Window, function, inputs, (float(candles), *parameters), candles - 1)

    def _outputs(
        self,
        kind: type[Node],
        function: ColumnFunction | WindowFunction,
        inputs: Sequence[Node],
        parameters: Sequence[float],
        lookback: int,
    ) -> tuple[Node, ...]:
        joined, interval = self.together(inputs)
        if interval is None or any(node.is_live for node in joined):
            raise Misuse(f"{function.name} needs a series with a history")
        needs: dict[Interval, int] = {}
        for node in joined:
            needs = _larger(needs, _further(node, lookback, interval))
        call = _digest("call", function.name, *(value.hex() for value in parameters), *(node.key for node in joined))
        shape: dict[str, Any] = {"interval": interval, "needs": needs, "function": function, "arguments": joined, "call": call}
        return tuple(
            self._add(kind, ("column", call, output), joined, parameters=tuple(parameters), output=output, **shape)
            for output in range(len(function.outputs))
        )

    def together(self, nodes: Sequence[Node]) -> tuple[tuple[Node, ...], Interval | None]:
        """The nodes on one grid, and which: their own where they share one, else the trader's; none where they are numbers."""
        grids = {node.interval for node in nodes if node.interval is not None}
        if len(grids) <= 1:
            return tuple(nodes), next(iter(grids), None)
        return tuple(self.on_base(node) for node in nodes), self.base

    def on_base(self, node: Node) -> Node:
        """The node as the trader's own candles see it."""
        if node.interval is None or node.interval is self.base:
            return node
        fields = {"argument": node, "is_condition": node.is_condition}
        needs = _larger(node.needs, {self.base: 1})
        return self._add(Aligned, ("aligned", self.base), (node,), interval=self.base, needs=needs, **fields)

    def _fold(self, kernel: str, values: Sequence[float], *, is_condition: bool) -> Node:
        if is_condition:
            raise Misuse("this compares numbers only and never changes")
        with np.errstate(all="ignore"):
            result = float(POINTWISE[kernel](*(np.array([value]) for value in values))[0])
        return self.constant(result)

    def _add(self, kind: type[Node], name: tuple[object, ...], children: Sequence[Node], **fields: Any) -> Node:
        key = _digest(*map(str, name), *(child.key for child in children))
        if found := self._nodes.get(key):
            return found
        depth = 1 + max((child.depth for child in children), default=0)
        is_live = fields.pop("is_live", False) or any(child.is_live for child in children)
        node = kind(key=key, depth=depth, is_live=is_live, **fields)
        self._check(node)
        self._nodes[key] = node
        return node

    def _check(self, node: Node) -> None:
        if node.depth > MAX_DEPTH:
            raise TooLarge(f"this is nested more than {MAX_DEPTH} deep")
        if len(self._nodes) >= MAX_NODES:
            raise TooLarge(f"the filter has more than {MAX_NODES} steps")
        if isinstance(node, Column | Window) and node.output == 0 and self.indicators >= MAX_INDICATORS:
            raise TooLarge(f"the filter uses more than {MAX_INDICATORS} different indicators")
        for interval, candles in node.needs.items():
            if candles > MINIMUM_HISTORY:
                raise Misuse(f"this needs {candles} candles of {interval}; a filter can count on {MINIMUM_HISTORY}")


def _digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def _grid(node: Node) -> Interval:
    if node.is_live:
        raise Misuse("the ticker is known for now only: it has no past values")
    if node.interval is None:
        raise Misuse("this needs a series, not a number")
    return node.interval


def _further(node: Node, candles: int, interval: Interval | None = None) -> dict[Interval, int]:
    """What the node needs when it is looked at up to `candles` of its own grid ago."""
    grid = interval or node.interval
    if grid is None:
        return {}
    reach = candles * grid.milliseconds
    return {needed: count - (-reach // needed.milliseconds) for needed, count in node.needs.items()}


def _most(nodes: Sequence[Node]) -> dict[Interval, int]:
    needs: dict[Interval, int] = {}
    for node in nodes:
        needs = _larger(needs, node.needs)
    return needs


def _larger(left: Mapping[Interval, int], right: Mapping[Interval, int]) -> dict[Interval, int]:
    return {interval: max(left.get(interval, 0), right.get(interval, 0)) for interval in Interval if interval in left or interval in right}
