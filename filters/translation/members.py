"""What values of a browser filter have after a dot or in brackets, methods of lists included."""
# ruff: noqa: SLF001 - the table of methods stands below the class

import math
from collections.abc import Callable, Mapping
from typing import Any

from domain.market import Interval
from filters.javascript.contract import CANDLES
from filters.translation.built_ins import FUNCTIONS, fixed, of_date
from filters.translation.changing import shifted
from filters.translation.forms import Condition, Constant, Number
from filters.translation.making import NO, YES, add, both, column, constant, either, held, negation, ticker
from filters.translation.operations import choose, compared, number_of, text_of, truth_of
from filters.translation.values import (
    MOST_ITEMS,
    UNDEFINED,
    BuiltIn,
    Candle,
    Either,
    Item,
    Items,
    Moment,
    Nothing,
    Record,
    Text,
    Untranslatable,
)

Apply = Callable[[Any, list[Any]], Any]
_CELLS = {
    0: "open_time",
    1: "open",
    2: "high",
    3: "low",
    4: "close",
    5: "volume",
    6: "close_time",
    7: "quote_volume",
    8: "trades",
    9: "taker_buy_volume",
    10: "taker_buy_quote_volume",
}
_NUMBER_CELLS = (0, 6, 8)
_CELL_COUNT = 12
_TICKER = {
    "last": "c lastPrice",
    "open": "o openPrice",
    "high": "h highPrice",
    "low": "l lowPrice",
    "volume": "v volume",
    "quote_volume": "q quoteVolume",
    "change": "p priceChange",
    "change_percent": "P priceChangePercent",
    "weighted_average": "w weightedAvgPrice",
}
_TICKER_FIELDS = {name: column for column, names in _TICKER.items() for name in names.split()}
_NAMESPACES = ("Date", "helpers", "Math", "Number", "Array", "Object", "console", "JSON", "String")


class Members:
    """Members of values, for one reader. Whatever is not known raises Untranslatable."""

    def __init__(
        self, apply: Apply, depth: Callable[[], int], since: Callable[[int], Condition], helpers: Mapping[str, Callable[..., Any]]
    ) -> None:
        """`depth` tells how many conditions hold where the reader is, `since` which of them came after so many."""
        self._helpers = helpers
        self._apply = apply
        self._depth = depth
        self._since = since

    def of(self, owner: Any, name: str) -> Any:
        """`owner.name`."""
        match owner:
            case Either(condition=condition, then=then, other=other):
                return choose(condition, self.of(then, name), self.of(other, name))
            case Nothing():
                raise Untranslatable(f".{name} of {owner.value} throws, so the filter fails here")
            case Record(fields=fields):
                return fields.get(name, UNDEFINED)
            case BuiltIn(path=path, owner=None):
                return self._built_in(path, name)
            case Items() | Text() if name == "length":
                return _length(owner)
            case Candle() if name == "length" or name in _METHODS:
                return self.of(self.items(owner), name)
            case Candle():
                raise Untranslatable(f"a candle has no .{name}: it is an array")
        return BuiltIn(f"{_kind(owner)}.{name}", owner)

    def _built_in(self, path: str, name: str) -> Any:
        if path == "timeframes":
            return self._timeframe(name)
        if path == "ticker":
            if name not in _TICKER_FIELDS:
                raise Untranslatable(f"ticker.{name} has no counterpart in the expression language")
            return Text(number=ticker(_TICKER_FIELDS[name]))
        if path == "Math" and name in ("PI", "E"):
            return constant(math.pi if name == "PI" else math.e)
        if path == "Number" and name in ("MAX_VALUE", "POSITIVE_INFINITY", "NEGATIVE_INFINITY"):
            return constant(-math.inf if name.startswith("NEG") else math.inf)
        if path in _NAMESPACES:
            return BuiltIn(f"{path}.{name}", path)
        raise Untranslatable(f"{path}.{name} is not translated")

    def _timeframe(self, name: str) -> Items:
        if name not in list(Interval):
            raise Untranslatable(f"there are no {name} candles")
        return Items.of([Candle(Interval(name), ago) for ago in reversed(range(CANDLES))])

    def at(self, owner: Any, index: Any) -> Any:
        """`owner[index]`."""
        if isinstance(owner, Either):
            return choose(owner.condition, self.at(owner.then, index), self.at(owner.other, index))
        place = constant(index) if isinstance(index, int) else number_of(index)
        if not isinstance(place, Constant):
            raise Untranslatable("which element this is depends on the candles")
        if isinstance(owner, Candle):
            return _cell(owner, int(place.value))
        values = self.items(owner).plain()
        return values[int(place.value)] if 0 <= place.value < len(values) and place.value.is_integer() else UNDEFINED

    def items(self, value: Any) -> Items:
        """The value as a list."""
        if isinstance(value, Candle):
            return Items.of([_cell(value, index) for index in range(_CELL_COUNT)], self._depth())
        if not isinstance(value, Items):
            raise Untranslatable("this is used as a list and is none")
        return value

    def call(self, called: BuiltIn, arguments: list[Any]) -> Any:
        """The call of something that is there by name."""
        namespace, _, name = called.path.partition(".")
        if namespace == "helpers":
            return self._helper(name, arguments)
        if namespace == "console":
            return UNDEFINED
        known = FUNCTIONS.get(called.path)
        if known is not None:
            return known(*arguments)
        if namespace == "items":
            return self._method(name, called.owner, arguments)
        if namespace == "date" or called.path in ("Date.now", "Date.UTC"):
            return of_date(called.owner)
        if called.path == "number.toFixed":
            return fixed(called.owner, *arguments)
        raise Untranslatable(f"{called.path.replace('items', 'list')} is not translated")

    def _helper(self, name: str, arguments: list[Any]) -> Any:
        form = self._helpers.get(name)
        if form is None:
            raise Untranslatable(f"helpers.{name} has no counterpart in the expression language")
        try:
            return form(*arguments)
        except TypeError:
            raise Untranslatable(f"helpers.{name} is given too much or too little") from None

    def _method(self, name: str, owner: Items, arguments: list[Any]) -> Any:
        method = _METHODS.get(name)
        if method is None:
            raise Untranslatable(f"a list's {name} is not translated")
        return method(self, owner, arguments)

    # Methods of lists

    def _each(self, owner: Items, closure: Any) -> list[Any]:
        return [self._apply(closure, [item.value, constant(place), owner]) for place, item in enumerate(owner.items)]

    def _map(self, owner: Items, arguments: list[Any]) -> Items:
        values = self._each(owner, arguments[0])
        return Items([Item(value, item.condition) for value, item in zip(values, owner.items, strict=True)], self._depth())

    def _filter(self, owner: Items, arguments: list[Any]) -> Items:
        kept = self._each(owner, arguments[0])
        items = [Item(item.value, both(item.condition, truth_of(keep))) for item, keep in zip(owner.items, kept, strict=True)]
        return Items([item for item in items if item.condition is not NO], self._depth())

    def _reduce(self, owner: Items, arguments: list[Any]) -> Any:
        items = owner.items
        if len(arguments) > 1:
            total = arguments[1]
        elif items and items[0].condition is YES:
            total, items = items[0].value, items[1:]
        else:
            raise Untranslatable("reduce of a list that may be empty needs a value to begin with")
        offset = len(owner.items) - len(items)
        for place, item in enumerate(items, start=offset):
            total = choose(item.condition, self._apply(arguments[0], [total, item.value, constant(place), owner]), total)
        return total

    def _every(self, owner: Items, arguments: list[Any]) -> Condition:
        holds = zip(self._each(owner, arguments[0]), owner.items, strict=True)
        return both(*(either(negation(item.condition), truth_of(value)) for value, item in holds))

    def _some(self, owner: Items, arguments: list[Any]) -> Condition:
        holds = zip(self._each(owner, arguments[0]), owner.items, strict=True)
        return either(*(both(item.condition, truth_of(value)) for value, item in holds))

    def _for_each(self, owner: Items, arguments: list[Any]) -> Any:
        owner.plain()
        self._each(owner, arguments[0])
        return UNDEFINED

    def _find(self, owner: Items, arguments: list[Any]) -> Any:
        found: Any = UNDEFINED
        for item, value in reversed(list(zip(owner.items, self._each(owner, arguments[0]), strict=True))):
            found = choose(both(item.condition, truth_of(value)), item.value, found)
        return found

    def _slice(self, owner: Items, arguments: list[Any]) -> Items:
        bounds = [number_of(argument) for argument in arguments]
        if not all(isinstance(bound, Constant) for bound in bounds):
            raise Untranslatable("which part of the list this is depends on the candles")
        places = [int(bound.value) for bound in bounds if isinstance(bound, Constant)]
        return Items([Item(value) for value in owner.plain()[slice(*(places or [0]), *([None] if len(places) < 2 else []))]], self._depth())

    def _push(self, owner: Items, arguments: list[Any]) -> Any:
        condition = self._since(owner.depth)
        owner.items += [Item(value, condition) for value in arguments]
        if len(owner.items) > MOST_ITEMS:
            raise Untranslatable("this list becomes too long")
        return _length(owner)

    def _at(self, owner: Items, arguments: list[Any]) -> Any:
        place = number_of(arguments[0])
        values = owner.plain()
        if not isinstance(place, Constant):
            raise Untranslatable("which element this is depends on the candles")
        index = int(place.value)
        return values[index] if -len(values) <= index < len(values) else UNDEFINED

    def _concat(self, owner: Items, arguments: list[Any]) -> Items:
        added = [item for argument in arguments for item in (argument.items if isinstance(argument, Items) else [Item(argument)])]
        return Items([*owner.items, *added], self._depth())

    def _includes(self, owner: Items, arguments: list[Any]) -> Condition:
        return either(*(both(item.condition, compared("===", item.value, arguments[0])) for item in owner.items))

    def _reverse(self, owner: Items, _: list[Any]) -> Items:
        owner.items.reverse()
        return owner

    def _join(self, owner: Items, _: list[Any]) -> Text:
        return Text(" ".join(text_of(item.value).text for item in owner.items), is_partial=True)


_METHODS: Mapping[str, Callable[[Members, Items, list[Any]], Any]] = {
    "map": Members._map,
    "filter": Members._filter,
    "reduce": Members._reduce,
    "every": Members._every,
    "some": Members._some,
    "forEach": Members._for_each,
    "find": Members._find,
    "slice": Members._slice,
    "push": Members._push,
    "at": Members._at,
    "concat": Members._concat,
    "includes": Members._includes,
    "reverse": Members._reverse,
    "join": Members._join,
}


def _length(owner: Items | Text) -> Number:
    if isinstance(owner, Text):
        raise Untranslatable("the length of a text is not translated")
    uncertain = [item.condition for item in owner.items if item.condition is not YES]
    total: Number = constant(len(owner.items) - len(uncertain))
    for condition in uncertain:
        total = add(total, held(condition))
    return total


def _kind(owner: Any) -> str:
    return {Items: "items", Text: "text", Moment: "date"}.get(type(owner), "number" if isinstance(owner, Number) else "value")


def _cell(candle: Candle, index: int) -> Any:
    if index not in _CELLS:
        return Text("0") if index == _CELL_COUNT - 1 else UNDEFINED
    number = shifted(column(_CELLS[index], candle.interval), candle.ago)
    return number if index in _NUMBER_CELLS else Text(number=number)
