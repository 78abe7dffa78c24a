"""The form between the two languages: what a filter computes, as numbers and conditions of candles; and what can be asked of a form.

Made by the functions of `making`, which simplify as they go. A form never changes, and equal forms are the same object.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from domain.market import Interval

FORMS_REMEMBERED = 100_000
"""Of so many forms the answer to a question is kept."""
TIMES = frozenset({"open_time", "close_time"})
"""Columns that the expression language does not have."""
_POSITIVE_COLUMNS = ("open", "high", "low", "close")
_OF_POSITIVE = ("sma", "ema", "highest", "lowest")


@dataclass(frozen=True, eq=False)
class Number:
    """Some number per symbol and candle."""


@dataclass(frozen=True, eq=False)
class Condition:
    """Something that holds or does not, per symbol and candle."""


Form = Number | Condition
"""Either."""


@dataclass(frozen=True, eq=False)
class Constant(Number):
    """A number known beforehand; may be infinite on the way."""

    value: float


@dataclass(frozen=True, eq=False)
class Column(Number):
    """A column of candles; of the trader's own interval where none is named."""

    interval: Interval | None
    name: str


@dataclass(frozen=True, eq=False)
class Ticker(Number):
    """A field of the rolling 24 h statistics."""

    name: str


@dataclass(frozen=True, eq=False)
class Call(Number):
    """A function of the language on series, by its name; `output` where it has several results."""

    function: str
    inputs: tuple[Form, ...]
    parameters: tuple[float, ...] = ()
    output: str = ""


@dataclass(frozen=True, eq=False)
class Past(Number):
    """The value of a column or call so many candles ago."""

    number: Number
    ago: int


@dataclass(frozen=True, eq=False)
class Arithmetic(Number):
    """`- * / %` of two numbers."""

    operator: str
    left: Number
    right: Number


@dataclass(frozen=True, eq=False)
class Sum(Number):
    """Two or more terms."""

    terms: tuple[Number, ...]


@dataclass(frozen=True, eq=False)
class Extreme(Number):
    """The least (`min`) or greatest (`max`) of several."""

    which: str
    parts: tuple[Number, ...]


@dataclass(frozen=True, eq=False)
class Function(Number):
    """A function of numbers at one candle: abs, round, log, sqrt, sign, floor, ceil."""

    name: str
    arguments: tuple[Number, ...]


@dataclass(frozen=True, eq=False)
class Held(Number):
    """1 where the condition holds, 0 where it does not."""

    condition: Condition


@dataclass(frozen=True, eq=False)
class Truth(Condition):
    """Known beforehand."""

    holds: bool


@dataclass(frozen=True, eq=False)
class Comparison(Condition):
    """`< <= > >= == !=` of two numbers."""

    operator: str
    left: Number
    right: Number


@dataclass(frozen=True, eq=False)
class Not(Condition):
    """The opposite."""

    condition: Condition


@dataclass(frozen=True, eq=False)
class Joined(Condition):
    """Two or more conditions with `and` or `or` between them."""

    word: str
    parts: tuple[Condition, ...]


@dataclass(frozen=True, eq=False)
class Over(Condition):
    """`all_of` or `any_of`: the condition at each, or one, of so many candles, the newest of them `ago` candles ago."""

    word: str
    condition: Condition
    candles: int
    ago: int = 0


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
