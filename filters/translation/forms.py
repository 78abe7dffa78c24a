"""The form between the two languages: what a filter computes, as numbers and conditions of candles.

Made by the functions of `making`, which simplify as they go. A form never changes, and equal forms are the same object.
"""

from dataclasses import dataclass

from domain.market import Interval

TIMES = frozenset({"open_time", "close_time"})
"""Columns that the expression language does not have."""


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
