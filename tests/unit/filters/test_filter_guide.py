"""docs/filter-language.md says what is true."""

import re
from pathlib import Path

import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from talib import abstract

from domain.filters import FilterSpec
from domain.market import Interval
from domain.tiers import LIMITS, Tier
from filters.evaluation import Evaluator
from filters.expression import compile_filter, format_filter
from filters.expression.registry import FUNCTIONS
from filters.validation import check
from tests.unit.filters.memory_market import random_market

GUIDE = (Path(__file__).parents[3] / "docs" / "filter-language.md").read_text()
TALIB_GROUPS = {abstract.Function(name).info["group"] for name in talib.get_functions()}
EXAMPLES = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize("code", EXAMPLES)
def test_example_compiles_and_is_evaluated_for_every_symbol(code: str) -> None:
    compiled = compile_filter(FilterSpec(code=code, interval=Interval.M5))
    last = 256 * 23_000 + 100
    evaluation = Evaluator().evaluate_closed(compiled, random_market(Interval.M5, last, Interval.H1, Interval.D1), last)

    assert evaluation.ready.all()
    assert set(evaluation.values(0)) == {*compiled.series}


@pytest.mark.parametrize("code", EXAMPLES)
def test_example_is_written_in_canonical_form_and_fits_the_smaller_tier(code: str) -> None:
    assert code == format_filter(code)
    assert () == check(FilterSpec(code=code, interval=Interval.M5), LIMITS[Tier.PRO])


def test_guide_speaks_of_every_function_that_is_not_talibs() -> None:
    own = {function.name for function in FUNCTIONS.values() if function.group not in TALIB_GROUPS}

    assert set() == own - set(re.findall(r"\w+", GUIDE))


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(EXAMPLES), st.integers(0, 3))
def test_formatting_and_comments_do_not_change_the_key(code: str, blanks: int) -> None:
    rewritten = "\n".join(f"{line}{' ' * blanks}  # why{' ' * blanks}\n" for line in code.splitlines()).replace("(", "( ")

    assert (
        compile_filter(FilterSpec(code=code, interval=Interval.M5)).key
        == compile_filter(FilterSpec(code=rewritten, interval=Interval.M5)).key
    )
