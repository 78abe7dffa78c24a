"""docs/filter-language.md says what is true."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.filters import FilterSpec
from domain.market import Interval
from filters.evaluation import Evaluator
from filters.expression import compile_filter
from filters.expression.reference import reference
from tests.unit.filters.memory_market import random_market

GUIDE = (Path(__file__).parents[3] / "docs" / "filter-language.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


def test_guide_lists_the_functions_there_are() -> None:
    assert GUIDE.split("## Functions\n\n")[1] == reference() + "\n"


@pytest.mark.parametrize("code", EXAMPLES)
def test_example_compiles_and_is_evaluated_for_every_symbol(code: str) -> None:
    compiled = compile_filter(FilterSpec(code=code, interval=Interval.M5))
    last = 256 * 23_000 + 100
    evaluation = Evaluator().evaluate_closed(compiled, random_market(Interval.M5, last, Interval.H1), last)

    assert evaluation.ready.all()
    assert set(evaluation.values(0)) == {*compiled.series}


def test_there_are_three_examples() -> None:
    assert len(EXAMPLES) == 3


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(EXAMPLES), st.integers(0, 3))
def test_formatting_and_comments_do_not_change_the_key(code: str, blanks: int) -> None:
    rewritten = "\n".join(f"{line}{' ' * blanks}  # why{' ' * blanks}\n" for line in code.splitlines()).replace("(", "( ")

    assert (
        compile_filter(FilterSpec(code=code, interval=Interval.M5)).key
        == compile_filter(FilterSpec(code=rewritten, interval=Interval.M5)).key
    )
