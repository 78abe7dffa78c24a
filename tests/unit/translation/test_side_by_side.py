"""docs/from-pine-and-javascript.md says what is true."""

import re
from pathlib import Path

import pytest

from domain.errors import FilterRefusedError
from domain.filters import FilterSpec
from domain.market import Interval
from filters.expression import compile_filter
from filters.javascript.syntax import check_syntax
from filters.javascript.syntax_tree import first_error, parse
from filters.translation.browser_helpers import HELPERS, TRUE_HELPERS

PAGE = (Path(__file__).parents[3] / "docs" / "from-pine-and-javascript.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in PAGE.splitlines() if line.startswith("| ")]
IDIOMS = [row for row in ROWS if row[0] != "Pine"]
EXPRESSIONS = [row[2].strip("`") for row in IDIOMS]
NOT_CODE = ("none", "by hand")
JAVASCRIPT = [row[1].strip("`") for row in IDIOMS if row[1] not in NOT_CODE and "..." not in row[1]]


def problems(expression: str) -> list[str]:
    """Of the expression as a match and, where it is none, as a plot."""
    for program in (f"match = {expression}", f'match = close > 0\nplot("x", {expression})'):
        try:
            compile_filter(FilterSpec(code=program, interval=Interval.M5))
        except FilterRefusedError as refused:
            found = [str(problem) for problem in refused.problems]
        else:
            return []
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_expression_compiles(expression: str) -> None:
    assert [] == problems(expression)


def test_every_piece_of_javascript_can_be_read() -> None:
    assert [] == [code for code in JAVASCRIPT if first_error(parse(code)) is not None]
    assert [] == [code for code in JAVASCRIPT if check_syntax(FilterSpec(code=code, interval=Interval.M5))]


def test_only_helpers_that_are_there_are_named() -> None:
    named = set(re.findall(r"helpers\.(\w+)", PAGE))
    assert set() == named - HELPERS - TRUE_HELPERS


def test_there_are_enough_idioms_and_each_has_its_four_columns() -> None:
    assert len(IDIOMS) >= 40
    assert {4} == {len(row) for row in IDIOMS}
