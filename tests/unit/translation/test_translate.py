"""Browser filters become the expressions they compute, or are refused with the place."""

import re
import time
from pathlib import Path

import pytest

from domain.filters import FilterSpec, Language
from domain.market import Interval
from filters.translation.translate import Refused, Translation, translate

LAST = "const last = klines[klines.length - 1]; const c = parseFloat(last[4]), o = parseFloat(last[1]); "


def translated(code: str, *, truly: bool = False) -> Translation | Refused:
    return translate(FilterSpec(code=code, interval=Interval.M5, language=Language.JAVASCRIPT), with_true_indicators=truly)


def expression(code: str, *, truly: bool = False) -> str:
    found = translated(code, truly=truly)
    assert isinstance(found, Translation), found
    return found.filter.code.strip()


@pytest.mark.parametrize(
    ("javascript", "expected"),
    [
        ("return helpers.calculateMA(klines, 9) > helpers.calculateMA(klines, 21);", "match = sma(close, 9) > sma(close, 21)"),
        (LAST + "return c > o && !(c < 3);", "match = close > open and close >= 3"),
        (LAST + "if (c < o) return false; return c > 5;", "match = close >= open and close > 5"),
        (LAST + "return c > o ? c > 5 : false;", "match = close > open and close > 5"),
        ("return parseFloat(klines[klines.length - 4][2]) > 7;", "match = high[3] > 7"),
        ("const x = klines.slice(-20).reduce((s, k) => s + +k[5], 0) / 20; return x > 7;", "x = sma(volume, 20)\nmatch = x > 7"),
        (
            "let sum = 0; for (let i = klines.length - 6; i < klines.length - 1; i++) sum += Number(klines[i][5]); return sum > 7;",
            "match = sum(volume, 5)[1] > 7",
        ),
        ("return Math.max(...klines.slice(-10, -1).map(k => parseFloat(k[2]))) < 7;", "match = highest(high, 9)[1] < 7"),
        (
            "let low = Infinity; for (const k of klines.slice(-8)) { const l = parseFloat(k[3]); if (l < low) low = l; } return low > 7;",
            "match = lowest(low, 8) > 7",
        ),
        ("return klines.slice(-5).some(k => parseFloat(k[4]) > parseFloat(k[1]));", "match = any_of(close > open, 5)"),
        (
            "let n = 0; klines.slice(-9).forEach(k => { if (parseFloat(k[4]) > parseFloat(k[1])) n += 1; }); return n > 4;",
            "match = count(close > open, 9) > 4",
        ),
        (
            "return parseFloat(ticker.P) > 2 && Number(ticker.q) >= 1e6;",
            "match = ticker.change_percent > 2 and ticker.quote_volume >= 1000000",
        ),
        (
            "const h = timeframes['1h']; if (!h || h.length < 20) return false; return helpers.calculateMA(h, 20) > 7;",
            'hourly = candles("1h")\nmatch = sma(hourly.close, 20) > 7',
        ),
        ("if (klines.length < 300) return helpers.calculateMA(klines, 5) > 7; return false;", "match = sma(close, 5) > 7"),
        (
            "const mean = (xs, n) => xs.slice(-n).reduce((a, b) => a + b) / n; return mean(klines.map(k => +k[4]), 10) > 7;",
            "match = sma(close, 10) > 7",
        ),
        (LAST + "let score = 0; if (c > o) score++; if (c > 5) score += 1; return score >= 2;", "match = close > open and close > 5"),
        (
            LAST + "const found = []; if (c > o) found.push('up'); if (c > 5) found.push('far'); return found.length > 0;",
            "match = close > open or close > 5",
        ),
        (LAST + "return [c > o, c > 5, c > 7].every(Boolean);", "match = close > open and close > 5 and close > 7"),
        ("const c = klines.map(k => parseFloat(k[4])); return helpers.calculateRSI(c, 14) < 35 && c[249] > 7;", "match = close > 7"),
        (
            "for (let i = 247; i < 250; i++) { if (parseFloat(klines[i][4]) < 7) return false; } return true;",
            "match = all_of(close >= 7, 3)",
        ),
    ],
)
def test_common_shapes_become_what_they_mean(javascript: str, expected: str) -> None:
    assert expected == expression(javascript)


def test_what_a_filter_calls_conditions_are_conditions() -> None:
    code = LAST + "const conditions = []; if (c > o) conditions.push(`up ${c.toFixed(2)}`); return { match: c > 5, conditions };"
    assert 'condition("up", close > open)\nmatch = close > 5' == expression(code)


def test_names_of_the_language_are_not_taken() -> None:
    assert "rsi_now = rsi(close, 14)\nmatch = rsi_now != 0 and rsi_now < 30" == expression(
        "const rsi = helpers.getLatestRSI(klines, 14); return rsi && rsi < 30;"
    )


def test_a_guard_that_says_nothing_more_is_left_out() -> None:
    code = "const rsi = helpers.getLatestRSI(klines, 14); if (rsi === null) return false; return rsi && rsi > 70;"
    assert "rsi_now = rsi(close, 14)\nmatch = rsi_now > 70" == expression(code)


def test_the_true_indicator_is_offered_apart() -> None:
    code = "return helpers.calculateADX(klines, 14) > 25;"
    assert "match = min(sma(trange(high, low, close), 14) / sma(close, 14) * 1000, 100) > 25" == expression(code)
    assert "match = adx(high, low, close, 14) > 25" == expression(code, truly=True)


@pytest.mark.parametrize(
    ("javascript", "line", "words"),
    [
        ("const a = 1;\nreturn helpers.getLatestPVI(klines) > a;", 2, "helpers.getLatestPVI has no counterpart"),
        ("\n\nreturn new Date().getUTCHours() > 3;", 1, "the time of a candle"),
        ("const k = klines[249];\nreturn k[4] > k[1];", 2, "parseFloat is missing"),
        ("return klines[249].close > 3;", 1, "it is an array"),
        ("return false;", 1, "never matches"),
        ("return true;", 1, "always matches"),
        ("let i = 0;\nwhile (parseFloat(klines[249 - i][4]) > 7) i++;\nreturn i > 3;", 2, "depends on the candles"),
        ("switch (1) { case 1: return true; }", 1, "switch statement"),
        ("return (", 1, "cannot be read"),
        ("const f = x => f(x); return f(1);", 1, "too deeply"),
        ("for (;;) { const x = 1; }", 1, "too much"),
    ],
)
def test_what_cannot_be_said_is_refused_with_its_line(javascript: str, line: int, words: str) -> None:
    found = translated(javascript)
    assert isinstance(found, Refused)
    assert line == found.line
    assert words in found.reason


def test_the_example_of_the_guide_becomes_what_the_guide_says() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "importing.md").read_text()
    javascript = re.search(r"understood\.\n\n((?:    .*\n)+)", guide)
    proposed = re.search(r"```python\n(.*?)\n```", guide, re.DOTALL)
    assert javascript
    assert proposed
    assert proposed[1] == expression(javascript[1])


@pytest.mark.parametrize(
    "javascript",
    [
        "let a = [1]; for (let i = 0; i < 60; i++) a = a.concat(a); return a.length > 1;",
        "let a = [1]; for (let i = 0; i < 60; i++) a = [...a, ...a]; return a.length > 1;",
        "const a = [1]; for (const x of a) a.push(x); for (;;) a.push(1); return true;",
        "let t = 'x'; for (let i = 0; i < 60; i++) t += t; return t === 'y' || parseFloat(t) > 1;",
        LAST + "let x = c; for (let i = 0; i < 60; i++) x = x * x; return x > 1;",
        LAST + "let x = c; for (let i = 0; i < 60; i++) x = x + x; return x > o;",
        LAST + "let x = c; for (let i = 0; i < 60; i++) x = x > 1 ? x * 2 : x / 3; return x > o;",
        LAST + "let x = c > o; for (let i = 0; i < 200; i++) x = x ? +klines[i][4] > 1 : +klines[i][1] > 2; return x;",
        LAST + "let e = 0; for (const k of klines) e = parseFloat(k[4]) * 0.1 + e * 0.9; return c > e;",
        "return " + "(" * 3_000 + "1" + ")" * 3_000 + ";",
        "return " + "!" * 5_001 + "helpers.getLatestRSI(klines);",
    ],
)
def test_hostile_texts_end_soon(javascript: str) -> None:
    began = time.process_time()
    found = translated(javascript)
    assert isinstance(found, Refused) or len(found.filter.code) < 20_000
    assert time.process_time() - began < 20
