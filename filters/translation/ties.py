"""Where a filter hangs on the last bit of a number: two sides of a comparison that are equal but for rounding.

Both languages compute the same there and round differently (TA-Lib keeps running sums, the browser adds anew), so that either may say yes.
"""

from filters.translation.forms import Call, Comparison, Condition, Form, Number, Over
from filters.translation.making import arithmetic, compare, constant, either, function, over, parts_of

NEAR = 1e-9
"""Relative."""


def ties(match: Condition) -> Condition:
    """That at least one comparison of the match is one of numbers that are equal but for rounding."""
    return either(*_within(match))


def _within(form: Form) -> list[Condition]:
    match form:
        case Comparison(left=left, right=right):
            found = [_near(left, right)]
        case Over(condition=condition, candles=candles, ago=ago):
            return [over("any_of", tie, candles + ago) for tie in _within(condition)]
        case Call(function="count", inputs=(inner,), parameters=(candles,)):
            return [over("any_of", tie, int(candles)) for tie in _within(inner)]
        case _:
            found = []
    return found + [tie for part in parts_of(form) for tie in _within(part)]


def _near(left: Number, right: Number) -> Condition:
    size = arithmetic("*", function("max", function("abs", left), function("abs", right)), constant(NEAR))
    return compare("<=", function("abs", arithmetic("-", left, right)), size)
