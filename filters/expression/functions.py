"""What a function of the language is: its signature, and how a call of it becomes nodes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from filters.expression.graph import Graph
from filters.expression.nodes import Node

Bounds = tuple[float, float]
Build = Callable[[Graph, Sequence[Node], Sequence[float]], tuple[Node, ...]]


@dataclass(frozen=True, kw_only=True)
class Input:
    """A series or condition a function reads. With a `default`, a column of candles, it may be left out."""

    name: str
    default: str = ""
    is_condition: bool = False


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A number known when the filter is compiled. Without a default it must be given."""

    name: str
    default: float | None = None
    is_whole: bool = False
    minimum: float = float("-inf")
    maximum: float = float("inf")
    meaning: str = ""
    follows: str = ""
    """Name of an earlier parameter whose value is the default once that one is given."""


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function of the language: one entry of the registry."""

    name: str
    group: str
    summary: str
    inputs: tuple[Input, ...]
    parameters: tuple[Parameter, ...] = ()
    outputs: tuple[str, ...] = ("",)
    """Names of its results; one empty name where there is a single result."""
    is_variadic: bool = False
    """Whether the last input may be repeated."""
    bounds: Callable[[], Sequence[Bounds]] = tuple
    """The least and the largest value of each parameter, where the parameters themselves do not say it."""
    example: str = ""
    """A condition that uses it."""
    build: Build

    @property
    def signature(self) -> str:
        """How a call is written, defaults included."""
        inputs = [item.name for item in self.inputs] + ["..."] * self.is_variadic
        return self._call(inputs)

    @property
    def short(self) -> str:
        """How a call is written that leaves out what may be."""
        return self._call([item.name for item in self.inputs if not item.default])

    def _call(self, inputs: list[str]) -> str:
        return f"{self.name}({', '.join(inputs + [_shown(parameter) for parameter in self.parameters])})"


def _shown(parameter: Parameter) -> str:
    return parameter.name if parameter.default is None else f"{parameter.name}={parameter.default:g}"
