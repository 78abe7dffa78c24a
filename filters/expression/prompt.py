"""The language in few words, for a model that is to write filters."""

from collections.abc import Iterator
from itertools import groupby

from filters.expression.description import FunctionDescription, LanguageDescription, describe_language
from filters.expression.talib_meanings import PATTERNS


def prompt_text() -> str:
    """Names, signatures and results of everything there is: about 4,500 tokens."""
    language = describe_language()
    return "\n".join([*_rules(language), *_functions(language)])


def _rules(language: LanguageDescription) -> Iterator[str]:
    yield "A filter is a list of statements in Python's syntax, and nothing else of Python:"
    yield from (f"- {item.name}: {item.meaning}" for item in (*language.statements, *language.operators))
    yield f"Series: {' '.join(item.name for item in language.series)}"
    yield f"Rolling 24 hours, now only: {' '.join(item.name for item in language.ticker)}"
    yield f"Intervals: {' '.join(language.intervals)}. Another interval's candle is seen once it has closed."
    yield f"Limits: {'; '.join(f'{item.name} {item.meaning}' for item in language.limits)}."
    yield "Series before the parameters may be left out where they are prices: rsi(14), adx(14). Of several prices give all or none."
    yield 'Example:\nhourly = candles("1h")\ncondition("oversold", rsi(close, 14) < 30)'
    yield "match = rsi(close, 14) < 30 and hourly.close > ema(hourly.close, 50) and volume > 2 * sma(volume, 20)[1]"


def _functions(language: LanguageDescription) -> Iterator[str]:
    for group, functions in groupby(language.functions, key=lambda function: function.group):
        if group == PATTERNS:
            yield f"{group}, without arguments, > 0 bullish, < 0 bearish: {' '.join(function.name for function in functions)}"
        else:
            yield f"{group}:"
            yield from map(_line, functions)


def _line(function: FunctionDescription) -> str:
    results = "".join(f" .{output.name}" for output in function.outputs if output.name)
    kind = " -> condition" if function.outputs[0].kind == "condition" else ""
    return f"- {function.call}{kind}{results}: {function.summary}"
