"""Makes forms, simplified as far as may be without changing what they mean; and what can be asked of forms."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from domain.market import Interval
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
    Number,
    Over,
    Past,
    Sum,
    Ticker,
    Truth,
)

FORMS_REMEMBERED = 100_000
MOST_PARTS = 1_000
"""Terms of a sum, or conditions side by side; more is refused with ValueError."""


Kind = TypeVar("Kind", bound="Form")
_known: WeakValueDictionary[tuple[Any, ...], Form] = WeakValueDictionary()
_OPPOSITE = {"<": ">=", ">": "<=", "<=": ">", ">=": "<", "==": "!=", "!=": "=="}
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
_COMPUTE: dict[str, Callable[[float, float], float]] = {
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "%": lambda a, b: a % b,
}
_POSITIVE_COLUMNS = ("open", "high", "low", "close")
_OF_POSITIVE = ("sma", "ema", "highest", "lowest")


def _made(kind: type[Kind], *fields: Any) -> Kind:
    key = (kind, *fields)
    found = _known.get(key)
    if found is None:
        found = _known[key] = kind(*fields)
    assert isinstance(found, kind)
    return found


def constant(value: float) -> Constant:
    """A number."""
    if math.isnan(value):
        return NAN
    return _made(Constant, float(value) + 0.0)


YES, NO, ZERO, ONE = _made(Truth, bool(1)), _made(Truth, bool(0)), constant(0), constant(1)


NAN = _made(Constant, math.nan)
"""What no comparison holds for."""


def truth(known: object) -> Truth:
    """A condition that is known."""
    return YES if known else NO


def column(name: str, interval: Interval | None = None) -> Column:
    """A column of candles now."""
    return _made(Column, interval, name)


def ticker(name: str) -> Ticker:
    """A field of the ticker."""
    return _made(Ticker, name)


def call(function: str, inputs: Sequence[Form], parameters: Sequence[float] = (), output: str = "") -> Call:
    """A call of a function on series."""
    return _made(Call, function, tuple(inputs), tuple(map(float, parameters)), output)


def add(left: Number, right: Number) -> Number:
    """left + right."""
    if NAN in (left, right):
        return NAN
    terms = [*_terms(left), *_terms(right)]
    known = sum(term.value for term in terms if isinstance(term, Constant))
    rest = [term for term in terms if not isinstance(term, Constant)]
    if known or not rest:
        rest.append(constant(known))
    return rest[0] if len(rest) == 1 else _made(Sum, _few(rest))


def _few(parts: Sequence[Any]) -> tuple[Any, ...]:
    if len(parts) > MOST_PARTS:
        raise ValueError("this becomes too large")
    return tuple(parts)


def _terms(number: Number) -> tuple[Number, ...]:
    return number.terms if isinstance(number, Sum) else (number,)


def arithmetic(operator: str, left: Number, right: Number) -> Number:
    """left (- * / %) right. Raises ZeroDivisionError for numbers known beforehand."""
    if NAN in (left, right):
        return NAN
    if isinstance(left, Constant) and isinstance(right, Constant):
        return constant(_COMPUTE[operator](left.value, right.value))
    if right is ONE and operator in "*/":
        return left
    if right is ZERO and operator == "-":
        return left
    if left is ONE and operator == "*":
        return right
    if ZERO in (left, right) and operator == "*":
        return ZERO
    return _made(Arithmetic, operator, left, right)


def extreme(which: str, parts: Sequence[Number]) -> Number:
    """The least or greatest of the parts."""
    nested = (part.parts if isinstance(part, Extreme) and part.which == which else (part,) for part in parts)
    flat = tuple(dict.fromkeys(part for each in nested for part in each))
    known = [part.value for part in flat if isinstance(part, Constant)]
    rest: tuple[Number, ...] = tuple(part for part in flat if not isinstance(part, Constant))
    bound = (min if which == "min" else max)(known, default=None)
    if bound is not None and (not rest or abs(bound) != float("inf")):
        rest = (*rest, constant(bound))
    return rest[0] if len(rest) == 1 else _made(Extreme, which, _few(rest))


def function(name: str, *arguments: Number) -> Number:
    """A function of numbers at one candle."""
    return _made(Function, name, arguments)


def over(word: str, condition: Condition, candles: int) -> Condition:
    """The condition over candles."""
    return _made(Over, word, condition, candles, 0)


def held(condition: Condition) -> Number:
    """The condition as 1 or 0."""
    return constant(condition.holds) if isinstance(condition, Truth) else _made(Held, condition)


def choice(condition: Condition, then: Number, other: Number) -> Number:
    """`then` where the condition holds, else `other`."""
    if isinstance(condition, Truth) or then is other:
        return then if condition is YES or then is other else other
    if isinstance(condition, Comparison) and {then, other} == {condition.left, condition.right}:
        takes_left = then is condition.left
        if condition.operator in ("<", "<=", ">", ">="):
            return extreme("min" if (condition.operator[0] == "<") is takes_left else "max", (other, then))
    step = _difference(then, other)
    return add(other, arithmetic("*", held(condition), step))


def _difference(then: Number, other: Number) -> Number:
    """then - other, without what the two have in common."""
    mine, theirs = list(_terms(then)), list(_terms(other))
    for term in tuple(theirs):
        if term in mine:
            mine.remove(term)
            theirs.remove(term)
    total: Number = ZERO
    for term in mine:
        total = add(total, term)
    for term in theirs:
        total = add(total, constant(-term.value)) if isinstance(term, Constant) else arithmetic("-", total, term)
    return total


def compare(operator: str, left: Number, right: Number) -> Condition:
    """The comparison."""
    if NAN in (left, right):
        return truth(operator == "!=")
    if isinstance(left, Constant) and isinstance(right, Constant):
        return truth(_COMPARE[operator](left.value, right.value))
    if isinstance(left, Constant):
        return compare({"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(operator, operator), right, left)
    if isinstance(right, Constant):
        if abs(right.value) == float("inf"):
            return truth(_COMPARE[operator](0.0, right.value))
        if right.value <= 0 and is_positive(left):
            return truth(operator in (">", ">=", "!="))
        if (counted := _counted(operator, left, right.value)) is not None:
            return counted
    if left is right:
        return truth(operator in ("<=", ">=", "=="))
    return _made(Comparison, operator, left, right)


def _counted(operator: str, left: Number, bound: float) -> Condition | None:
    """A comparison of how many of some conditions hold, where that is all, any or none of them."""
    terms = _terms(left)
    conditions = [term.condition for term in terms if isinstance(term, Held)]
    if len(conditions) != len(terms):
        return None
    least = {">=": bound, ">": int(bound // 1) + 1, "==": bound if bound == len(terms) else None}.get(operator)
    if least is not None and least <= 0:
        return YES
    if least is not None and least > len(terms):
        return NO
    if least == len(terms):
        return both(*conditions)
    if least == 1 and operator != "==":
        return either(*conditions)
    if (operator, bound) in (("==", 0), ("<", 1), ("<=", 0)):
        return negation(either(*conditions))
    return None


@lru_cache(maxsize=FORMS_REMEMBERED)
def is_positive(number: Number) -> bool:
    """Whether the number is always above zero: a price, or made of prices alone."""
    match number:
        case Constant(value=value):
            return value > 0
        case Column(name=name):
            return name in _POSITIVE_COLUMNS
        case Past(number=inner):
            return is_positive(inner)
        case Call(function=name, inputs=inputs):
            return name in _OF_POSITIVE and all(isinstance(each, Number) and is_positive(each) for each in inputs)
        case Sum(terms=parts) | Extreme(parts=parts):
            return all(map(is_positive, parts))
        case Arithmetic(operator="*" | "/", left=left, right=right):
            return is_positive(left) and is_positive(right)
    return False


@lru_cache(maxsize=FORMS_REMEMBERED)
def negation(condition: Condition) -> Condition:
    """The opposite."""
    match condition:
        case Truth(holds=holds):
            return truth(not holds)
        case Not(condition=inner):
            return inner
        case Comparison(operator=operator, left=left, right=right):
            return _made(Comparison, _OPPOSITE[operator], left, right)
        case Joined(word=word, parts=parts):
            return (either if word == "and" else both)(*map(negation, parts))
    return _made(Not, condition)


def both(*conditions: Condition) -> Condition:
    """All of them."""
    return _joined("and", conditions, deciding=NO)


def either(*conditions: Condition) -> Condition:
    """One of them at least."""
    return _joined("or", conditions, deciding=YES)


def _joined(word: str, conditions: Sequence[Condition], deciding: Truth) -> Condition:
    nested = (each.parts if isinstance(each, Joined) and each.word == word else (each,) for each in conditions)
    parts = dict.fromkeys(part for group in nested for part in group if part is not negation(deciding))
    parts = {part: None for part in parts if not _is_absorbed(word, part, parts)}
    if deciding in parts or any(negation(part) in parts for part in parts):
        return deciding
    reduced = [_reduced(word, part, parts) for part in parts]
    if reduced != list(parts):
        return _joined(word, reduced, deciding)
    if not parts:
        return negation(deciding)
    return next(iter(parts)) if len(parts) == 1 else _made(Joined, word, _few(list(parts)))


def _is_absorbed(word: str, part: Condition, parts: dict[Condition, None]) -> bool:
    """`x != 0` beside `x > 1`, and `a or b` beside `a`, say nothing more."""
    if word == "and" and isinstance(part, Comparison) and part.operator == "!=" and part.right is ZERO:
        return any(_excludes_zero(other, part.left) for other in parts)
    opposite = "or" if word == "and" else "and"
    return isinstance(part, Joined) and part.word == opposite and any(inner in parts for inner in part.parts)


def _reduced(word: str, part: Condition, parts: dict[Condition, None]) -> Condition:
    """`not a or b` beside `a` is `b`."""
    if not isinstance(part, Joined) or part.word == word:
        return part
    rest = [inner for inner in part.parts if negation(inner) not in parts]
    return part if len(rest) == len(part.parts) else (either if word == "and" else both)(*rest)


def _excludes_zero(condition: Condition, number: Number) -> bool:
    if not (isinstance(condition, Comparison) and condition.left is number and isinstance(condition.right, Constant)):
        return False
    return not _COMPARE[condition.operator](0.0, condition.right.value) and condition.operator != "!="


def chosen(condition: Condition, then: Condition, other: Condition) -> Condition:
    """`then` where the condition holds, else `other`."""
    if then is other:
        return then
    return either(both(condition, then), both(negation(condition), other))


@lru_cache(maxsize=FORMS_REMEMBERED)
def shifted(form: Any, candles: int) -> Any:
    """The form as it was so many candles before; less than none is refused with ValueError, as is the past of the ticker."""
    match form:
        case _ if candles == 0:
            return form
        case Constant() | Truth():
            return form
        case Column() | Call():
            return _past(form, candles)
        case Past(number=number, ago=ago):
            return _past(number, ago + candles)
        case Over(word=word, condition=condition, candles=width, ago=ago):
            return _made(Over, word, condition, width, ago + candles)
        case Ticker():
            raise ValueError("the ticker has no past")
    return rebuilt(form, lambda part: shifted(part, candles))


def _past(number: Number, ago: int) -> Number:
    if ago < 0:
        raise ValueError("the future is not known")
    return _made(Past, number, ago) if ago else number


def rebuilt(form: Form, change: Callable[[Any], Any]) -> Form:
    """The form with each of its parts changed; columns, calls and constants have none."""
    match form:
        case Arithmetic(operator=operator, left=left, right=right):
            return arithmetic(operator, change(left), change(right))
        case Sum(terms=terms):
            total: Number = ZERO
            for term in terms:
                total = add(total, change(term))
            return total
        case Extreme(which=which, parts=parts):
            return extreme(which, [change(part) for part in parts])
        case Function(name=name, arguments=arguments):
            return function(name, *map(change, arguments))
        case Held(condition=condition):
            return held(change(condition))
        case Comparison(operator=operator, left=left, right=right):
            return compare(operator, change(left), change(right))
        case Not(condition=condition):
            return negation(change(condition))
        case Joined(word=word, parts=conditions):
            return (both if word == "and" else either)(*map(change, conditions))
    return form


def is_of_time(form: Form) -> bool:
    """Whether all of it is computed from the times of candles."""
    leaves = {each.name for each in everything_in(form) if isinstance(each, Column | Ticker)}
    return bool(leaves) and leaves <= TIMES


def everything_in(*forms: Form) -> Iterator[Form]:
    """The forms and all they are made of, each once."""
    pending: list[Form] = list(forms)
    seen: set[Form] = set()
    while pending:
        form = pending.pop()
        if form not in seen:
            seen.add(form)
            pending.extend(parts_of(form))
            yield form


def parts_of(form: Form) -> Iterator[Form]:
    """The forms it is directly made of, inputs of calls included."""
    match form:
        case Past(number=part) | Held(condition=part) | Not(condition=part) | Over(condition=part):
            yield part
        case Call(inputs=parts) | Sum(terms=parts) | Extreme(parts=parts) | Function(arguments=parts) | Joined(parts=parts):
            yield from parts
        case Arithmetic(left=left, right=right) | Comparison(left=left, right=right):
            yield from (left, right)
