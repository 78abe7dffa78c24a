"""Finds windows: what a loop over candles adds up, compares or asks for one by one becomes one function over so many candles."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from filters.translation.changing import rebuilt, shifted
from filters.translation.forms import (
    FORMS_REMEMBERED,
    Arithmetic,
    Call,
    Column,
    Constant,
    Extreme,
    Form,
    Held,
    Joined,
    Number,
    Over,
    Past,
    Sum,
    Ticker,
    Truth,
    everything_in,
    parts_of,
)
from filters.translation.making import ZERO, add, arithmetic, both, call, constant, either, extreme, over

LEAST = 3
"""So many neighbours make a window."""
_EXTREMES = {"max": "highest", "min": "lowest"}
_OVER = {"and": "all_of", "or": "any_of"}


class Windows:
    """Rewrites forms; what has been rewritten once is remembered."""

    def __init__(self) -> None:
        self._done: dict[Form, Form] = {}

    def found(self, form: Any) -> Any:
        """The form with windows where there were neighbours. Means the same."""
        if form not in self._done:
            self._done[form] = self._found(form)
        return self._done[form]

    def _found(self, form: Form) -> Form:
        match form:
            case Sum(terms=terms):
                if spread := self._variance(terms):
                    return spread
                total: Number | None = None
                for part in self._grouped(terms, _sum):
                    total = part if total is None else add(total, part)
                return form if total is None else total
            case Extreme(which=which, parts=parts):
                return extreme(which, list(self._grouped(parts, lambda each, n: call(_EXTREMES[which], [each], [n]))))
            case Joined(word=word, parts=conditions):
                return (both if word == "and" else either)(*self._grouped(conditions, lambda each, n: over(_OVER[word], each, n)))
        form = rebuilt(form, self.found)
        return _average(form) if isinstance(form, Arithmetic) else form

    def _variance(self, terms: Sequence[Number]) -> Number | None:
        """The squares of how far each of some neighbours is from the mean of them all."""
        differences = [_squared(term) for term in terms]
        values = [each.left for each in differences if each is not None]
        length, newest = _run(values, 0) if len(values) == len(terms) else (0, ZERO)
        means = {each.right for each in differences if each is not None}
        if length < LEAST or length != len(terms) or len(means) != 1 or not isinstance(newest, Number):
            return None
        ago = youngest(newest)
        series = self.found(shifted(newest, -ago))
        if self.found(means.pop()) is not shifted(call("sma", [series], [length]), ago):
            return None
        variance: Number = shifted(call("var", [series], [length]), ago)
        return arithmetic("*", variance, constant(length))

    def _grouped(self, parts: Sequence[Any], window: Any) -> Iterator[Any]:
        """The parts, with each run of neighbours as one."""
        start = 0
        while start < len(parts):
            length, newest = _run(parts, start)
            if length >= LEAST:
                ago = youngest(newest)
                yield shifted(window(self.found(shifted(newest, -ago)), length), ago)
            else:
                length = 1
                yield self.found(parts[start])
            start += length


def _run(parts: Sequence[Form], start: int) -> tuple[int, Form]:
    """How many parts from here on are one candle apart, and the newest of them."""
    first = parts[start]
    if not is_of_one_interval(first):
        return 1, first
    for step in (1, -1):
        length = 1
        while start + length < len(parts) and _is_neighbour(parts[start + length - 1], parts[start + length], step):
            length += 1
        if length >= LEAST:
            return length, first if step == 1 else parts[start + length - 1]
    return 1, first


def _is_neighbour(here: Form, there: Form, step: int) -> bool:
    older, newer = (there, here) if step == 1 else (here, there)
    return older is not newer and is_of_one_interval(newer) and shifted(newer, 1) is older


def _sum(each: Number, candles: int) -> Number:
    return call("count", [each.condition], [candles]) if isinstance(each, Held) else call("sum", [each], [candles])


def _squared(term: Number) -> Arithmetic | None:
    """The difference whose square this is."""
    match term:
        case Arithmetic(operator="*", left=Arithmetic(operator="-") as difference, right=right) if difference is right:
            return difference
    return None


def _average(form: Arithmetic) -> Number:
    match form:
        case Arithmetic(operator="/", left=Arithmetic(operator="*", left=whole, right=Constant() as n), right=width) if n is width:
            return whole
        case Arithmetic(operator="/", left=Call(function="sum", inputs=inputs, parameters=(n,)), right=Constant(value=width)) if n == width:
            return call("sma", inputs, (n,))
        case Arithmetic(operator="/", left=Past(number=Call(function="sum") as total, ago=ago), right=Constant() as width):
            mean = _average_of(total, width)
            return form if mean is None else shifted(mean, ago)
    return form


def _average_of(total: Call, width: Constant) -> Number | None:
    return call("sma", total.inputs, total.parameters) if total.parameters == (width.value,) else None


@lru_cache(maxsize=FORMS_REMEMBERED)
def youngest(form: Form) -> int:
    """How many candles ago the newest candle is that the form looks at by itself."""
    match form:
        case Past(ago=ago) | Over(ago=ago):
            return ago
        case Column() | Call():
            return 0
        case Constant() | Truth():
            return 1_000_000
    return min(map(youngest, parts_of(form)))


def is_of_one_interval(form: Form) -> bool:
    """Whether all of it moves candle by candle together: another interval's candles do not, and the ticker not at all."""
    leaves = [each for each in everything_in(form) if isinstance(each, Column | Ticker)]
    return not any(isinstance(leaf, Ticker) for leaf in leaves) and len({leaf.interval for leaf in leaves if isinstance(leaf, Column)}) == 1
