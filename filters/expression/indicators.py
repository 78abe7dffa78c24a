"""The whole of TA-Lib as functions of the language, read from TA-Lib's own description of itself."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache, partial
from math import inf
from types import MappingProxyType
from typing import Any

import numpy as np
import talib
from talib import abstract

from filters.expression.functions import Bounds, Function, Input, Parameter
from filters.expression.graph import Graph
from filters.expression.kernels import Array, Values, finite
from filters.expression.nodes import ColumnFunction, Node
from filters.expression.problems import Misuse
from filters.expression.talib_meanings import MEANINGS, example

NOT_OFFERED: Mapping[str, str] = MappingProxyType(
    {
        "MAX": "`max` compares series; the highest of the last candles is `highest`",
        "MIN": "`min` compares series; the lowest of the last candles is `lowest`",
        "SQRT": "`sqrt` is part of the language",
        "VWAP": "it sums from wherever history begins; `vwap` of the language begins anew with each session",
    }
)
"""TA-Lib functions the language leaves out, and why."""

_OUTPUT_NAMES = {
    "aroondown": "down",
    "aroonup": "up",
    "bearpower": "bear",
    "bullpower": "bull",
    "fastd": "d",
    "fastk": "k",
    "haclose": "close",
    "hahigh": "high",
    "halow": "low",
    "haopen": "open",
    "lowerband": "lower",
    "macdhist": "histogram",
    "macdsignal": "signal",
    "maxidx": "highest",
    "middleband": "middle",
    "minidx": "lowest",
    "minusvi": "minus",
    "plusvi": "plus",
    "slowd": "d",
    "slowk": "k",
    "smisignal": "signal",
    "swinghigh": "high",
    "swinglow": "low",
    "upperband": "upper",
}
_DIGITS = {"2": "two", "3": "three"}
_COUNTS_COLUMNS = {"MAXINDEX", "MININDEX", "MINMAXINDEX"}
"""Their result is a position in the array, whose beginning the user cannot see; the language gives candles ago."""
_SPELLED_OUT = {"HA": "heikin_ashi", "KC": "keltner"}
"""The two whose short names nobody looks for."""
_FOLLOWS = {"nbdevdn": "nbdevup"}
_LARGEST_WHOLE = 100_000


_NAMES: list[str] = talib.get_functions()  # type: ignore[no-untyped-call]
_description = abstract.Function  # type: ignore[attr-defined]


def indicators() -> Iterator[Function]:
    """Every TA-Lib function that is offered."""
    for name in _NAMES:
        if name not in NOT_OFFERED:
            function = _indicator(name)
            yield function
            if name in _SPELLED_OUT:
                in_full = replace(function, name=_SPELLED_OUT[name], summary=f"{function.summary}: `{function.name}` in full")
                yield replace(in_full, example=example(in_full))


def _indicator(name: str) -> Function:
    info = _description(name).info
    column = column_function(name)
    function = Function(
        name=column.name,
        group=info["group"],
        summary=info["display_name"] + (", as candles ago" if name in _COUNTS_COLUMNS else ""),
        inputs=tuple(_inputs(info["input_names"])),
        parameters=_parameters(info),
        outputs=column.outputs,
        bounds=partial(_bounds, name),
        build=partial(_build, name, column),
    )
    return replace(function, example=example(function))


@cache
def column_function(name: str) -> ColumnFunction:
    """TA-Lib's function of this name, in TA-Lib's spelling."""
    info = _description(name).info
    outputs = tuple(_OUTPUT_NAMES.get(output, output) for output in info["output_names"])
    names = outputs if len(outputs) > 1 else ("",)
    wholes = tuple(parameter.is_whole for parameter in _parameters(info))
    return ColumnFunction(
        name=_name(name),
        outputs=names,
        compute=_computation(name, wholes, len(names)),
        lookback=partial(_lookback, name, wholes),
        is_by_symbol=True,
    )


def _parameters(info: Mapping[str, Any]) -> tuple[Parameter, ...]:
    return tuple(_parameter(key, default) for key, default in info["parameters"].items())


def _build(name: str, column: ColumnFunction, graph: Graph, inputs: Sequence[Node], parameters: Sequence[float]) -> tuple[Node, ...]:
    if column.lookback(parameters) < 0:
        _refuse(name, parameters)
    return graph.columns(column, inputs, parameters)


def _refuse(name: str, values: Sequence[float]) -> None:
    """Raise Misuse for the first value that is out of bounds, if one is."""
    parameters = _parameters(_description(name).info)
    for parameter, value, (least, most) in zip(parameters, values, _bounds(name), strict=True):
        if not least <= value <= most:
            raise Misuse(f"{parameter.name} must be at least {least:g}" if value < least else f"{parameter.name} must be at most {most:g}")


_TRIED = (-1e9, -1.0, 0.0, 0.01, *map(float, range(1, 11)))
_TRIED_DOWNWARD = (1e9, float(_LARGEST_WHOLE), 100.0, 1.0, 0.99)
_LAST_AVERAGE = 13.0


@cache
def _bounds(name: str) -> tuple[Bounds, ...]:
    """Found by trying, with the other parameters as they usually are: TA-Lib has them and does not tell."""
    parameters = _parameters(_description(name).info)
    wholes = tuple(parameter.is_whole for parameter in parameters)
    usual = [float(parameter.default or 0) for parameter in parameters]

    def accepts(place: int, value: float) -> bool:
        return _lookback(name, wholes, [*usual[:place], value, *usual[place + 1 :]]) >= 0

    def bound(place: int, tried: Sequence[float], otherwise: float) -> float:
        values = [value for value in tried if value.is_integer() or not wholes[place]]
        found = next((value for value in values if accepts(place, value)), usual[place])
        return otherwise if abs(found) == 1e9 else found

    def most(place: int) -> float:
        if parameters[place].name.endswith("matype"):
            return _LAST_AVERAGE
        is_free = not wholes[place] or accepts(place, float(_LARGEST_WHOLE))
        return bound(place, _TRIED_DOWNWARD, inf) if is_free else inf

    return tuple((bound(place, _TRIED, -inf), most(place)) for place in range(len(parameters)))


def _name(name: str) -> str:
    """TA-Lib's name in lower case; candle patterns without their prefix, and a number in front spelled out."""
    short = name.removeprefix("CDL").lower()
    return _DIGITS.get(short[0], short[0]) + short[1:]


def _inputs(described: Mapping[str, str | Sequence[str]]) -> Iterator[Input]:
    for names in described.values():
        for name in [names] if isinstance(names, str) else names:
            yield Input(name=name, default="" if name == "periods" else name)


def _parameter(name: str, default: float) -> Parameter:
    is_whole = isinstance(default, int)
    return Parameter(name=name, default=float(default), is_whole=is_whole, meaning=MEANINGS[name], follows=_FOLLOWS.get(name, ""))


@lru_cache(maxsize=4096)
def _lookback_of(name: str, arguments: tuple[float, ...]) -> int:
    return int(_description(name, *arguments).lookback)


def _lookback(name: str, wholes: Sequence[bool], parameters: Sequence[float]) -> int:
    if any(whole and abs(value) > _LARGEST_WHOLE for value, whole in zip(parameters, wholes, strict=True)):
        return -1
    return _lookback_of(name, _typed(parameters, wholes))


def _typed(parameters: Sequence[float], wholes: Sequence[bool]) -> tuple[float, ...]:
    return tuple(int(value) if whole else value for value, whole in zip(parameters, wholes, strict=True))


def _computation(name: str, wholes: Sequence[bool], count: int) -> Callable[[Sequence[Array], Sequence[float]], tuple[Values, ...]]:
    # the plain function: TA-Lib wraps each of its own in a look for pandas and polars that costs as much as a short indicator
    function = inspect.unwrap(getattr(talib, name))

    def compute(inputs: Sequence[Array], parameters: Sequence[float]) -> tuple[Values, ...]:
        arguments = _typed(parameters, wholes)
        outputs, is_integer = _by_row(function, inputs, arguments, count)
        if is_integer:
            _blank_start(outputs, inputs, _lookback_of(name, arguments))
        if name in _COUNTS_COLUMNS:
            outputs = tuple(np.arange(output.shape[1]) - output for output in outputs)
        return tuple(finite(output) for output in outputs)

    return compute


def _by_row(
    function: Callable[..., Any], inputs: Sequence[Array], arguments: Sequence[float], count: int
) -> tuple[tuple[Values, ...], bool]:
    """TA-Lib's `count` results for every symbol, and whether TA-Lib gave integers."""
    outputs = tuple(np.empty(inputs[0].shape) for _ in range(count))
    is_integer = False
    for place, row in enumerate(zip(*inputs, strict=True)):
        result = function(*row, *arguments)
        for output, values in zip(outputs, result if count > 1 else (result,), strict=True):
            output[place] = values
            is_integer |= values.dtype.kind == "i"
    return outputs, is_integer


def _blank_start(outputs: Sequence[Values], inputs: Sequence[Array], lookback: int) -> None:
    """NaN before the first value: integers cannot say so, and TA-Lib writes zeros there."""
    complete = ~np.isnan(sum(inputs[1:], start=inputs[0]))
    begin = np.where(complete.any(axis=1), complete.argmax(axis=1), complete.shape[1])
    unset = np.arange(complete.shape[1]) < (begin + lookback)[:, np.newaxis]
    for output in outputs:
        output[unset] = np.nan
