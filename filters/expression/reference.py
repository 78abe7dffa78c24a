"""Writes docs/function-reference.md: `python -m filters.expression.reference > docs/function-reference.md`."""

import sys
from collections.abc import Iterator, Sequence
from itertools import groupby

from filters.expression.description import FunctionDescription, LanguageDescription, Meaning, ParameterDescription, describe_language
from filters.expression.indicators import NOT_OFFERED
from filters.expression.talib_meanings import PATTERNS

_HEAD = """\
# Function reference

Everything that may stand in a filter, written by `python -m filters.expression.reference > docs/function-reference.md` from what the
compiler knows: do not edit. [filter-language.md](filter-language.md) tells how to use it; `cloudtrader filter functions NAME` shows one.

In a call, what comes before the first `=` are series. Prices may be left out: `adx(14)` is `adx(high, low, close, 14)`; of several give
all or none. A function with several results is asked for one: `macd(close).histogram`. Each example is a condition that compiles."""
_PATTERNS_HEAD = "Candle patterns are 100 where a bullish one ends, -100 where a bearish one does, else 0: `engulfing() > 0`."


def reference() -> str:
    """The page."""
    return "\n".join(_lines(describe_language())) + "\n"


def _lines(language: LanguageDescription) -> Iterator[str]:
    yield from (_HEAD, "")
    yield from _meanings("Statements", language.statements)
    yield from _meanings("Operators", language.operators)
    yield from _meanings("Series", language.series)
    yield from _meanings("Ticker: the rolling 24 hours, now", language.ticker)
    yield from _limits(language)
    yield from ("## Functions", "")
    for group, functions in groupby(language.functions, key=lambda function: function.group):
        yield from _group(group, list(functions))
    yield from _parameters(language)
    yield from ("## Left out of TA-Lib", "")
    yield from (f"- `{name}`: {reason}." for name, reason in NOT_OFFERED.items())


def _meanings(title: str, meanings: Sequence[Meaning]) -> Iterator[str]:
    yield from (f"## {title}", "", "| | meaning |", "|---|---|")
    yield from (f"| `{item.name}` | {item.meaning} |" for item in meanings)
    yield ""


def _limits(language: LanguageDescription) -> Iterator[str]:
    yield from ("## Limits", "", "| | at most |", "|---|---|")
    yield from (f"| {item.name} | {item.meaning} |" for item in language.limits)
    yield from ("", "| tier | steps | indicators | estimated time over 400 symbols |", "|---|---|---|---|")
    yield from (f"| {tier.tier} | {tier.steps:,} | {tier.indicators} | {tier.milliseconds:g} ms |" for tier in language.tiers)
    yield ""


def _group(group: str, functions: Sequence[FunctionDescription]) -> Iterator[str]:
    yield from (f"### {group}", "")
    if group == PATTERNS:
        yield from (_PATTERNS_HEAD, "", "| call | pattern |", "|---|---|")
        yield from (f"| `{function.call}` | {function.summary} |" for function in functions)
    else:
        yield from ("| call | what it is | results | example |", "|---|---|---|---|")
        yield from map(_row, functions)
    yield ""


def _row(function: FunctionDescription) -> str:
    results = " ".join(f"`.{output.name}`" for output in function.outputs if output.name)
    kind = "condition" if function.outputs[0].kind == "condition" else ""
    return f"| `{function.call}` | {function.summary} | {' '.join(filter(None, (kind, results)))} | `{function.example}` |"


def _parameters(language: LanguageDescription) -> Iterator[str]:
    yield from ("## Parameters", "", "| parameter | meaning | of |", "|---|---|---|")
    by_name: dict[tuple[str, str], list[tuple[str, ParameterDescription]]] = {}
    for function in language.functions:
        for parameter in function.parameters:
            by_name.setdefault((parameter.name, parameter.meaning), []).append((function.name, parameter))
    for (name, meaning), uses in sorted(by_name.items()):
        yield f"| `{name}` | {meaning}{_bounds([parameter for _, parameter in uses])} | {_named([function for function, _ in uses])} |"
    yield ""


def _bounds(parameters: Sequence[ParameterDescription]) -> str:
    least = {parameter.minimum for parameter in parameters}
    most = {parameter.maximum for parameter in parameters if parameter.kind != "whole number" or (parameter.maximum or 1e9) < 1e3}
    words = [
        f"{word} {value:g}" for word, values in (("from", least), ("to", most)) if len(values) == 1 for value in values if value is not None
    ]
    return f" ({' '.join(words)})" if words else ""


def _named(functions: Sequence[str]) -> str:
    shown = " ".join(f"`{name}`" for name in functions[:4])
    return shown + (f" and {len(functions) - 4} more" if len(functions) > 4 else "")


if __name__ == "__main__":
    sys.stdout.write(reference())
