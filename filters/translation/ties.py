"""Where a filter hangs on the last bit of a number: two sides of a comparison that are equal but for rounding.

Both languages compute the same there and round differently (TA-Lib keeps running sums, the browser adds anew), so that either may say yes.
"""

from functools import lru_cache

from filters.translation.forms import FORMS_REMEMBERED, Call, Comparison, Condition, Form, Number, Over, parts_of
from filters.translation.making import NO, arithmetic, compare, constant, either, function, over

NEAR = 1e-9
"""Relative."""


def ties(match: Condition) -> Condition:
    """That at least one comparison of the match is one of numbers that are equal but for rounding."""
    return _within(match)


@lru_cache(maxsize=FORMS_REMEMBERED)
def _within(form: Form) -> Condition:
    match form:
        case Comparison(left=left, right=right):
            return either(_near(left, right), *map(_within, parts_of(form)))
        case Over(condition=condition, candles=candles, ago=ago):
            return _over(condition, candles + ago)
        case Call(function="count", inputs=(Condition() as counted,), parameters=(candles,)):
            return _over(counted, int(candles))
    return either(*map(_within, parts_of(form)))


def _over(condition: Condition, candles: int) -> Condition:
    found = _within(condition)
    return found if found is NO else over("any_of", found, candles)


def _near(left: Number, right: Number) -> Condition:
    size = arithmetic("*", function("max", function("abs", left), function("abs", right)), constant(NEAR))
    return compare("<=", function("abs", arithmetic("-", left, right)), size)
