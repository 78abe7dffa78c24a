"""Expressions: syntax trees to values. Everything not named here is not part of the language."""

import ast
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import Any

from domain.market import Interval
from filters.expression.binding import Argument, Binding
from filters.expression.foreign_names import PREFIXES, unknown
from filters.expression.foreign_syntax import not_part
from filters.expression.functions import Function
from filters.expression.graph import Graph
from filters.expression.language import at_least, every, greater
from filters.expression.nodes import Constant, Node
from filters.expression.problems import Misuse, TooLarge, nearest
from filters.expression.registry import FUNCTIONS
from filters.expression.values import BUILT_IN, SERIES, CandlesObject, Outputs, TickerObject, Value, attribute, plain, series

_ARITHMETIC: Mapping[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Mod: "modulo",
    ast.Pow: "power",
}
_BITWISE = {ast.BitAnd: "and", ast.BitOr: "or"}


class Failed(Exception):  # noqa: N818 - never leaves the compiler: the problem has been reported already
    """This expression has no value because a part of it has been refused."""


class Expressions:
    """Compiles expressions; problems are handed to `report` and end only the expression they stand in."""

    def __init__(self, graph: Graph, report: Callable[[Misuse], None]) -> None:
        self._graph = graph
        self._report = report
        self.names: dict[str, Value | None] = {}
        """Assigned names; `None` where the expression was refused."""
        self.lines: dict[str, int] = {}
        """Line of the innermost expression in which each node was made, by key."""

    def value(self, expression: ast.expr) -> Value:
        """What the expression stands for. Raises Failed once its problems have been reported."""
        with self._reporting(expression):
            handler = self._HANDLERS.get(type(expression))
            if handler is None:
                raise not_part(expression)
            result: Value = handler(self, expression)
            self.place(expression.lineno)
            return result

    def place(self, line: int) -> None:
        """Note the line for all nodes made since the last time."""
        for node in self._graph.since(len(self.lines)):
            self.lines[node.key] = line

    def node(self, expression: ast.expr) -> Node:
        """The expression as a series, number or condition. Raises Failed."""
        value = self.value(expression)
        with self._reporting(expression):
            return plain(value)

    def condition(self, expression: ast.expr, purpose: str) -> Node:
        """The expression as a condition. Raises Failed."""
        node = self.node(expression)
        with self._reporting(expression):
            if not node.is_condition:
                raise Misuse(f"{purpose} needs a condition, such as close > open, not a number")
            return node

    def number(self, expression: ast.expr, purpose: str) -> Node:
        """The expression as a series or number. Raises Failed."""
        node = self.node(expression)
        with self._reporting(expression):
            if node.is_condition:
                raise Misuse(f"{purpose} needs a number, not a condition")
            return node

    @contextmanager
    def _reporting(self, expression: ast.expr) -> Any:
        try:
            yield
        except TooLarge as misuse:
            misuse.at = misuse.at or expression
            raise
        except Misuse as misuse:
            misuse.at = misuse.at or expression
            self._report(misuse)
            raise Failed from None

    def _all(self, *attempts: Callable[[], Any]) -> list[Any]:
        """Every result, after trying each, so that all problems are reported. Raises Failed."""
        results, failed = [], False
        for attempt in attempts:
            try:
                results.append(attempt())
            except Failed:
                failed = True
        if failed:
            raise Failed
        return results

    def _constant(self, expression: ast.Constant) -> Value:
        if isinstance(expression.value, str):
            raise Misuse("text can only be a label or an interval")
        if isinstance(expression.value, bool) or not isinstance(expression.value, int | float):
            raise Misuse(f"{expression.value!r} is not part of the language")
        try:
            return self._graph.constant(float(expression.value))
        except OverflowError:
            raise Misuse("this number is too large") from None

    def _name(self, expression: ast.Name) -> Value:
        name = expression.id
        if name in self.names:
            value = self.names[name]
            if value is None:
                raise Failed
            return value
        if name in SERIES:
            return series(self._graph, self._graph.base, name)
        if name == "ticker":
            return TickerObject()
        raise self._unknown(name)

    def _unknown(self, name: str) -> Misuse:
        if name in FUNCTIONS:
            return Misuse(f"{name} is a function: write {FUNCTIONS[name].signature}")
        if name in BUILT_IN:
            return Misuse(f"{name} cannot be used as a value")
        return unknown("", name, {*BUILT_IN, *self.names})

    def _attribute(self, expression: ast.Attribute) -> Value:
        return attribute(self._graph, self.value(expression.value), expression.attr)

    def _subscript(self, expression: ast.Subscript) -> Value:
        node, candles = self._all(lambda: self.node(expression.value), lambda: self.number(expression.slice, "[...]"))
        if not isinstance(candles, Constant) or not candles.value.is_integer():
            raise Misuse("[...] needs a whole number of candles", at=expression.slice)
        if candles.value < 0:
            raise Misuse("[...] looks back: the future is not known", at=expression.slice)
        if isinstance(node, Constant):
            raise Misuse("a number has no past values")
        return self._graph.shifted(node, int(candles.value))

    def _unary(self, expression: ast.UnaryOp) -> Value:
        if isinstance(expression.op, ast.Not):
            condition = self.condition(expression.operand, "not")
            return self._graph.pointwise("not", condition, is_condition=True)
        if isinstance(expression.op, ast.Invert):
            raise Misuse("~ is not part of the language: write not")
        operand = self.number(expression.operand, "a sign")
        return operand if isinstance(expression.op, ast.UAdd) else self._graph.pointwise("negative", operand)

    def _binary(self, expression: ast.BinOp) -> Value:
        if word := _BITWISE.get(type(expression.op)):
            raise Misuse(f"& and | are not part of the language: write {word}")
        kernel = _ARITHMETIC.get(type(expression.op))
        if kernel is None:
            raise Misuse(not_part(expression.op).message)
        left, right = self._all(lambda: self.number(expression.left, "arithmetic"), lambda: self.number(expression.right, "arithmetic"))
        if kernel == "power" and isinstance(right, Constant) and right.value == 2:  # numpy does so itself for some shapes only
            return self._graph.pointwise("multiply", left, left)
        return self._graph.pointwise(kernel, left, right)

    def _bool(self, expression: ast.BoolOp) -> Value:
        kernel, word = ("minimum", "and") if isinstance(expression.op, ast.And) else ("maximum", "or")
        attempts = [lambda part=part: self.condition(part, word) for part in expression.values]
        first, *rest = self._all(*attempts)
        return self._graph.pointwise(kernel, first, *rest, is_condition=True)

    def _compare(self, expression: ast.Compare) -> Value:
        sides = [expression.left, *expression.comparators]
        nodes = self._all(*[lambda side=side: self.number(side, "a comparison") for side in sides])
        pairs = zip(expression.ops, nodes, nodes[1:], strict=False)
        return every(self._graph, [self._comparison(operator, left, right) for operator, left, right in pairs])

    def _comparison(self, operator: ast.cmpop, left: Node, right: Node) -> Node:
        graph = self._graph
        match operator:
            case ast.Gt():
                return greater(graph, left, right)
            case ast.Lt():
                return greater(graph, right, left)
            case ast.GtE():
                return at_least(graph, left, right)
            case ast.LtE():
                return at_least(graph, right, left)
            case ast.Eq() | ast.NotEq():
                equal = graph.pointwise("equal", left, right, is_condition=True)
                return equal if isinstance(operator, ast.Eq) else graph.pointwise("not", equal, is_condition=True)
        raise Misuse("this comparison is not part of the language")

    def _call(self, expression: ast.Call) -> Value:
        match expression.func:
            case ast.Name(id="candles"):
                return self._candles(expression)
            case ast.Name(id=name):
                return self._called(self._function(name), expression, self._graph.base)
            case ast.Attribute(value=ast.Name(id=prefix), attr=name) if prefix in PREFIXES and prefix not in self.names:
                raise Misuse(f"functions stand by themselves here, without {prefix!r}: write {self._function(name).signature}")
            case ast.Attribute(value=owner, attr=name):
                return self._method(owner, name, expression)
        raise Misuse("only functions can be called")

    def _function(self, name: str) -> Function:
        if function := FUNCTIONS.get(name):
            return function
        if name in ("condition", "plot"):
            raise Misuse(f"{name}(...) stands on a line of its own")
        if name in self.names or name in BUILT_IN:
            raise Misuse(f"{name} is not a function")
        raise unknown("function ", name, [*FUNCTIONS, "candles"])

    def _method(self, owner: ast.expr, name: str, expression: ast.Call) -> Value:
        value = self.value(owner)
        if not isinstance(value, CandlesObject):
            raise Misuse('only candles have functions of their own, such as candles("1h").atr(14)')
        function = self._function(name)
        if not function.inputs or not all(item.default for item in function.inputs):
            raise Misuse(f"{name} is not a function of candles: write {function.signature}")
        return self._called(function, expression, value.interval)

    def _called(self, function: Function, expression: ast.Call, interval: Interval) -> Value:
        positional = [lambda part=part: Argument(self.node(part), part) for part in expression.args]
        keywords = [lambda part=part: (self._keyword(part), Argument(self.node(part.value), part.value)) for part in expression.keywords]
        arguments = self._all(*positional, *keywords)
        _refuse_repeated(expression.keywords)
        given = arguments[: len(positional)]
        if interval is not self._graph.base and isinstance(expression.func, ast.Attribute) and _series_among(given):
            raise Misuse(f"{function.name} of candles reads their prices itself: give it numbers only")
        nodes = Binding(function, self._graph, interval).nodes(given, dict(arguments[len(positional) :]))
        return nodes[0] if len(nodes) == 1 else Outputs(function.name, dict(zip(function.outputs, nodes, strict=True)))

    def _keyword(self, keyword: ast.keyword) -> str:
        if keyword.arg is None:
            raise Misuse("** is not part of the language", at=keyword.value)
        return keyword.arg

    def _candles(self, expression: ast.Call) -> Value:
        match expression:
            case ast.Call(args=[ast.Constant(value=str(text))], keywords=[]):
                if text in list(Interval):
                    return CandlesObject(Interval(text))
                known = ", ".join(Interval)
                raise Misuse(f"there is no interval {text!r}; there are {known}", suggestion=nearest(text, Interval), at=expression.args[0])
        raise Misuse('candles needs an interval in quotes, such as candles("1h")')

    _HANDLERS: Mapping[type[ast.expr], Callable[..., Value]] = {
        ast.Constant: _constant,
        ast.Name: _name,
        ast.Attribute: _attribute,
        ast.Subscript: _subscript,
        ast.UnaryOp: _unary,
        ast.BinOp: _binary,
        ast.BoolOp: _bool,
        ast.Compare: _compare,
        ast.Call: _call,
    }


def _series_among(arguments: list[Argument]) -> bool:
    return any(not isinstance(argument.node, Constant) for argument in arguments)


def _refuse_repeated(keywords: list[ast.keyword]) -> None:
    seen: set[str | None] = set()
    for keyword in keywords:
        if keyword.arg in seen:
            raise Misuse(f"{keyword.arg} is given twice", at=keyword.value)
        seen.add(keyword.arg)
