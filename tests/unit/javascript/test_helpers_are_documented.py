"""The page about JavaScript filters names every helper, and no other."""

import re
from pathlib import Path

from filters.javascript.isolate import Isolate
from tests.unit.javascript.javascript_market import say, view, walk

PAGE = Path(__file__).parents[3] / "docs" / "javascript-filters.md"
HELPERS_OF_THE_BROWSER = 35


def test_the_page_and_the_helpers_agree(isolate: Isolate) -> None:
    tables = PAGE.read_text(encoding="utf-8").split("## The helpers of the browser", 1)[1].split("## What is fast", 1)[0]
    rows = [line.split("|")[1] for line in tables.splitlines() if line.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`(\w+)\(", row)}
    helpers = say(isolate, "return Object.keys(helpers);", view(walk(1)))[0]

    assert sorted(documented) == sorted(helpers)
    assert HELPERS_OF_THE_BROWSER == sum(not name.startswith("true") for name in helpers)
