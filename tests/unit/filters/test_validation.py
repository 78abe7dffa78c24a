"""What the backend and the command line ask the engines before a filter is stored."""

from dataclasses import replace

from domain.filters import FilterProblem, FilterSpec, Language
from domain.market import Interval
from domain.tiers import LIMITS, Tier
from filters.validation import check

EXPRESSION = FilterSpec(code="match = close > open", interval=Interval.M5)
JAVASCRIPT = FilterSpec(code="if (klines.length > 3) { return true; } return false;", interval=Interval.M5, language=Language.JAVASCRIPT)


def test_good_filters_have_no_problems() -> None:
    assert ((), ()) == (check(EXPRESSION), check(JAVASCRIPT))


def test_a_filter_is_read_in_its_own_language() -> None:
    as_javascript = check(replace(EXPRESSION, code="match = close >", language=Language.JAVASCRIPT))
    as_expression = check(replace(JAVASCRIPT, language=Language.EXPRESSION))

    assert [1] == [problem.line for problem in as_javascript]
    assert ["this cannot be read: this looks like JavaScript, which is another language of filters"] == [
        problem.message for problem in as_expression
    ]


def test_go_filters_need_conversion() -> None:
    (problem,) = check(replace(EXPRESSION, language=Language.GO))

    assert isinstance(problem, FilterProblem)
    assert "Write it anew in the expression language" in problem.message


def test_limits_are_checked_where_they_are_given() -> None:
    large = replace(EXPRESSION, code="match = " + " + ".join(f"rsi(close, {n})" for n in range(2, 27)) + " > 0")

    assert () == check(large)
    assert () == check(large, LIMITS[Tier.ELITE])
    assert ["the filter uses 25 different indicators and your tier allows 24"] == [
        problem.message for problem in check(large, LIMITS[Tier.PRO])
    ]
