"""The plain library that the engine is compared with gives what the browser's gave."""

import json
import math
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from py_mini_racer import MiniRacer

from filters.translation.browser import LIBRARY
from filters.translation.browser_helpers import HELPERS, TRUE_HELPERS

GOLDEN = Path(__file__).parents[4] / "shared" / "data" / "golden" / "javascript_helpers.json"
CALL = """
(function (fn, set, args) {
  const klines = JSON.parse(set);
  const columns = { closes: klines.map((k) => parseFloat(k[4])), volumes: klines.map((k) => parseFloat(k[5])) };
  const given = args.map((each) => (typeof each === "string" && columns[each]) || each);
  const nodes = args[0] === "nodes" ? browserHelpers.calculateHighVolumeNodes(klines, args[1]) : null;
  if (nodes && fn === "countHVNInRange") return browserHelpers[fn](args[2], args[3], nodes);
  if (nodes) return browserHelpers[fn](args[2], nodes, ...args.slice(3));
  return columns[args[0]] ? browserHelpers[fn](...given) : browserHelpers[fn](klines, ...args);
})
"""
SHOWN = '(value) => JSON.stringify(value, (_, each) => (typeof each === "number" && isNaN(each) ? "NaN" : each))'


@pytest.fixture(scope="module")
def racer() -> Iterator[MiniRacer]:
    with MiniRacer() as racer:
        racer.eval(LIBRARY)
        yield racer


def alike(expected: Any, found: Any) -> bool:
    if isinstance(expected, float | int) and not isinstance(expected, bool) and isinstance(found, float | int):
        return math.isclose(expected, found, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(alike, expected, found))
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(alike(expected[key], found[key]) for key in expected)
    return expected == ({"$n": "NaN"} if found == "NaN" else found)


@pytest.mark.skipif(not GOLDEN.exists(), reason="the browser's recorded results are not on this machine")
def test_every_recorded_result_is_met(racer: MiniRacer) -> None:
    golden = json.loads(GOLDEN.read_text())
    sets = {name: json.dumps(json.dumps(klines)) for name, klines in golden["sets"].items()}
    wrong = []
    for case in golden["cases"]:
        found = json.loads(str(racer.eval(f"({SHOWN})({CALL}({json.dumps(case['fn'])}, {sets[case['set']]}, {json.dumps(case['args'])}))")))
        if not alike(case["r"], found):
            wrong.append((case["fn"], case["set"], case["args"], case["r"], found))

    assert [] == wrong[:3]
    assert len(golden["cases"]) > 700


def test_there_are_the_helpers_of_the_browser_and_no_others(racer: MiniRacer) -> None:
    assert sorted(HELPERS) == json.loads(str(racer.eval("JSON.stringify(Object.keys(browserHelpers).sort())")))
    assert len(HELPERS) == 35


def test_the_engine_offers_these_and_the_true_ones() -> None:
    entry = (resources.files("filters.javascript") / "library" / "entry.js").read_text()
    offered = re.search(r"const helpers = {(.*?)}", entry, re.DOTALL)
    assert offered
    assert HELPERS | TRUE_HELPERS == set(re.findall(r"\w+", offered[1]))
