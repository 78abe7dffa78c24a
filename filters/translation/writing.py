"""Forms as text of the expression language."""

import ast
import keyword
import re
from collections import Counter
from collections.abc import Mapping

from domain.market import Interval
from filters.expression.values import BUILT_IN
from filters.translation.forms import (
    TIMES,
    Arithmetic,
    Call,
    Column,
    Comparison,
    Condition,
    Constant,
    Extreme,
    Form,
    Function,
    Held,
    Joined,
    Not,
    Over,
    Past,
    Sum,
    Ticker,
    Truth,
    everything_in,
    parts_of,
)
from filters.translation.making import YES
from filters.translation.values import Untranslatable

_OPERATORS: Mapping[str, ast.operator] = {"-": ast.Sub(), "*": ast.Mult(), "/": ast.Div(), "%": ast.Mod()}
_COMPARISONS: Mapping[str, ast.cmpop] = {
    "<": ast.Lt(),
    "<=": ast.LtE(),
    ">": ast.Gt(),
    ">=": ast.GtE(),
    "==": ast.Eq(),
    "!=": ast.NotEq(),
}
_DAY_WORDS = {"1d": "daily", "4h": "four_hourly", "1h": "hourly", "15m": "quarter_hourly", "5m": "five_minutes", "1m": "minutes"}


def written(match: Condition, conditions: Mapping[str, Condition], names: Mapping[Form, str]) -> str:
    """A filter with this match and these labelled conditions; `names` are what forms may be called."""
    roots = [*conditions.values(), match]
    labels: dict[Form, str] = {condition: label for label, condition in conditions.items()}
    writer = _Writer(roots, labels | dict(names))
    labelled = [f"condition({ast.unparse(ast.Constant(label))}, {writer.text(form)})" for label, form in conditions.items()]
    last = f"match = {writer.text(match)}"
    return "\n".join([*writer.lines, *labelled, last]) + "\n"


class _Writer:
    def __init__(self, roots: list[Condition], names: Mapping[Form, str]) -> None:
        self._wanted = names
        self._uses = Counter(part for form in everything_in(*roots) for part in parts_of(form)) + Counter(roots)
        self._names: dict[Form, str] = {}
        self._taken: set[str] = set()
        self._candles: dict[Interval, str] = {}
        self.lines: list[str] = []

    def text(self, form: Form) -> str:
        return ast.unparse(ast.fix_missing_locations(self._node(form)))

    def _node(self, form: Form) -> ast.expr:
        if form not in self._names and self._is_worth_a_name(form):
            text = ast.unparse(ast.fix_missing_locations(self._written(form)))
            self._names[form] = self._name(form)
            self.lines.append(f"{self._names[form]} = {text}")
        return ast.Name(self._names[form]) if form in self._names else self._written(form)

    def _is_worth_a_name(self, form: Form) -> bool:
        simple = isinstance(form, Column | Constant | Ticker | Truth) or (isinstance(form, Past) and isinstance(form.number, Column))
        return not simple and (self._uses[form] > 1 or (form in self._wanted and isinstance(form, Call | Arithmetic | Past)))

    def _name(self, form: Form) -> str:
        wanted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self._wanted.get(form, _described(form))).lower()
        base = re.sub(r"\W+", "_", wanted, flags=re.ASCII).strip("_").lstrip("_0123456789")[:30] or "value"
        candidates = (base, f"{base}_now", *(f"{base}_{n}" for n in range(2, 1000)))
        name = next(each for each in candidates if each not in self._taken and each not in BUILT_IN and not keyword.iskeyword(each))
        self._taken.add(name)
        return name

    def _written(self, form: Form) -> ast.expr:
        match form:
            case Constant(value=value):
                return _number(value)
            case Column() | Ticker() | Past() | Call():
                return self._series(form)
            case Sum(terms=terms):
                return self._sum(list(terms))
            case Arithmetic(operator=operator, left=left, right=right):
                return ast.BinOp(self._node(left), _OPERATORS[operator], self._node(right))
            case Extreme(which=which, parts=parts):
                return _called(which, [self._node(part) for part in parts])
            case Function(name=name, arguments=arguments):
                return _called(name, [self._node(argument) for argument in arguments])
            case Held(condition=condition):
                return self._held(condition)
        assert isinstance(form, Condition)
        return self._condition(form)

    def _held(self, condition: Condition) -> ast.expr:
        """1 or 0. The ticker has no past, so nothing of it can be counted over candles."""
        if not any(isinstance(part, Ticker) for part in everything_in(condition)):
            return _called("count", [self._node(condition), _number(1)])
        match condition:
            case Comparison(operator="<" | "<=" | ">" | ">=" as operator, left=left, right=right):
                greater, less = (left, right) if operator in (">", "<=") else (right, left)
                sign = _called("sign", [ast.BinOp(self._node(greater), ast.Sub(), self._node(less))])
                above = _called("max", [sign, _number(0)])
                return ast.BinOp(_number(1), ast.Sub(), above) if "=" in operator else above
            case Joined(word=word, parts=parts):
                return _called("min" if word == "and" else "max", [self._held(part) for part in parts])
            case Not(condition=inner):
                return ast.BinOp(_number(1), ast.Sub(), self._held(inner))
        raise Untranslatable("this counts what holds of the ticker")

    def _series(self, form: Form) -> ast.expr:
        match form:
            case Column(name=name) if name in TIMES:
                raise Untranslatable("the time of a candle has no counterpart; what has summed since midnight is vwap()")
            case Column(interval=None, name=name):
                return ast.Name(name)
            case Column(interval=Interval() as interval, name=name):
                return ast.Attribute(ast.Name(self._candles_of(interval)), name)
            case Ticker(name=name):
                return ast.Attribute(ast.Name("ticker"), name)
            case Past(number=number, ago=ago):
                return ast.Subscript(self._node(number), _number(ago))
            case Call(function=function, inputs=inputs, parameters=parameters, output=output):
                called = _called(function, [*map(self._node, inputs), *map(_number, parameters)])
                return ast.Attribute(called, output) if output else called
        raise AssertionError(form)

    def _condition(self, form: Condition) -> ast.expr:
        match form:
            case Comparison(operator=operator, left=left, right=right):
                return ast.Compare(self._node(left), [_COMPARISONS[operator]], [self._node(right)])
            case Not(condition=condition):
                return ast.UnaryOp(ast.Not(), self._node(condition))
            case Joined(word=word, parts=parts):
                return ast.BoolOp(ast.And() if word == "and" else ast.Or(), [self._node(part) for part in parts])
            case Over(word=word, condition=condition, candles=candles, ago=ago):
                called = _called(word, [self._node(condition), _number(candles)])
                return ast.Subscript(called, _number(ago)) if ago else called
        raise Untranslatable(f"it {'always' if form is YES else 'never'} matches")

    def _sum(self, terms: list[Form]) -> ast.expr:
        total = self._node(terms[0])
        for term in terms[1:]:
            if isinstance(term, Constant) and term.value < 0:
                total = ast.BinOp(total, ast.Sub(), _number(-term.value))
            else:
                total = ast.BinOp(total, ast.Add(), self._node(term))
        return total

    def _candles_of(self, interval: Interval) -> str:
        if interval not in self._candles:
            name = self._candles[interval] = _DAY_WORDS[interval]
            self._taken.add(name)
            self.lines.append(f'{name} = candles("{interval}")')
        return self._candles[interval]


def _called(function: str, arguments: list[ast.expr]) -> ast.Call:
    return ast.Call(ast.Name(function), arguments, [])


def _number(value: float) -> ast.expr:
    if value in (float("inf"), float("-inf")):
        raise Untranslatable("an infinite number is left over")
    whole = int(value) if value == int(value) and abs(value) < 1e15 else value
    return ast.UnaryOp(ast.USub(), ast.Constant(-whole)) if whole < 0 else ast.Constant(whole)


def _described(form: Form) -> str:
    match form:
        case Past(number=number):
            return f"{_described(number)}_before"
        case Call(function=function, parameters=parameters, output=output):
            return "_".join([function, *(f"{value:g}".replace(".", "_") for value in parameters[:1]), *([output] if output else [])])
    return "value" if not isinstance(form, Condition) else "holds"
