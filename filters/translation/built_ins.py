"""Functions that browser filters find by name, such as Math.max and parseFloat, and what dates and numbers written out come to."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from filters.translation.forms import Condition, Constant, Number
from filters.translation.making import ZERO, add, column, constant, extreme, function, truth
from filters.translation.operations import calculated, number_of, truth_of
from filters.translation.values import UNDEFINED, Items, Moment, Nothing, Text, Untranslatable


def of_date(owner: Any) -> Number:
    """What a date tells."""
    return function("date", owner.time if isinstance(owner, Moment) else column("open_time"))


def moment(arguments: list[Any]) -> Moment:
    """`new Date(...)`: without arguments the clock, which stands at the close of the candle."""
    return Moment(number_of(arguments[0]) if arguments else column("close_time"))


def fixed(number: Number, digits: Any = ZERO) -> Text:
    places = number_of(digits)
    if not isinstance(places, Constant):
        raise Untranslatable("how many digits this has depends on the candles")
    if isinstance(number, Constant):
        return Text(f"{number.value:.{int(places.value)}f}")
    return Text(number=function("round", number, places), is_partial=True)


def _known(compute: Callable[[float], float], name: str) -> Callable[..., Number]:
    """A function of one number, computed where the number is known."""

    def apply(value: Any = UNDEFINED, *_: Any) -> Number:
        number = number_of(value)
        return constant(compute(number.value)) if isinstance(number, Constant) else function(name, number)

    return apply


def _rounded(value: Any, *_: Any) -> Number:
    return _known(math.floor, "floor")(add(number_of(value), constant(0.5)))


def _root(value: Any, *_: Any) -> Number:
    return _known(lambda number: math.sqrt(number) if number >= 0 else math.nan, "sqrt")(value)


def _is_nan(value: Any = UNDEFINED, *_: Any) -> Condition:
    number = number_of(value)
    return truth(isinstance(number, Constant) and math.isnan(number.value))


def _is_finite(value: Any = UNDEFINED, *_: Any) -> Condition:
    number = number_of(value)
    return truth(not isinstance(number, Constant) or math.isfinite(number.value))


def _parsed(value: Any = UNDEFINED, *_: Any) -> Number:
    return number_of(UNDEFINED) if isinstance(value, Nothing) else number_of(value)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "parseFloat": _parsed,
    "Number": lambda value=ZERO, *_: number_of(value),
    "Number.parseFloat": _parsed,
    "Boolean": lambda value=UNDEFINED, *_: truth_of(value),
    "isNaN": _is_nan,
    "Number.isNaN": _is_nan,
    "isFinite": _is_finite,
    "Number.isFinite": _is_finite,
    "Array.isArray": lambda value=UNDEFINED, *_: truth(isinstance(value, Items)),
    "Math.max": lambda *values: extreme("max", [constant(-math.inf), *map(number_of, values)]),
    "Math.min": lambda *values: extreme("min", [constant(math.inf), *map(number_of, values)]),
    "Math.abs": _known(abs, "abs"),
    "Math.sqrt": _root,
    "Math.log": _known(lambda number: math.log(number) if number > 0 else math.nan, "log"),
    "Math.floor": _known(math.floor, "floor"),
    "Math.ceil": _known(math.ceil, "ceil"),
    "Math.round": _rounded,
    "Math.sign": _known(lambda number: math.copysign(1, number) if number else 0, "sign"),
    "Math.pow": lambda base, exponent: calculated("**", base, exponent),
}
"""By path. What is missing here is refused."""
