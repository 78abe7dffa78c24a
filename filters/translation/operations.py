"""JavaScript's operators on the values of a filter that is being read, oddities included."""

import math
from typing import Any

from filters.translation.forms import Condition, Constant, Number, is_positive
from filters.translation.making import NAN, NO, YES, ZERO, add, arithmetic, choice, chosen, compare, constant, held, negation, truth
from filters.translation.values import LONGEST_TEXT, NULL, UNDEFINED, Either, Moment, Nothing, Text, Untranslatable


def number_of(value: Any) -> Number:
    """The value as a number, as `Number(...)` and arithmetic take it. Raises Untranslatable."""
    match value:
        case Number():
            return value
        case Condition():
            return held(value)
        case Text(number=Number() as number):
            return number
        case Text(text=text):
            return constant(_parsed(text))
        case Nothing():
            return ZERO if value is NULL else NAN
        case Moment(time=time):
            return time
        case Either(condition=condition, then=then, other=other):
            return choice(condition, number_of(then), number_of(other))
    raise Untranslatable("this is used as a number and is none")


def _parsed(text: str) -> float:
    try:
        return float(text.strip() or "0")
    except ValueError:
        return math.nan


def truth_of(value: Any) -> Condition:
    """Whether the value counts as true."""
    match value:
        case Condition():
            return value
        case Constant(value=number):
            return truth(number and not math.isnan(number))
        case Number():
            return YES if is_positive(value) else compare("!=", value, ZERO)
        case Text(text=text, number=number):
            return truth(text or number is not None)
        case Nothing():
            return NO
        case Either(condition=condition, then=then, other=other):
            return chosen(condition, truth_of(then), truth_of(other))
    return YES


def choose(condition: Condition, then: Any, other: Any) -> Any:
    """`condition ? then : other`."""
    if condition is YES or then is other:
        return then
    if condition is NO:
        return other
    if isinstance(then, Condition) and isinstance(other, Condition):
        return chosen(condition, then, other)
    if isinstance(then, Number) and isinstance(other, Number):
        return choice(condition, then, other)
    return Either(condition, then, other)


def calculated(operator: str, left: Any, right: Any) -> Any:
    """`+ - * / % **` of two values. Raises Untranslatable."""
    if operator == "+" and (isinstance(left, Text) or isinstance(right, Text)):
        return _joined(left, right)
    a, b = number_of(left), number_of(right)
    if operator == "+":
        return add(a, b)
    if operator == "**":
        return _power(a, b)
    if isinstance(a, Constant) and b is ZERO and operator in "/%":
        return constant(math.copysign(math.inf, a.value)) if a.value and operator == "/" else NAN
    if operator not in ("-", "*", "/", "%"):
        raise Untranslatable(f"{operator} has no counterpart in the expression language")
    if operator == "%" and not (isinstance(a, Constant) or is_positive(a)):
        raise Untranslatable("% of a number that may be negative means another thing in the expression language")
    return arithmetic(operator, a, b)


def _joined(left: Any, right: Any) -> Text:
    parts = [_text_of(left), _text_of(right)]
    return Text((parts[0].text + parts[1].text)[:LONGEST_TEXT], is_partial=any(part.is_partial for part in parts))


def _text_of(value: Any) -> Text:
    match value:
        case Text(number=None):
            return value
        case Constant(value=number):
            return Text(f"{number:g}")
        case Nothing():
            return Text(value.value)
    return Text("", is_partial=True)


def text_of(value: Any) -> Text:
    """The value as text; what depends on the candles is left out."""
    return _text_of(value)


def _power(base: Number, exponent: Number) -> Number:
    if not isinstance(exponent, Constant) or exponent.value not in (1, 2, 3):
        raise Untranslatable("only powers of 2 and 3 are translated")
    result = base
    for _ in range(int(exponent.value) - 1):
        result = arithmetic("*", result, base)
    return result


def compared(operator: str, left: Any, right: Any) -> Condition:
    """A comparison of two values. Raises Untranslatable."""
    for value, is_left in ((left, True), (right, False)):
        if isinstance(value, Either):
            sides = [compared(operator, each, right) if is_left else compared(operator, left, each) for each in (value.then, value.other)]
            return chosen(value.condition, *sides)
    if operator in ("!=", "!=="):
        return negation(compared(operator.replace("!", "="), left, right))
    if operator in ("==", "==="):
        return _equal(left, right, is_strict=operator == "===")
    if isinstance(left, Text) and isinstance(right, Text):
        raise Untranslatable("this compares two texts letter by letter, not two numbers: parseFloat is missing")
    return compare(operator, number_of(left), number_of(right))


def _equal(left: Any, right: Any, *, is_strict: bool) -> Condition:
    if isinstance(left, Nothing) or isinstance(right, Nothing):
        return truth(left is right or (not is_strict and isinstance(left, Nothing) and isinstance(right, Nothing)))
    if isinstance(left, Text) and isinstance(right, Text) and left.number is None and right.number is None:
        return truth(left.text == right.text)
    if isinstance(left, Condition) and isinstance(right, Condition):
        return chosen(left, right, negation(right))
    if isinstance(left, Number) and isinstance(right, Number):
        return compare("==", left, right)
    if is_strict and type(left) is not type(right) and all(isinstance(each, Number | Condition | Text) for each in (left, right)):
        return NO
    return compare("==", number_of(left), number_of(right))


def is_undefined(value: Any) -> bool:
    """Whether it is surely null or undefined."""
    return value is NULL or value is UNDEFINED
