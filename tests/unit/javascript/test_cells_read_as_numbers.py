"""Numbers are taken out of klines without texts, and nobody can tell."""

import pytest

from filters.javascript.cells import read_as_numbers
from filters.javascript.isolate import Isolate
from tests.unit.javascript.javascript_market import run, say, view, walk

CANDLES = walk(9)


@pytest.mark.parametrize(
    ("written", "put"),
    [
        ("return parseFloat(k[4]);", "return $parsed(k,4);"),
        ("return Number(klines[klines.length - 1][5])", "return $number(klines[klines.length - 1],5)"),
        ("return+k[4]>+k[1]", "return $plus(k,4)> $plus(k,1)"),
        ("parseFloat(\n  k[4],\n)", "$parsed(\n  k,4\n)"),
        ("parseFloat(a[+b[2]][4])", "$parsed(a[ $plus(b,2)],4)"),
        ("const f = (é) => parseFloat(é[10]) // ü", "const f = (é) => $parsed(é,10) // ü"),
        ("list.map(parseFloat); parseFloat(k[3])", "list.map(parseFloat); $parsed(k,3)"),
        ("Number.isFinite(Number(k[7]))", "Number.isFinite($number(k,7))"),
    ],
)
def test_reading_a_text_becomes_a_call(written: str, put: str) -> None:
    assert put == read_as_numbers(written)


@pytest.mark.parametrize(
    "written",
    [
        "parseFloat(k[0]) + parseFloat(k[i]) + parseFloat(k['4']) + parseFloat(k[4], 1) + parseFloat(k?.[4]) + parseFloat?.(k[4])",
        "const parseFloat = (x) => 7; return parseFloat(k[4]);",
        "function parseFloat() {} return parseFloat(k[4]);",
        "const f = (parseFloat) => parseFloat(k[4]);",
        "const { parseFloat } = own; return parseFloat(k[4]);",
        "for (const Number of list) Number(k[4]);",
        "try {} catch (Number) { Number(k[4]); }",
        "parseFloat = 5; return parseFloat(k[4]);",
        "with (own) { parseFloat(k[4]); }",
        "own.parseFloat(k[4]); new Number(k[4]); -k[4]; k[4]++; ++k[4];",
        "const $parsed = 1; parseFloat(k[4]);",
        "'parseFloat(k[4])'; /* +k[4] */ `Number(k[4])`",
        "return parseFloat(k[4]",
        "parseFloat(k[4]); '\ud800'",
    ],
)
def test_what_may_mean_something_else_stays(written: str) -> None:
    assert written == read_as_numbers(written)


@pytest.mark.parametrize("read", ["parseFloat(K[249][4])", "Number(K[249][4])", "+K[249][4]"])
@pytest.mark.parametrize(
    "before", ["", "K[249][4] = '12.5x';", "K[249] = ['0', 1, 2, 3, '0x1f'];", "K[249] = { 4: null };", "K[249][4] = {};", "K.pop();"]
)
def test_the_number_is_what_the_text_means(isolate: Isolate, read: str, before: str) -> None:
    said = []
    for form in (read, read.replace("[4]", "['4']")):
        body = f"const K = klines; {before} try {{ return {form}; }} catch (error) {{ return [error.name, error.message]; }}"
        said.append(say(isolate, body, view(CANDLES)))

    assert said[0] == said[1]


def test_an_error_still_has_its_line(isolate: Isolate) -> None:
    failures = run(isolate, "const none = undefined;\n\nreturn parseFloat(\n  none[4]\n) > 1;", view(CANDLES)).failures

    assert [("TypeError: Cannot read properties of undefined (reading '4')", 3)] == [(f.message, f.line) for f in failures]
