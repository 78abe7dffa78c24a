"""What a filter is said to cost, and what tiers refuse."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.filters import FilterSpec
from domain.market import Interval
from domain.tiers import LIMITS, Tier, TierLimits
from filters.expression import CompiledFilter, Cost, compile_filter, problems_beyond
from filters.expression.functions import Function
from filters.expression.kernels import POINTWISE, WINDOWED
from filters.expression.weights import POINTWISE as POINTWISE_WEIGHTS
from filters.expression.weights import WINDOWED as WINDOWED_WEIGHTS
from tests.unit.filters.calls import ALL, program_of

PRO, ELITE = LIMITS[Tier.PRO], LIMITS[Tier.ELITE]


def compiled(code: str) -> CompiledFilter:
    return compile_filter(FilterSpec(code=code, interval=Interval.M5))


def cost(expression: str) -> Cost:
    return compiled(f"match = {expression} > 0").cost


def refusals(code: str, limits: TierLimits) -> list[str]:
    return [str(problem) for problem in problems_beyond(compiled(code), limits)]


@pytest.mark.parametrize("function", ALL, ids=lambda function: function.name)
def test_every_function_has_been_measured_and_fits_every_tier(function: Function) -> None:
    found = compiled(program_of(function))

    assert timedelta() < found.cost.estimated
    assert () == problems_beyond(found, PRO)


def test_every_kernel_has_been_measured() -> None:
    assert (set(POINTWISE), set(WINDOWED)) == (set(POINTWISE_WEIGHTS), set(WINDOWED_WEIGHTS))


def test_a_shared_indicator_costs_once() -> None:
    once, twice = cost("rsi(close, 14)"), cost("rsi(close, 14) + rsi(close, 14)[3]")

    assert twice.estimated - once.estimated < timedelta(microseconds=50)


def test_every_output_of_a_call_is_one_indicator() -> None:
    one, three = cost("bbands(close).upper"), cost("bbands(close).upper + bbands(close).middle + bbands(close).lower")

    assert (1, 1) == (one.indicators, three.indicators)
    assert three.estimated - one.estimated < timedelta(microseconds=50)


def test_what_is_computed_for_an_indicator_is_computed_over_its_whole_history() -> None:
    assert cost("sma(volume_nodes().distance, 5)").estimated > 100 * cost("volume_nodes().distance").estimated


def test_a_long_window_costs_more_where_time_grows_with_it() -> None:
    assert cost("avgdev(close, 400)").estimated > 10 * cost("avgdev(close, 14)").estimated


def test_a_name_that_nothing_uses_costs_no_time() -> None:
    assert compiled("x = cci(500)\nmatch = close > 1").cost.estimated == compiled("match = close > 1").cost.estimated


def test_the_dearest_parts_come_first_with_their_lines() -> None:
    shares = compiled("x = rsi(close, 14)\ny = divergence(x).bullish\nmatch = y and x > 50").cost.shares

    assert [("divergence", 2), ("rsi", 1)] == [(share.function, share.line) for share in shares[:2]]


def test_too_many_indicators_for_a_tier() -> None:
    code = "match = " + " + ".join(f"rsi(close, {n})" for n in range(2, 27)) + " > 0"

    assert ["line 1, column 1: the filter uses 25 different indicators and your tier allows 24"] == refusals(code, PRO)
    assert [] == refusals(code, ELITE)


def test_too_many_steps_for_a_tier() -> None:
    code = "match = " + " + ".join(f"close[{n}]" for n in range(30)) + " > 1"

    assert ["line 1, column 1: the filter has 90 steps and your tier allows 89"] == refusals(code, replace(PRO, max_filter_steps=89))
    assert [] == refusals(code, replace(PRO, max_filter_steps=90))


def test_too_dear_for_a_tier_names_the_dearest_parts() -> None:
    code = "x = close\ny = avgdev(x, 500)\nz = cci(500)\nmatch = y > rsi(x, 14) and z > 100"
    small = replace(PRO, max_filter_cost=timedelta(milliseconds=10))
    (refusal,) = refusals(code, small)

    assert "your tier allows 10 ms; most of it: " in refusal
    assert "avgdev on line 2 (" in refusal
    assert "cci on line 3 (" in refusal


def test_the_largest_tier_allows_what_was_deployed_before_there_were_limits() -> None:
    names = ("max_filter_steps", "max_filter_indicators", "max_filter_cost")
    defaults = TierLimits.__dataclass_fields__

    assert [defaults[name].default for name in names] == [getattr(ELITE, name) for name in names]
