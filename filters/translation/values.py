"""What a name of a browser filter can stand for while the filter is read. Numbers and conditions are forms; these are the others."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tree_sitter import Node

from domain.market import Interval
from filters.translation.forms import Condition, Number
from filters.translation.making import YES

MOST_ITEMS = 10_000
"""Elements of a list."""
LONGEST_TEXT = 1_000
"""Characters of a text that are kept."""


class Untranslatable(Exception):  # noqa: N818 - the end of a reading, not a failure of ours
    """The filter says something the expression language cannot, or that is too much to read. `line` counts from 1."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class Nothing(Enum):
    """JavaScript's two ways to say nothing."""

    NULL = "null"
    UNDEFINED = "undefined"


NULL, UNDEFINED = Nothing.NULL, Nothing.UNDEFINED


@dataclass(frozen=True)
class Text:
    """A text; `number` where it is a number written out, as in a candle, and `is_partial` where numbers inside it were left out."""

    text: str = ""
    number: Number | None = None
    is_partial: bool = False


@dataclass(frozen=True)
class Candle:
    """One candle of an interval."""

    interval: Interval | None
    """`None`: the trader's own."""
    ago: int


@dataclass
class Item:
    """An element of a list, there only where its condition holds."""

    value: Any
    condition: Condition = YES


@dataclass
class Items:
    """A list. Lists may be changed, so each is itself."""

    items: list[Item] = field(default_factory=list)
    depth: int = 0
    """How many conditions held where it was made."""

    @staticmethod
    def of(values: Iterable[Any], depth: int = 0) -> "Items":
        """A list of these values."""
        return Items([Item(value) for value in values], depth)

    def __post_init__(self) -> None:
        if len(self.items) > MOST_ITEMS:
            raise Untranslatable("this list becomes too long")

    def plain(self) -> list[Any]:
        """The values of a list whose elements are all certain. Raises Untranslatable."""
        if any(item.condition is not YES for item in self.items):
            raise Untranslatable("how long this list is depends on the candles")
        return [item.value for item in self.items]


@dataclass(frozen=True)
class Record:
    """An object with named fields."""

    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Moment:
    """A date, made of the times of candles; what exactly it is does not matter, because no filter of ours could say it."""

    time: Number


@dataclass(frozen=True)
class BuiltIn:
    """Something that is there by name: helpers, Math, a method of a list with the list it belongs to."""

    path: str
    owner: Any = None


@dataclass(frozen=True)
class Closure:
    """A function the filter defines."""

    node: Node
    names: "Names"


@dataclass(frozen=True)
class Either:
    """One of two values that are not both numbers or both conditions."""

    condition: Condition
    then: Any
    other: Any


class Names:
    """Names declared in a block; a name of an outer block is seen unless it is declared again."""

    def __init__(self, outer: "Names | None" = None, depth: int = 0) -> None:
        self._outer = outer
        self._values: dict[str, Any] = {}
        self.depth = depth
        """How many conditions held around the block where its names were declared."""

    def declare(self, name: str, value: Any) -> None:
        """A new name."""
        self._values[name] = value

    def holder(self, name: str) -> "Names | None":
        """Where the name was declared."""
        place: Names | None = self
        while place is not None and name not in place._values:  # noqa: SLF001 - its own kind
            place = place._outer  # noqa: SLF001
        return place

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._values[name] = value
