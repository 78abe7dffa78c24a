"""The parts of a compiled expression. A node's key names what it computes, so equal keys share one result whoever wrote them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from domain.market import Interval
from filters.expression.kernels import Array, Values


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Node:
    """One step of a program."""

    key: str
    interval: Interval | None
    """The grid its values lie on; `None` for numbers and the ticker, which lie on none."""
    needs: Mapping[Interval, int]
    """Candles of each interval up to the newest without which its value there is NaN."""
    depth: int = 1
    is_condition: bool = False
    is_live: bool = False
    """Whether it depends on the ticker, which is known for now only and not for past candles."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Constant(Node):
    """A number."""

    value: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Candles(Node):
    """A column of an interval's candles."""

    column: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Clock(Node):
    """The candles' index on the interval's grid, the same for every symbol: whole intervals since the Unix epoch."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ticker(Node):
    """A field of the rolling 24 h statistics."""

    field: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pointwise(Node):
    """A kernel applied candle by candle."""

    kernel: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Shifted(Node):
    """The value some candles ago."""

    argument: Node
    candles: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Windowed(Node):
    """A kernel over the last candles, the current one included."""

    kernel: str
    argument: Node
    candles: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Aligned(Node):
    """Another interval's values as the trader's candles see them: each sees the newest candle that had closed when it closed."""

    argument: Node


@dataclass(frozen=True, kw_only=True)
class ColumnFunction:
    """A function whose value may depend on the whole history before it. It must be causal: values never depend on later candles."""

    name: str
    outputs: tuple[str, ...]
    """Names of its results; one empty name where there is a single result."""
    compute: Callable[[Sequence[Array], Sequence[float]], tuple[Values, ...]]
    """Inputs [symbol x candle] and parameters to one such matrix per output. What it makes of a symbol does not depend on others."""
    lookback: Callable[[Sequence[float]], int]
    """How many candles before the first value, given the parameters; -1 where the parameters are not acceptable."""
    is_by_symbol: bool = False
    """Whether it goes from symbol to symbol, so that some symbols by themselves get the same bits as among all."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Column(Node):
    """One output of a column function; outputs of one call share `call`."""

    function: ColumnFunction
    arguments: tuple[Node, ...]
    parameters: tuple[float, ...]
    output: int
    call: str


@dataclass(frozen=True, kw_only=True)
class WindowFunction:
    """A function of the last n candles of several series that is dear: it is computed for the candles that are asked for, no others."""

    name: str
    outputs: tuple[str, ...]
    compute: Callable[[Sequence[Array], Sequence[float]], tuple[Values, ...]]
    """Inputs [symbol x m] and parameters, the first of which is n, to one [symbol x m-n+1] per output: column k looks at k to k+n-1."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Window(Node):
    """One output of a window function; outputs of one call share `call`."""

    function: WindowFunction
    arguments: tuple[Node, ...]
    parameters: tuple[float, ...]
    output: int
    call: str

    @property
    def candles(self) -> int:
        """How many candles it looks at."""
        return int(self.parameters[0])


def inputs_of(node: Node) -> tuple[Node, ...]:
    """What the node is computed from."""
    if isinstance(node, Shifted | Windowed | Aligned):
        return (node.argument,)
    return node.arguments if isinstance(node, Pointwise | Column | Window) else ()
