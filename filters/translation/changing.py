"""Makes forms of forms: the same some candles before, and the same with other parts."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from filters.translation.forms import (
    FORMS_REMEMBERED,
    Arithmetic,
    Call,
    Column,
    Comparison,
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
from filters.translation.making import ZERO, add, arithmetic, both, compare, either, extreme, function, held, negation, over, past


@lru_cache(maxsize=FORMS_REMEMBERED)
def shifted(form: Any, candles: int) -> Any:
    """The form as it was so many candles before; less than none is refused with ValueError, as is the past of the ticker."""
    match form:
        case _ if candles == 0:
            return form
        case Constant() | Truth():
            return form
        case Column() | Call():
            return past(form, candles)
        case Past(number=number, ago=ago):
            return past(number, ago + candles)
        case Over(word=word, condition=condition, candles=width, ago=ago):
            return over(word, condition, width, ago + candles)
        case Ticker():
            raise ValueError("the ticker has no past")
    return rebuilt(form, lambda part: shifted(part, candles))


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
