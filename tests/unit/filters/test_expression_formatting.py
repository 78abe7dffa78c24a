"""The canonical form of a filter."""

import ast
import io
import tokenize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import FilterRefusedError
from domain.filters import FilterSpec
from domain.market import Interval
from filters.expression import compile_filter, format_filter
from filters.expression.printing import WIDTH
from tests.unit.filters.calls import ALL, program_of

MESSY = """

#fast and slow
fast=ema( close,9 ) ;slow = ema(close, 21)#averages


hourly=candles( '1h' )
condition( 'it''s "up"' , crosses_above(fast,slow) ) # said
match=(rsi(close,14)<35) and (crosses_above( fast , slow )   # inside
   and hourly.close>ema(hourly.close,timeperiod = 50)) and (volume>2*sma(volume,20)[ 1 ] or -(close-open)**2<.5)
plot("a" ,(close-open)-(high-low))
# the end"""
TIDY = """\
# fast and slow
fast = ema(close, 9)
slow = ema(close, 21)  # averages

hourly = candles("1h")
condition('its "up"', crosses_above(fast, slow))  # said
# inside
match = (
    rsi(close, 14) < 35
    and (crosses_above(fast, slow) and hourly.close > ema(hourly.close, timeperiod=50))
    and (volume > 2 * sma(volume, 20)[1] or -(close - open) ** 2 < .5)
)
plot("a", close - open - (high - low))
# the end
"""


def test_spaces_breaks_quotes_and_brackets_become_canonical_and_comments_stay() -> None:
    assert TIDY == format_filter(MESSY)


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
def test_line_endings_of_other_systems_are_read(ending: str) -> None:
    assert TIDY == format_filter(MESSY.replace("\n", ending))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = 1_000.50", "x = 1_000.50\n"),
        ("x = 2 ** -1 ** 2", "x = 2 ** -1 ** 2\n"),
        ("x = (-2) ** 2", "x = (-2) ** 2\n"),
        ("x = (a ** b) ** c", "x = (a ** b) ** c\n"),
        ("x = a / (b / c)", "x = a / (b / c)\n"),
        ("x = not (a > b)", "x = not a > b\n"),
        ("x = (a > b) == c", "x = (a > b) == c\n"),
        ("x = a > b > c", "x = a > b > c\n"),
        ("x = (1).real", "x = (1).real\n"),
        ("x = (a + b)[1].c", "x = (a + b)[1].c\n"),
        ("x = (not a) + 1", "x = (not a) + 1\n"),
        ("", ""),
        ("# only this", "# only this\n"),
    ],
)
def test_brackets_stay_where_the_meaning_needs_them(code: str, expected: str) -> None:
    assert expected == format_filter(code)


def test_a_long_call_has_an_argument_on_each_line() -> None:
    name = "a_rather_long_name_for_an_average"

    assert format_filter(f"x = macdext({name}, fastperiod=12, fastmatype=1, slowperiod=26, slowmatype={name}).histogram[3]") == (
        f"x = macdext(\n    {name},\n    fastperiod=12,\n    fastmatype=1,\n    slowperiod=26,\n    slowmatype={name},\n).histogram[3]\n"
    )


@pytest.mark.parametrize(
    ("code", "place"),
    [
        ("x = (", (1, 5)),
        ("x = close\nimport os", (2, 1)),
        ("x = [1]", (1, 5)),
        ("a, b = 1", (1, 1)),
        ("x = f(*a)", (1, 7)),
        ("x = a & b", (1, 5)),
    ],
)
def test_what_is_not_the_languages_syntax_is_refused_where_it_stands(code: str, place: tuple[int, int]) -> None:
    with pytest.raises(FilterRefusedError) as refused:
        format_filter(code)

    assert [place] == [(problem.line, problem.column) for problem in refused.value.problems]


NAMES = st.sampled_from(["close", "volume", "x", "größe", "candles"])
ATOMS = NAMES | st.sampled_from(["1", "14", "2.5", "1e-9", '"1h"', "'b \"c\"'", "'it\\'s'", "True"])
OPERATORS = st.sampled_from(["+", "-", "*", "/", "%", "**", ">", "<", ">=", "==", "!=", "and", "or"])
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, OPERATORS, inner).map(lambda parts: f"({' '.join(parts)})"),
        st.tuples(
            inner,
            OPERATORS,
            inner,
            OPERATORS,
            inner,
        ).map(lambda parts: f"({' '.join(parts)})"),
        st.tuples(NAMES, st.lists(inner, max_size=4), st.booleans()).map(
            lambda parts: f"{parts[0]}({', '.join(parts[1])}{', n=' + parts[1][0] if parts[1] and parts[2] else ''})"
        ),
        st.tuples(inner, inner).map(lambda parts: f"({parts[0]})[{parts[1]}]"),
        st.tuples(st.sampled_from(["not ", "-", "+"]), inner).map(lambda parts: f"({parts[0]}{parts[1]})"),
        inner.map(lambda text: f"({text}).upper"),
    ),
    max_leaves=25,
)
STATEMENTS = st.tuples(st.sampled_from(["match = ", "y=", ""]), EXPRESSIONS, st.sampled_from(["", "  # why", "\n\n\n# above", "#"])).map(
    "".join
)


def comments(code: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return [token.string.lstrip("# ").rstrip() for token in tokens if token.type == tokenize.COMMENT]


@settings(max_examples=300, deadline=None)
@given(st.lists(STATEMENTS, max_size=4).map("\n".join))
def test_formatting_keeps_the_meaning_and_the_comments_and_is_done_once(code: str) -> None:
    tidy = format_filter(code)

    assert ast.dump(ast.parse(code)) == ast.dump(ast.parse(tidy))
    assert comments(code) == comments(tidy)
    assert tidy == format_filter(tidy)


WORDS = [
    "x",
    "=",
    "close",
    "(",
    ")",
    "[",
    "]",
    ",",
    ".",
    "and",
    "not",
    "if",
    "#",
    ";",
    ":",
    "\n",
    "\t",
    "\f",
    "\\",
    "'",
    '"',
    '"""',
    "1",
    "**",
    "\x00",
]


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=20).map(" ".join))
def test_no_text_makes_it_raise_anything_but_a_refusal(code: str) -> None:
    try:
        tidy = format_filter(code)
    except FilterRefusedError:
        return
    assert tidy == format_filter(tidy)


@pytest.mark.parametrize("function", ALL, ids=lambda function: function.name)
def test_a_formatted_filter_is_the_same_filter(function) -> None:
    code = program_of(function)
    squeezed = code.replace(" = ", "=").replace(", ", ",")
    tidy = format_filter(squeezed)

    assert (
        compile_filter(FilterSpec(code=code, interval=Interval.M5)).key == compile_filter(FilterSpec(code=tidy, interval=Interval.M5)).key
    )
    assert all(len(line) <= WIDTH for line in tidy.splitlines())
