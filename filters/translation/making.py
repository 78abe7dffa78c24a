"""Makes forms, simplified as far as may be without changing what they mean."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from domain.market import Interval
from filters.translation.forms import (
    FORMS_REMEMBERED,
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
    is_positive,
)

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


YES, NO = _made(Truth, True), _made(Truth, False)  # noqa: FBT003 - its only field
ZERO, ONE = constant(0), constant(1)
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


def past(number: Number, ago: int) -> Number:
    """The value of a column or call so many candles ago. Raises ValueError for the future."""
    if ago < 0:
        raise ValueError("the future is not known")
    return _made(Past, number, ago) if ago else number


def over(word: str, condition: Condition, candles: int, ago: int = 0) -> Condition:
    """The condition over candles, the newest of them `ago` candles ago."""
    return _made(Over, word, condition, candles, ago)


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
