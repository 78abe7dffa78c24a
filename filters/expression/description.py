"""The whole language as data: what documentation, console help and prompts are made from, so that none of them can drift from it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import isfinite

from domain.market import MINIMUM_HISTORY, Interval
from domain.tiers import LIMITS, Tier
from filters.expression import compile as compiling
from filters.expression.foreign_names import WRITTEN_HERE
from filters.expression.functions import Function, Parameter
from filters.expression.graph import MAX_DEPTH, MAX_INDICATORS, MAX_NODES, Graph
from filters.expression.parse import MAX_LENGTH
from filters.expression.registry import FUNCTIONS
from filters.expression.values import SERIES
from filters.frames import TICKER_FIELDS


@dataclass(frozen=True, kw_only=True)
class InputDescription:
    """A series or condition that a function reads."""

    name: str
    kind: str
    default: str
    """The series that is read when none is given; empty where one has to be given."""


@dataclass(frozen=True, kw_only=True)
class ParameterDescription:
    """A number of a call, known when the filter is compiled."""

    name: str
    kind: str
    default: float | None
    minimum: float | None
    maximum: float | None
    meaning: str


@dataclass(frozen=True, kw_only=True)
class OutputDescription:
    """A result; one without a name is the call itself."""

    name: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class FunctionDescription:
    """A function of the language."""

    name: str
    group: str
    summary: str
    call: str
    inputs: tuple[InputDescription, ...]
    is_variadic: bool
    parameters: tuple[ParameterDescription, ...]
    outputs: tuple[OutputDescription, ...]
    example: str
    """A condition."""


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """A word or sign of the language."""

    name: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class TierDescription:
    """What a tier allows a filter."""

    tier: str
    steps: int
    indicators: int
    milliseconds: float
    """Estimated time of a first evaluation over 400 symbols."""


@dataclass(frozen=True, kw_only=True)
class LanguageDescription:
    """Everything that may stand in a filter."""

    statements: tuple[Meaning, ...]
    operators: tuple[Meaning, ...]
    series: tuple[Meaning, ...]
    ticker: tuple[Meaning, ...]
    intervals: tuple[str, ...]
    limits: tuple[Meaning, ...]
    tiers: tuple[TierDescription, ...]
    functions: tuple[FunctionDescription, ...]

    def function(self, name: str) -> FunctionDescription | None:
        """The function of this name."""
        return next((function for function in self.functions if function.name == name), None)

    def search(self, words: str) -> tuple[FunctionDescription, ...]:
        """Functions whose name, group or summary has every word, or that are written instead of a foreign name like that."""
        wanted = words.lower().split()
        instead = WRITTEN_HERE.get("".join(wanted).replace("_", ""), "")
        return tuple(function for function in self.functions if _is_about(function, wanted) or _is_called(function.name, instead))


_STATEMENTS = (
    Meaning(name="name = expression", meaning="gives a result a name, once"),
    Meaning(name="match = condition", meaning="required: the symbols for which it holds match"),
    Meaning(name='condition("label", condition)', meaning="shown with each signal and counted over all symbols"),
    Meaning(name='plot("name", series)', meaning="a number shown with each signal"),
    Meaning(name="score = number", meaning="shown with each signal as `score`"),
    Meaning(name="# text", meaning="a comment"),
)
_OPERATORS = (
    Meaning(name="+ - * / % **", meaning="arithmetic; division by zero has no value"),
    Meaning(name="> >= < <= == !=", meaning="comparisons, also chained: `30 < rsi(close) < 70`"),
    Meaning(name="and or not", meaning="logic of conditions; what needs a value that does not exist is unknown and never matches"),
    Meaning(name="x[n]", meaning="the value or condition n candles ago; n is a whole number"),
    Meaning(name='candles("1h")', meaning="another interval's candles: `.close` and other series, `.atr(14)` and other functions of them"),
    Meaning(name="f(x).name", meaning="one result of a function that has several"),
)
_SERIES = {
    "open": "first price of the candle",
    "high": "highest price",
    "low": "lowest price",
    "close": "last price",
    "volume": "traded amount, in the base asset",
    "quote_volume": "traded value, in the quote asset",
    "trades": "number of trades",
    "taker_buy_volume": "the part of volume that takers bought",
    "taker_buy_quote_volume": "the part of quote_volume that takers bought for",
    "hl2": "(high + low) / 2",
    "hlc3": "(high + low + close) / 3",
    "ohlc4": "(open + high + low + close) / 4",
}
_TICKER = {
    "last": "last price",
    "open": "price 24 hours ago",
    "high": "highest price of the last 24 hours",
    "low": "lowest price of the last 24 hours",
    "volume": "traded amount of the last 24 hours, in the base asset",
    "quote_volume": "traded value of the last 24 hours, in the quote asset",
    "change": "last - open",
    "change_percent": "change in percent of open",
    "weighted_average": "average price of the last 24 hours weighted by volume",
}


@cache
def describe_language() -> LanguageDescription:
    """The language as it is."""
    return LanguageDescription(
        statements=_STATEMENTS,
        operators=_OPERATORS,
        series=tuple(Meaning(name=name, meaning=_SERIES[name]) for name in SERIES),
        ticker=tuple(Meaning(name=f"ticker.{name}", meaning=_TICKER[name]) for name in TICKER_FIELDS),
        intervals=tuple(map(str, Interval)),
        limits=tuple(_limits()),
        tiers=tuple(map(_tier, (Tier.PRO, Tier.ELITE))),
        functions=tuple(_functions()),
    )


def _limits() -> Iterator[Meaning]:
    yield Meaning(name="length", meaning=f"{MAX_LENGTH:,} characters")
    yield Meaning(name="history", meaning=f"{MINIMUM_HISTORY} candles of each interval")
    yield Meaning(name="steps", meaning=f"{MAX_NODES:,}, fewer in some tiers")
    yield Meaning(name="indicators", meaning=f"{MAX_INDICATORS} different calls, fewer in some tiers")
    yield Meaning(name="nesting", meaning=f"{MAX_DEPTH} levels")
    yield Meaning(
        name="labels",
        meaning=f"{compiling.MAX_LABELS} conditions, {compiling.MAX_LABELS - 1} plots, of {compiling.MAX_LABEL_LENGTH} characters",
    )


def _tier(tier: Tier) -> TierDescription:
    limits = LIMITS[tier]
    return TierDescription(
        tier=tier,
        steps=limits.max_filter_steps,
        indicators=limits.max_filter_indicators,
        milliseconds=limits.max_filter_cost.total_seconds() * 1e3,
    )


def _functions() -> Iterator[FunctionDescription]:
    """Group by group."""
    groups = list(dict.fromkeys(function.group for function in FUNCTIONS.values()))
    yield from map(_function, sorted(FUNCTIONS.values(), key=lambda function: groups.index(function.group)))


def _function(function: Function) -> FunctionDescription:
    bounds = function.bounds() or [(parameter.minimum, parameter.maximum) for parameter in function.parameters]
    return FunctionDescription(
        name=function.name,
        group=function.group,
        summary=function.summary,
        call=function.signature,
        inputs=tuple(InputDescription(name=item.name, kind=_kind(item.is_condition), default=item.default) for item in function.inputs),
        is_variadic=function.is_variadic,
        parameters=tuple(_parameter(item, *bound) for item, bound in zip(function.parameters, bounds, strict=True)),
        outputs=tuple(_outputs(function)),
        example=function.example,
    )


def _parameter(parameter: Parameter, least: float, most: float) -> ParameterDescription:
    return ParameterDescription(
        name=parameter.name,
        kind="whole number" if parameter.is_whole else "number",
        default=parameter.default,
        minimum=least if isfinite(least) else None,
        maximum=most if isfinite(most) else None,
        meaning=parameter.meaning,
    )


def _outputs(function: Function) -> Iterator[OutputDescription]:
    """What a call gives, found by building one."""
    graph = Graph(Interval.M5)
    close = graph.candles(Interval.M5, "close")
    condition = graph.pointwise("greater", close, graph.candles(Interval.M5, "open"), is_condition=True)
    inputs = [condition if item.is_condition else close for item in function.inputs]
    nodes = function.build(graph, inputs, [5.0 if item.default is None else float(item.default) for item in function.parameters])
    for name, node in zip(function.outputs, nodes, strict=True):
        yield OutputDescription(name=name, kind=_kind(node.is_condition))


def _kind(is_condition: bool) -> str:  # noqa: FBT001
    return "condition" if is_condition else "series"


def _is_about(function: FunctionDescription, words: list[str]) -> bool:
    text = f"{function.name} {function.group} {function.summary}".lower()
    return all(word in text for word in words)


def _is_called(name: str, code: str) -> bool:
    return f"{name}(" in code.replace(" ", "(")
