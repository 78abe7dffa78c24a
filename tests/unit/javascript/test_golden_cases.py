"""What the browser's library answered to 798 calls, asked of the helpers in V8."""

import json
from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from filters.javascript.contract import CANDLES, JavaScriptFilter, View
from filters.javascript.isolate import Isolate
from tests.unit.javascript.javascript_market import M5, view, walk

GOLDEN = Path(__file__).parents[4] / "shared" / "data" / "golden" / "javascript_helpers.json"
CELLS = (1, 2, 3, 4, 5, 7, 8, 9, 10)

pytestmark = pytest.mark.skipif(not GOLDEN.exists(), reason="the recorded answers of the browser's library are not on this machine")

CALL = """
function isSame(is, was) {
  if (was !== null && typeof was === "object") {
    if ("$n" in was) return typeof is === "number" && !isFinite(is);
    const keys = Object.keys(was);
    if (is === null || typeof is !== "object") return false;
    return keys.length === Object.keys(is).length && keys.every((key) => isSame(is[key], was[key]));
  }
  if (typeof was === "number") return typeof is === "number" && Math.abs(is - was) <= 1e-9 * Math.max(1, Math.abs(was));
  return is === was;
}
const column = (cell) => K.map((k) => parseFloat(k[cell]));
const given = (argument) => (argument === "closes" ? column(4) : argument === "volumes" ? column(5) : argument ?? undefined);
function answer(name, args) {
  if (args[0] === "nodes") {
    const [, options, ...rest] = args;
    const nodes = helpers.calculateHighVolumeNodes(K, options);
    return name === "countHVNInRange" ? helpers[name](...rest, nodes) : helpers[name](rest[0], nodes, ...rest.slice(1));
  }
  const isOfValues = args[0] === "closes" || args[0] === "volumes";
  return isOfValues ? helpers[name](...args.map(given)) : helpers[name](K, ...args.map(given));
}
const wrong = CASES.map((c, index) => (isSame(answer(c.fn, c.args), c.r) ? "" : String(index))).filter((index) => index);
return { match: wrong.length === 0, conditions: ["answered", ...wrong] };
"""
KLINES = "const K = klines.slice({first});\n"
MADE = "for (const k of klines) for (const cell of k) cell;\nconst K = klines.slice({first});\n"
"""A filter that reads every cell is given plain rows from its second pass on."""
OWN = "const K = {own};\n"
CASES_OF_A_FILTER = 50_000
"""Characters of recorded answers beside the candles."""


def _golden() -> dict[str, Any]:
    return json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {"sets": {}, "cases": []}


GIVEN = _golden()
SETS = sorted(GIVEN["sets"])
FUNCTIONS = sorted({case["fn"] for case in GIVEN["cases"]})


@pytest.fixture(scope="module")
def market() -> dict[str, View]:
    """Each set as the newest candles of a symbol, after older candles of another kind."""
    return {name: _view(rows) for name, rows in GIVEN["sets"].items()}


def _view(klines: list[list[Any]]) -> View:
    candles = walk(1)
    for index, kline in enumerate(klines):
        candles[:, CANDLES - len(klines) + index] = [_number(kline[cell]) for cell in CELLS]
    return view(candles, first=len(klines) - CANDLES)


def _number(cell: object) -> float:
    try:
        return float(str(cell))
    except ValueError:
        return np.nan


def test_every_recorded_call_is_asked() -> None:
    assert 798 == len(GIVEN["cases"])
    assert 34 == len(FUNCTIONS)


def _filters(rows: str, name: str, cases: list[dict[str, Any]]) -> Iterator[tuple[JavaScriptFilter, list[dict[str, Any]]]]:
    """Filters that ask for these cases of one set, as many in each as a filter may hold."""
    klines = GIVEN["sets"][name]
    while cases:
        sizes = list(accumulate(len(json.dumps(case)) for case in cases))
        count = max(1, bisect(sizes, CASES_OF_A_FILTER))
        some, cases = cases[:count], cases[count:]
        code = rows.format(first=CANDLES - len(klines), own=json.dumps(klines)) + f"const CASES = {json.dumps(some)};\n" + CALL
        yield JavaScriptFilter(code=code, interval=M5), some


def _expect_all_right(isolate: Isolate, compiled: JavaScriptFilter, seen: View, some: list[dict[str, Any]]) -> None:
    verdicts = isolate.run(compiled.key, seen)

    assert () == verdicts.failures
    wrong = [(some[int(index)]["fn"], some[int(index)]["args"]) for index in verdicts.conditions.get(0, ("answered",))[1:]]
    assert ([], True) == (wrong, bool(verdicts.matched[0]))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_helper_answers_as_in_the_browser(isolate: Isolate, market: dict[str, View], function: str) -> None:
    """Helper by helper: of rows as they are given, helpers share their work."""
    for name, seen in market.items():
        cases = [case for case in GIVEN["cases"] if case["fn"] == function and case["set"] == name]
        for compiled, some in _filters(KLINES, name, cases):
            isolate.load(compiled)
            _expect_all_right(isolate, compiled, seen, some)


@pytest.mark.parametrize("rows", [MADE, OWN], ids=["klines read in full", "own arrays"])
@pytest.mark.parametrize("name", SETS)
def test_helpers_answer_so_of_any_rows(isolate: Isolate, market: dict[str, View], name: str, rows: str) -> None:
    for compiled, some in _filters(rows, name, [case for case in GIVEN["cases"] if case["set"] == name]):
        isolate.load(compiled)
        isolate.run(compiled.key, market[name])
        _expect_all_right(isolate, compiled, market[name], some)
