"""Arithmetic on vectors and matrices of values, element by element.

A *condition* is int8 with three values: 1 holds, -1 does not hold, 0 unknown because a value it needs is NaN. So `and` is the minimum,
`or` the maximum and `not` the negative, and an unknown condition stays unknown whatever it is combined with: NaN never matches.
Every kernel gives the same bits for an element whatever the shape around it.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Condition = NDArray[np.int8]
Array = NDArray[Any]
Kernel = Callable[..., Array]

UNKNOWN = 0


def finite(values: Values) -> Values:
    """The values with infinities replaced by NaN, in place."""
    np.copyto(values, np.nan, where=np.isinf(values))
    return values


def _divide(left: Values, right: Values) -> Values:
    return finite(np.true_divide(left, right))


def _modulo(left: Values, right: Values) -> Values:
    return finite(np.mod(left, right))


def _power(base: Values, exponent: Values) -> Values:
    # numpy takes another path, a last bit apart, for strided or broadcast operands
    left, right = np.broadcast_arrays(base, exponent)
    return finite(np.power(np.ascontiguousarray(left), np.ascontiguousarray(right)))


def _log(values: Values) -> Values:
    return finite(np.log(np.ascontiguousarray(values)))


def _round(values: Values, digits: float) -> Values:
    return np.round(values, int(digits))


def _or_else(values: Values, replacement: Values) -> Values:
    return np.where(np.isnan(values), replacement, values)


def _greater(left: Values, right: Values) -> Condition:
    return _decided(np.greater(left, right), np.less_equal(left, right))


def _at_least(left: Values, right: Values) -> Condition:
    return _decided(np.greater_equal(left, right), np.less(left, right))


def _equal(left: Values, right: Values) -> Condition:
    return _decided(np.equal(left, right), np.less(left, right) | np.greater(left, right))


def _decided(holds: NDArray[np.bool_], fails: NDArray[np.bool_]) -> Condition:
    return holds.view(np.int8) - fails.view(np.int8)


def _minimum(*values: Array) -> Array:
    return reduce(np.minimum, values)


def _maximum(*values: Array) -> Array:
    return reduce(np.maximum, values)


POINTWISE: Mapping[str, Kernel] = MappingProxyType(
    {
        "add": np.add,
        "subtract": np.subtract,
        "multiply": lambda left, right: finite(np.multiply(left, right)),
        "divide": _divide,
        "modulo": _modulo,
        "power": _power,
        "negative": np.negative,
        "absolute": np.absolute,
        "minimum": _minimum,
        "maximum": _maximum,
        "round": _round,
        "log": _log,
        "sqrt": np.sqrt,
        "sign": np.sign,
        "or_else": _or_else,
        "greater": _greater,
        "at_least": _at_least,
        "equal": _equal,
        "not": np.negative,
    }
)
"""Each takes and gives arrays of one shape; numbers may stand for arrays."""


def _window(combine: Callable[[Array, Array], Array], values: Array, candles: int) -> Array:
    """Combine every `candles` neighbours of a row by doubling, exact for minimum and maximum: log2(candles) passes."""
    width = 1
    while 2 * width <= candles:
        values = combine(values[:, :-width], values[:, width:])
        width *= 2
    rest = candles - width
    return combine(values[:, : values.shape[1] - rest], values[:, rest:]) if rest else values


def _count(conditions: Condition, candles: int) -> Values:
    known = np.where(conditions == UNKNOWN, np.nan, 0.0)
    holds = np.cumsum(conditions == 1, axis=1, dtype=np.float64)
    holds[:, candles:] -= holds[:, :-candles].copy()
    return holds[:, candles - 1 :] + _window(np.maximum, known, candles)


WINDOWED: Mapping[str, Callable[[Array, int], Array]] = MappingProxyType(
    {
        "lowest": lambda values, candles: _window(np.minimum, values, candles),
        "highest": lambda values, candles: _window(np.maximum, values, candles),
        "count": _count,
    }
)
"""Each takes [symbol x m] and a number n of candles, and gives [symbol x m-n+1]: column k looks at columns k to k+n-1."""


def last_known(conditions: Condition) -> NDArray[np.int64]:
    """Column of the last candle that held, up to each column; -1 where there was none or an unknown candle came since."""
    columns = np.arange(conditions.shape[1])
    held = np.maximum.accumulate(np.where(conditions == 1, columns, -1), axis=1)
    unknown = np.maximum.accumulate(np.where(conditions == UNKNOWN, columns, -1), axis=1)
    return np.where(held > unknown, held, -1)


def bars_since(conditions: Condition) -> Values:
    """Candles since the condition last held; NaN where it never did or that is unknown."""
    last = last_known(conditions)
    return np.where(last < 0, np.nan, np.arange(conditions.shape[1]) - last)


def value_when(conditions: Condition, values: Values) -> Values:
    """The value at the candle where the condition last held; NaN where it never did or that is unknown."""
    last = last_known(conditions)
    return np.where(last < 0, np.nan, np.take_along_axis(values, np.maximum(last, 0), axis=1))
