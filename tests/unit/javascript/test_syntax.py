"""What is told of code that V8 does not understand."""

import time

import pytest

from domain.filters import FilterProblem, FilterSpec, Language
from domain.market import Interval
from filters.javascript.syntax import LONGEST, check_syntax


def _check(code: str) -> tuple[FilterProblem, ...]:
    return check_syntax(FilterSpec(code=code, interval=Interval.M5, language=Language.JAVASCRIPT))


@pytest.mark.parametrize(
    "code",
    [
        "return true",
        "const klines = timeframes['5m'];\nreturn klines.length > 3;",
        "x = 08; return x",
        "// only words",
        "return /* } */ '}' === `}`",
        "with (ticker) { return s; }",
        "async function f() { await 1; }\nreturn true;",
        "return true // no end of line",
        "'use strict'; return 1",
    ],
)
def test_what_the_browser_compiled_compiles(code: str) -> None:
    assert () == _check(code)


@pytest.mark.parametrize(
    ("code", "line", "column", "message"),
    [
        ("return klines[;", 1, 15, "Unexpected token ';'"),
        ("const a = 1;\nconst a = 2;\nreturn a;", 2, 7, "Identifier 'a' has already been declared"),
        ("if (true) {\n  return 1;\n", 3, 1, "The filter ends before everything in it is closed."),
        ("return 1;\n}", 2, 2, "There is a } too many: it would end the filter before its end."),
        ("}); globalThis.hit = 1; (function () {", 1, 39, "There is a } too many: it would end the filter before its end."),
        ("const x = await indicators.rsi(14);", 1, 11, "await is only valid in async functions and the top level bodies of modules"),
        ("\n\nreturn 'open;", 3, 8, "Invalid or unexpected token"),
        ("import x from 'y';", 1, 1, "Cannot use import statement outside a module"),
        ("const ticker = 1;", 1, 7, "Identifier 'ticker' has already been declared"),
        ("\treturn )", 1, 9, "Unexpected token ')'"),
        ("(" * 60_000, 1, 60_001, "The filter is nested too deeply."),
        ("", 1, 1, "The filter is empty."),
    ],
)
def test_a_problem_has_its_place_in_the_owners_text(code: str, line: int, column: int, message: str) -> None:
    assert [(line, column, message)] == [(problem.line, problem.column, problem.message) for problem in _check(code)]


def test_code_that_is_too_long_is_not_even_looked_at() -> None:
    assert [f"The filter has {LONGEST + 1:,} characters; at most {LONGEST:,} are allowed."] == [
        p.message for p in _check(" " * LONGEST + ";")
    ]


def test_nothing_of_what_is_checked_runs() -> None:
    assert () == _check("for (;;) ;")
    assert () == _check("return " + "1 + " * 20_000 + "1")
    assert () == _check("return '\ud800'")


def test_to_check_is_quick() -> None:
    code = "\n".join(f"const rsi{k} = helpers.getLatestRSI(klines, {k + 1}); if (rsi{k} > {k}) return false;" for k in range(200))
    _check("return 1")
    started = time.perf_counter()
    _check(code)

    assert time.perf_counter() - started < 0.2


async def test_it_can_be_asked_where_an_event_loop_runs() -> None:
    assert () == _check("return true")
    assert 1 == len(_check("return ]"))
