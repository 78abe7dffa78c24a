"""What is refused, where, and with which words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.filters import FilterSpec
from domain.market import Interval
from filters.expression import compile_filter
from filters.expression.foreign_names import WRITTEN_HERE
from filters.expression.values import BUILT_IN
from filters.validation import check
from tests.unit.filters.calls import ALL

GOOD = "match = close > open"


def problems(code: str) -> list[str]:
    return [str(problem) for problem in check(FilterSpec(code=code, interval=Interval.M5))]


CASES = {
    "syntax": ("match = (close >", "line 1, column 9: this cannot be read: '(' was never closed"),
    "unknown name": ("match = clsoe > 1", "line 1, column 9: there is no 'clsoe' Did you mean 'close'?"),
    "unknown function": ("match = rsii(close) > 1", "line 1, column 9: there is no function 'rsii' Did you mean 'rsi'?"),
    "upper case": ("match = RSI(close) > 1", "line 1, column 9: there is no function 'RSI' Did you mean 'rsi'?"),
    "unknown part of candles": (
        'match = candles("1h").clos > 1',
        "line 1, column 9: candles have no 'clos' Did you mean 'close'?",
    ),
    "unknown part of the ticker": ("match = ticker.lst > 1", "line 1, column 9: the ticker has no 'lst' Did you mean 'last'?"),
    "unknown output": (
        "match = macd(close).histogrm > 0",
        "line 1, column 9: macd has no 'histogrm'; it has macd, signal, histogram Did you mean 'histogram'?",
    ),
    "unknown interval": (
        'match = candles("2h").close > 1',
        "line 1, column 17: there is no interval '2h'; there are 1m, 5m, 15m, 1h, 4h, 1d",
    ),
    "unknown parameter": (
        "match = rsi(close, timeperod=3) > 1",
        "line 1, column 30: rsi has no parameter 'timeperod'; it has timeperiod Did you mean 'timeperiod'?",
    ),
    "parameter twice": ("match = rsi(close, 3, timeperiod=4) > 1", "line 1, column 34: timeperiod is given twice"),
    "too many arguments": ("match = rsi(close, 3, 4) > 1", "line 1, column 23: rsi takes fewer arguments: rsi(close, timeperiod=14)"),
    "too few arguments": (
        "match = crosses_above(close)",
        "line 1, column 9: crosses_above lacks its b: crosses_above(a, b)",
    ),
    "missing parameter": ("match = close > highest(high)", "line 1, column 17: highest lacks its candles: highest(series, candles)"),
    "some of several prices": (
        "match = adx(close, 14) > 20",
        (
            "line 1, column 9: adx takes high, low, close or no series at all and then numbers: "
            "adx(timeperiod=14) or adx(high, low, close, timeperiod=14)"
        ),
    ),
    "series as parameter": ("match = sma(close, 5, close) > 1", "line 1, column 23: sma takes fewer arguments: sma(close, timeperiod=30)"),
    "series as period": ("match = highest(close, low) > 1", "line 1, column 24: candles must be a number, not a series or condition"),
    "condition as series": ("match = sma(close > open, 5) > 1", "line 1, column 13: sma needs a series here, not a condition"),
    "series as condition": (
        "match = all_of(close, 5)",
        "line 1, column 16: all_of needs a condition here, such as close > open",
    ),
    "zero period": ("match = highest(close, 0) > 1", "line 1, column 24: candles must be at least 1"),
    "period TA-Lib refuses": ("match = rsi(close, 1) > 1", "line 1, column 9: timeperiod must be at least 2"),
    "fractional period": ("match = rsi(close, 14.5) > 1", "line 1, column 20: timeperiod must be a whole number"),
    "absurd period": ("match = rsi(close, 1000000) > 1", "line 1, column 9: timeperiod must be at most 100000"),
    "more history than kept": (
        "match = close > sma(close, 513)",
        "line 1, column 17: this needs 513 candles of 5m; a filter can count on 512",
    ),
    "history adds up": (
        "match = close > sma(close, 300)[213]",
        "line 1, column 17: this needs 513 candles of 5m; a filter can count on 512",
    ),
    "history of another interval": (
        'm = candles("1m")\nmatch = close > sma(close - m.close, 110)',
        "line 2, column 17: this needs 546 candles of 1m; a filter can count on 512",
    ),
    "text": ("match = close > 'a'", "line 1, column 17: text can only be a label or an interval"),
    "number as match": ("match = rsi(close)", "line 1, column 9: match needs a condition, such as close > open, not a number"),
    "number in logic": ("match = close > 1 and rsi(close)", "line 1, column 23: and needs a condition, such as close > open, not a number"),
    "condition in arithmetic": ("match = (close > 1) + 1 > 1", "line 1, column 10: arithmetic needs a number, not a condition"),
    "numbers compared": ("match = 3 < 5", "line 1, column 9: this compares numbers only and never changes"),
    "no match": ("x = close", "line 1, column 1: there is no line match = <condition>"),
    "name twice": ("x = close\nx = open\n" + GOOD, "line 2, column 1: x has a value already; give this one another name"),
    "name of the language": ("rsi = close\n" + GOOD, "line 1, column 1: rsi is a name of the language; choose another"),
    "underscore": ("_x = close\n" + GOOD, "line 1, column 1: a name begins with a letter"),
    "idle line": ("close > open\n" + GOOD, "line 1, column 1: this line does nothing: give its result a name"),
    "several results": (
        "match = macd(close) > 0",
        "line 1, column 9: macd has several results: write one of .macd, .signal, .histogram behind it",
    ),
    "candles alone": ('match = candles("1h") > 0', "line 1, column 9: write which part of the candles, such as .close"),
    "function alone": ("match = rsi > 30", "line 1, column 9: rsi is a function: write rsi(close, timeperiod=14)"),
    "past of the ticker": ("match = ticker.last[1] > 0", "line 1, column 9: the ticker is known for now only: it has no past values"),
    "indicator of the ticker": ("match = sma(ticker.last, 5) > 0", "line 1, column 9: sma needs a series with a history"),
    "the future": ("match = close[-1] > 0", "line 1, column 15: [...] looks back: the future is not known"),
    "infinite": ("match = close > 9**9**9", "line 1, column 17: this is not a finite number"),
    "huge literal": ("match = close > 1" + "0" * 400, "line 1, column 17: this number is too large"),
    "division of numbers by zero": ("match = close > 1 / 0", "line 1, column 17: this is not a finite number"),
    "root of a negative number": ("match = close > (-8) ** 0.5", "line 1, column 17: this is not a finite number"),
    "complex": ("match = close > 1j", "line 1, column 17: 1j is not part of the language"),
    "truth": ("match = True", "line 1, column 9: True is not part of the language"),
    "lambda": ("match = (lambda: 1) > 0", "line 1, column 10: lambda is not part of the language"),
    "comprehension": ("match = [x for x in close] > 0", "line 1, column 9: a comprehension is not part of the language"),
    "import": ("import os\n" + GOOD, "line 1, column 1: import is not part of the language"),
    "loop": ("for x in close: pass\n" + GOOD, "line 1, column 1: for is not part of the language"),
    "walrus": ("match = (x := close) > 0", "line 1, column 10: := is not part of the language"),
    "formatted text": ('match = f"{close}" > 0', "line 1, column 9: formatted text is not part of the language"),
    "bitwise": ("match = (close > 1) & (open > 1)", "line 1, column 9: & and | are not part of the language: write and"),
    "dunder": (
        "match = close.__class__ > 0",
        "line 1, column 9: a series has no '__class__': only candles, the ticker and functions with several results have parts",
    ),
    "call of a call": ("match = rsi(close)(close) > 0", "line 1, column 9: only functions can be called"),
    "call of a series": ("match = close(3) > 0", "line 1, column 9: close is not a function"),
    "unpacking": ("a, b = close, open\n" + GOOD, "line 1, column 1: give one name to one expression"),
    "label not text": ("condition(close, close > 1)\n" + GOOD, 'line 1, column 1: write condition("label", expression)'),
    "label twice": (
        'plot("a", close)\nplot("a", open)\n' + GOOD,
        "line 2, column 6: the label 'a' is taken",
    ),
    "plotted condition": ('plot("a", close > 1)\n' + GOOD, "line 1, column 11: plot needs a number, not a condition"),
    "column counts characters": ('plot("größer", clse)\n' + GOOD, "line 1, column 16: there is no 'clse' Did you mean 'close'?"),
    "prefix of another language": (
        "match = ta.ema(close, 9) > 1",
        "line 1, column 9: functions stand by themselves here, without 'ta': write ema(close, timeperiod=30)",
    ),
    "name of another language": (
        "match = ta.crossover(close, open)",
        "line 1, column 9: there is no function 'crossover'; here one writes crosses_above(close, open)",
    ),
    "helper of the browser": (
        "match = calculateRSI(close) < 30",
        "line 1, column 9: there is no function 'calculateRSI' Did you mean 'rsi'?",
    ),
    "name of a series elsewhere": ("match = price > 3", "line 1, column 9: there is no 'price'; here one writes close"),
    "letter of another alphabet": (
        "match = \u0441lose > 1",
        (
            "line 1, column 9: there is no '\u0441lose': its '\u0441' is a cyrillic small letter es, not the 'c' it looks like"
            " Did you mean 'close'?"
        ),
    ),
    "own name that only looks like ours": (
        "cl\u043ese = 3\n" + GOOD,
        "line 1, column 1: cl\u043ese is not close, it only looks like it: choose another name",
    ),
    "label with signs of other languages": (
        'plot("up && away?", close >',
        "line 1, column 5: this cannot be read: '(' was never closed",
    ),
    "and of JavaScript": ("match = close > 1 && open > 1", "line 1, column 19: this cannot be read: write and instead of &&"),
    "or of JavaScript": ("match = close > 1 || open > 1", "line 1, column 19: this cannot be read: write or instead of ||"),
    "not of JavaScript": ("match = !(close > 1)", "line 1, column 9: this cannot be read: write not instead of !"),
    "equality of JavaScript": ("match = close === open", "line 1, column 15: this cannot be read: write == or !="),
    "choice of JavaScript": ("match = close > 1 ? 2 : 3", "line 1, column 19: this cannot be read: there is no choice with ? and :"),
    "assignment of Pine": ("x := close\n" + GOOD, "line 1, column 3: this cannot be read: write = to give a name"),
    "JavaScript": (
        "const x = 3;",
        "line 1, column 1: this cannot be read: this looks like JavaScript, which is another language of filters",
    ),
    "division of whole numbers": ("match = close // 2 > 1", "line 1, column 9: // is not part of the language"),
    "day on short candles": (
        'match = close > candles("1m").vwap()',
        'line 1, column 17: 24 h are 1440 candles of 1m and a filter can count on 512: write vwap(hours=8) or candles("5m").vwap()',
    ),
    "session that does not divide the day": (
        "match = close > vwap(hours=5)",
        "line 1, column 17: the sessions of a day are 1, 2, 3, 4, 6, 8, 12 or 24 hours long, not 5",
    ),
    "session of one candle": (
        'match = close > candles("4h").vwap(hours=4)',
        'line 1, column 17: 4 h are less than two candles of 4h: write candles("1h").vwap(hours=4)',
    ),
    "own function of candles": (
        'match = candles("1h").highest(3) > 1',
        "line 1, column 9: highest is not a function of candles: write highest(series, candles)",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_problem_is_named_where_it_stands(case: str) -> None:
    code, expected = CASES[case]

    assert [expected] == problems(code)


def test_all_problems_are_reported_in_the_order_of_the_text() -> None:
    code = "x = rsi(clse, 14)\nmatch = rsy(close) > foo and x > 1 and vlume > 2"

    assert [(problem.line, problem.column) for problem in check(FilterSpec(code=code, interval=Interval.M5))] == [
        (1, 9),
        (2, 9),
        (2, 22),
        (2, 40),
    ]


def test_good_filter_has_no_problem() -> None:
    assert problems(GOOD) == []


@pytest.mark.parametrize("code", ["match = close > 1\0", "# \ud800\n" + GOOD], ids=["null", "surrogate"])
def test_unreadable_character_is_refused(code: str) -> None:
    (problem,) = problems(code)

    assert problem.startswith("line 1, column 1: this ")


@pytest.mark.parametrize(
    "code",
    [
        "(" * 10_000,
        "-" * 19_000 + "1",
        "not " * 4_000 + "1",
        "match = close" + " + close" * 2_000 + " > 1",
        "match = close" + "[1]" * 5_000 + " > 1",
        "\n".join(["a0 = close", *(f"a{n} = a{n - 1} + 1" for n in range(1, 400)), GOOD]),
        "\n".join([*(f"a{n} = close + {n}" for n in range(1_100)), GOOD]),
        "\n".join([*(f"a{n} = sma(close, {n + 2})" for n in range(65)), GOOD]),
        "\n".join([*(f'plot("{n}", close)' for n in range(40)), GOOD]),
        GOOD + "#" * 20_000,
    ],
    ids=["brackets", "signs", "nots", "sums", "subscripts", "chain", "steps", "indicators", "labels", "length"],
)
def test_oversized_filter_is_refused_with_one_problem(code: str) -> None:
    assert len(problems(code)) == 1


def test_search_for_problems_ends_after_fifty() -> None:
    found = problems("match = max(" + ", ".join(f"unknown{n}" for n in range(1_500)) + ") > 1")

    assert len(found) == 51
    assert found[-1].endswith("there may be more problems from here on")


@pytest.mark.parametrize("name", WRITTEN_HERE)
def test_what_is_written_here_instead_of_a_foreign_name_compiles(name: str) -> None:
    written = WRITTEN_HERE[name]
    is_condition = "crosses" in written or "bullish" in written

    assert [] == problems(f"match = {written}" if is_condition else f"match = {written} > 0")
    assert name not in BUILT_IN


def test_shared_subexpressions_cost_their_size_once() -> None:
    code = "\n".join(["a0 = close", *(f"a{n} = a{n - 1} + a{n - 1}" for n in range(1, 60)), "match = a59 > 1"])

    assert compile_filter(FilterSpec(code=code, interval=Interval.M5)).cost.nodes == 62


WORDS = [
    *(function.name for function in ALL),
    *[
        "close",
        "high",
        "volume",
        "hl2",
        "ticker",
        "candles",
        "condition",
        "plot",
        "match",
        "score",
        "x",
        "y",
        "close.real",
        "ticker.last",
        "None",
        "True",
    ],
    *[
        "(",
        ")",
        "[",
        "]",
        ",",
        ".",
        ":",
        "=",
        "==",
        "!=",
        "<",
        ">",
        "<=",
        ">=",
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "**",
        "and",
        "or",
        "not",
        "in",
        "is",
        "lambda",
        "if",
        "else",
        "for",
        "&",
        "|",
        "~",
        "@",
        ":=",
        "*",
        "\n",
    ],
    *[
        "0",
        "1",
        "2",
        "14",
        "600",
        "-1",
        "1e308",
        "1e-9",
        "9**9",
        '"1h"',
        '"2h"',
        '"a"',
        "'b'",
        "é",
        "\t",
        "#",
        ";",
        "_",
        "__class__",
        "\\",
        'f"{x}"',
        "\x00",
    ],
]
EXPRESSIONS = st.recursive(
    st.sampled_from(["close", "volume", "1", "14", "0", "2.5", "ticker.last", 'candles("1h").high', 'candles("1m").close', "x", '"a"']),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "%", "**", ">", "<", "==", "and", "or"]), inner).map(
            lambda parts: f"({' '.join(parts)})"
        ),
        st.tuples(st.sampled_from([function.name for function in ALL]), st.lists(inner, max_size=4)).map(
            lambda parts: f"{parts[0]}({', '.join(parts[1])})"
        ),
        st.tuples(inner, inner).map(lambda parts: f"{parts[0]}[{parts[1]}]"),
        inner.map(lambda text: f"not {text}"),
        inner.map(lambda text: f"-{text}"),
        st.tuples(inner, st.sampled_from(["histogram", "k", "upper", "close"])).map(".".join),
    ),
    max_leaves=12,
)


def _compiles_or_refuses(code: str) -> None:
    """`check` lets everything but a refusal through."""
    assert all(problem.line >= 1 and problem.column >= 1 for problem in check(FilterSpec(code=code, interval=Interval.M5)))


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join) | st.text(max_size=200))
def test_no_text_makes_the_compiler_raise_anything_else(code: str) -> None:
    _compiles_or_refuses(code)
    _compiles_or_refuses(f"match = {code}")


@settings(max_examples=400, deadline=None)
@given(EXPRESSIONS)
def test_no_expression_makes_the_compiler_raise_anything_else(expression: str) -> None:
    _compiles_or_refuses(f"x = close\nmatch = {expression}")
    _compiles_or_refuses(f'x = 3\nmatch = close > 1\nplot("a", {expression})')
