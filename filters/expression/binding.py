"""Which argument of a call is which input or parameter of the function."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.market import Interval
from filters.expression.functions import Function, Parameter
from filters.expression.graph import Graph
from filters.expression.nodes import Constant, Node
from filters.expression.problems import Misuse, nearest


@dataclass(frozen=True)
class Argument:
    """A compiled argument and where it stands."""

    node: Node
    at: ast.AST


class Binding:
    """One call of a function: `candles` is the interval whose prices stand for inputs that are left out, unless a
    series is given: then it is that one's."""

    def __init__(self, function: Function, graph: Graph, candles: Interval) -> None:
        self._function = function
        self._graph = graph
        self._candles = candles

    def nodes(self, positional: Sequence[Argument], named: Mapping[str, Argument]) -> tuple[Node, ...]:
        """The call's outputs. Raises Misuse."""
        count = self._input_count(positional)
        inputs = self._inputs(positional[:count])
        parameters = self._parameters(positional[count:], named)
        return self._function.build(self._graph, inputs, parameters)

    def _input_count(self, positional: Sequence[Argument]) -> int:
        function = self._function
        if function.is_variadic:
            return max(len(positional), len(function.inputs))
        if not any(item.default for item in function.inputs):
            return len(function.inputs)
        given = next((place for place, argument in enumerate(positional) if isinstance(argument.node, Constant)), len(positional))
        if given in self._acceptable():
            return given
        calls = f"{function.short} or {function.signature}" if 0 in self._acceptable() else function.signature
        raise Misuse(f"{function.name} takes {self._wanted()} and then numbers: {calls}")

    def _acceptable(self) -> set[int]:
        """How many series may be given: all, only those without a default, or a first one that any series can stand for."""
        inputs = self._function.inputs
        free = {1} if inputs[0].name == "close" and {item.name for item in inputs[1:]} <= {"volume"} else set()
        required = next((place for place, item in enumerate(inputs) if item.default), len(inputs))
        least = {required} if all(item.default for item in inputs[required:]) else set()
        return {len(inputs)} | free | least

    def _wanted(self) -> str:
        inputs = [item.name for item in self._function.inputs]
        names, least = ", ".join(inputs), min(self._acceptable())
        fewer = f"only {', '.join(inputs[:least])}" if least else "no series at all"
        return names if least == len(inputs) else f"{names} or {fewer}"

    def _inputs(self, given: Sequence[Argument]) -> list[Node]:
        function = self._function
        expected = [*function.inputs, *function.inputs[-1:] * (len(given) - len(function.inputs))]
        nodes: list[Node] = []
        candles = next((argument.node.interval for argument in given if argument.node.interval), self._candles)
        for place, item in enumerate(expected):
            if place < len(given):
                self._check_kind(given[place], is_condition=item.is_condition)
                nodes.append(given[place].node)
            elif item.default:
                nodes.append(self._graph.candles(candles, item.default))
            else:
                raise Misuse(f"{function.name} lacks its {item.name}: {function.signature}")
        return nodes

    def _check_kind(self, argument: Argument, *, is_condition: bool) -> None:
        if argument.node.is_condition and not is_condition:
            raise Misuse(f"{self._function.name} needs a series here, not a condition", at=argument.at)
        if is_condition and not argument.node.is_condition:
            raise Misuse(f"{self._function.name} needs a condition here, such as close > open", at=argument.at)

    def _parameters(self, positional: Sequence[Argument], named: Mapping[str, Argument]) -> list[float]:
        parameters = self._function.parameters
        if len(positional) > len(parameters):
            extra = positional[len(parameters)]
            raise Misuse(f"{self._function.name} takes fewer arguments: {self._function.signature}", at=extra.at)
        given = {parameter.name: argument for parameter, argument in zip(parameters, positional, strict=False)}
        for name, argument in named.items():
            self._check_name(name, argument, given)
        given |= named
        values: dict[str, float] = {}
        for parameter in parameters:
            values[parameter.name] = self._value(parameter, given, values)
        return list(values.values())

    def _check_name(self, name: str, argument: Argument, given: Mapping[str, Argument]) -> None:
        names = [parameter.name for parameter in self._function.parameters]
        if name not in names:
            there_are = f"; it has {', '.join(names)}" if names else ""
            raise Misuse(f"{self._function.name} has no parameter {name!r}{there_are}", suggestion=nearest(name, names), at=argument.at)
        if name in given:
            raise Misuse(f"{name} is given twice", at=argument.at)

    def _value(self, parameter: Parameter, given: Mapping[str, Argument], values: Mapping[str, float]) -> float:
        argument = given.get(parameter.name)
        if argument is not None:
            return self._number(parameter, argument)
        if parameter.follows in given:
            return values[parameter.follows]
        if parameter.default is None:
            raise Misuse(f"{self._function.name} lacks its {parameter.name}: {self._function.signature}")
        return float(parameter.default)

    def _number(self, parameter: Parameter, argument: Argument) -> float:
        if not isinstance(argument.node, Constant):
            raise Misuse(f"{parameter.name} must be a number, not a series or condition", at=argument.at)
        value = argument.node.value
        if parameter.is_whole and not value.is_integer():
            raise Misuse(f"{parameter.name} must be a whole number", at=argument.at)
        if not parameter.minimum <= value <= parameter.maximum:
            limit = f"at least {parameter.minimum:g}" if value < parameter.minimum else f"at most {parameter.maximum:g}"
            raise Misuse(f"{parameter.name} must be {limit}", at=argument.at)
        return value
