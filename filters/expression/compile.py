"""Statements: a filter's text to a compiled filter, or every problem in it."""

import ast
from hashlib import sha256

from domain.errors import FilterRefusedError
from domain.filters import FilterProblem, FilterSpec
from domain.market import Interval
from filters.expression.compiled import SCORE, CompiledFilter
from filters.expression.cost import cost_of
from filters.expression.expressions import Expressions, Failed
from filters.expression.foreign_names import looks_like
from filters.expression.foreign_syntax import not_part
from filters.expression.graph import Graph
from filters.expression.nodes import Node
from filters.expression.parse import Source
from filters.expression.problems import Misuse, TooLarge
from filters.expression.values import BUILT_IN, RESULTS, Value

MAX_LABELS = 32
MAX_LABEL_LENGTH = 80
MAX_PROBLEMS = 50
_LANGUAGE_VERSION = "expression/1"


def compile_filter(spec: FilterSpec) -> CompiledFilter:
    """The filter ready to be evaluated. Raises FilterRefusedError with every problem found, in the order of the text."""
    source = Source(spec.code)
    return _Program(spec.interval, source).compile(source.parse())


class _Program:
    def __init__(self, interval: Interval, source: Source) -> None:
        self._source = source
        self._graph = Graph(interval)
        self._expressions = Expressions(self._graph, self._report)
        self._problems: list[FilterProblem] = []
        self._match: Node | None = None
        self._conditions: dict[str, Node] = {}
        self._series: dict[str, Node] = {}
        self._labels: dict[str, set[str]] = {"condition": set(), "plot": {SCORE}}
        self._assigned: set[str] = set()

    def compile(self, tree: ast.Module) -> CompiledFilter:
        try:
            for statement in tree.body:
                self._attempt(statement)
            if "match" not in self._assigned:
                self._report(Misuse("there is no line match = <condition>", at=tree.body[-1] if tree.body else None))
        except TooLarge as misuse:
            self._problems.append(self._problem(misuse))
        if self._problems or self._match is None:
            problems = sorted(dict.fromkeys(self._problems), key=lambda problem: (problem.line, problem.column))
            raise FilterRefusedError(tuple(problems))
        return self._compiled(self._match)

    def _report(self, misuse: Misuse) -> None:
        self._problems.append(self._problem(misuse))
        if len(self._problems) >= MAX_PROBLEMS:
            raise TooLarge("there may be more problems from here on", at=misuse.at)

    def _problem(self, misuse: Misuse) -> FilterProblem:
        return self._source.problem(misuse.message, misuse.at, misuse.suggestion)

    def _attempt(self, statement: ast.stmt) -> None:
        try:
            self._statement(statement)
            self._expressions.place(statement.lineno)
        except Failed:
            return
        except TooLarge:
            raise
        except Misuse as misuse:
            misuse.at = misuse.at or statement
            self._report(misuse)

    def _statement(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._assign(name, value)
            case ast.Assign():
                raise Misuse("give one name to one expression")
            case ast.Expr(value=ast.Call(func=ast.Name(id="condition" | "plot" as kind)) as call):
                self._labelled(kind, call)
            case ast.Expr(value=value):
                self._expressions.value(value)
                raise Misuse("this line does nothing: give its result a name")
            case _:
                raise not_part(statement)

    def _assign(self, name: str, expression: ast.expr) -> None:
        again = name in self._assigned
        self._assigned.add(name)
        try:
            value = self._assigned_value(name, expression)
        except Failed:
            self._expressions.names.setdefault(name, None)
            raise
        if again:
            raise Misuse(f"{name} has a value already; give this one another name")
        if plain := looks_like(name, BUILT_IN):
            raise Misuse(f"{name} is not {plain}, it only looks like it: choose another name")
        if name in BUILT_IN and name not in RESULTS:
            raise Misuse(f"{name} is a name of the language; choose another")
        if name.startswith("_"):
            raise Misuse("a name begins with a letter")
        if name not in RESULTS:
            self._expressions.names[name] = value

    def _assigned_value(self, name: str, expression: ast.expr) -> Value:
        if name == "match":
            self._match = self._graph.on_base(self._expressions.condition(expression, "match"))
            return self._match
        if name == SCORE:
            self._series[SCORE] = self._graph.on_base(self._expressions.number(expression, "score"))
            return self._series[SCORE]
        return self._expressions.value(expression)

    def _labelled(self, kind: str, call: ast.Call) -> None:
        match call:
            case ast.Call(args=[ast.Constant(value=str(label)) as place, expression], keywords=[]):
                self._check_label(kind, label, place)
            case _:
                raise Misuse(f'write {kind}("label", expression)')
        if kind == "condition":
            self._conditions[label] = self._graph.on_base(self._expressions.condition(expression, "condition"))
        else:
            self._series[label] = self._graph.on_base(self._expressions.number(expression, "plot"))

    def _check_label(self, kind: str, label: str, place: ast.AST) -> None:
        if not label.strip() or len(label) > MAX_LABEL_LENGTH:
            raise Misuse(f"a label has 1 to {MAX_LABEL_LENGTH} characters", at=place)
        if not label.isprintable():
            raise Misuse("a label has visible characters only", at=place)
        if label in self._labels[kind]:
            raise Misuse(f"the label {label!r} is taken", at=place)
        self._labels[kind].add(label)
        if len(self._labels[kind]) > MAX_LABELS:
            raise TooLarge(f"there are more than {MAX_LABELS} labels", at=place)

    def _compiled(self, match: Node) -> CompiledFilter:
        results = [match, *self._conditions.values(), *self._series.values()]
        required = {self._graph.base: 1}
        for node in results:
            for interval, candles in node.needs.items():
                required[interval] = max(candles, required.get(interval, 0))
        return CompiledFilter(
            interval=self._graph.base,
            match=match,
            conditions=self._conditions,
            series=self._series,
            required=required,
            cost=cost_of(self._graph.since(0), results, self._graph.indicators, self._expressions.lines),
            key=self._key(match),
            lines=self._expressions.lines,
        )

    def _key(self, match: Node) -> str:
        conditions = [f"{label!r}={node.key}" for label, node in self._conditions.items()]
        series = [f"{name!r}={node.key}" for name, node in self._series.items()]
        parts = [_LANGUAGE_VERSION, self._graph.base, match.key, *conditions, "|", *series]
        return sha256("\n".join(parts).encode(errors="surrogatepass")).hexdigest()
