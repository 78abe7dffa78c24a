"""The language as data, and what is made of it: complete, true and up to date."""

import dataclasses
import json
from pathlib import Path

import pytest

from domain.filters import FilterSpec
from domain.market import Interval
from filters.expression import describe_language, prompt_text
from filters.expression.description import FunctionDescription
from filters.expression.reference import reference
from filters.expression.registry import FUNCTIONS
from filters.expression.values import SERIES
from filters.frames import TICKER_FIELDS
from filters.validation import check, description

PAGE = Path(__file__).parents[3] / "docs" / "function-reference.md"
LANGUAGE = describe_language()
ALL = LANGUAGE.functions


def problems(code: str) -> list[str]:
    return [str(problem) for problem in check(FilterSpec(code=code, interval=Interval.M5))]


def test_every_function_is_described() -> None:
    assert set(FUNCTIONS) == {function.name for function in ALL}
    assert LANGUAGE is description()


@pytest.mark.parametrize("function", ALL, ids=lambda function: function.name)
def test_example_is_a_condition_that_uses_the_function(function: FunctionDescription) -> None:
    assert [] == problems(f"match = {function.example}")
    assert f"{function.name}(" in function.example


@pytest.mark.parametrize("function", ALL, ids=lambda function: function.name)
def test_results_are_what_is_described(function: FunctionDescription) -> None:
    call = f"{function.name}({', '.join(_argument(item.kind) for item in function.inputs)}{_needed(function)})"
    for output in function.outputs:
        part = f"{call}.{output.name}" if output.name else call
        code = f'condition("x", {part})' if output.kind == "condition" else f'plot("x", {part})'

        assert [] == problems(f"{code}\nmatch = close > open")


def _argument(kind: str) -> str:
    return "close > open" if kind == "condition" else "close"


def _needed(function: FunctionDescription) -> str:
    numbers = [f"{parameter.name}=3" for parameter in function.parameters if parameter.default is None]
    return ", " + ", ".join(numbers) if numbers else ""


@pytest.mark.parametrize(
    ("function", "parameter", "bound", "beyond"),
    [
        (function, parameter.name, bound, beyond)
        for function in ALL
        for parameter in function.parameters
        for bound, beyond in ((parameter.minimum, -1), (parameter.maximum, 1))
        if bound is not None and abs(bound) < 400
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_parameter_may_not_be_beyond_its_bound(function: FunctionDescription, parameter: str, bound: float, beyond: int) -> None:
    arguments = ", ".join(_argument(item.kind) for item in function.inputs)
    refused = [problem for problem in problems(f"x = {function.name}({arguments}, {parameter}={bound + beyond})") if "match" not in problem]

    assert refused
    assert [parameter] == [word for word in " ".join(refused).replace(":", " ").split() if word == parameter][:1]


def test_parameters_and_words_have_meanings() -> None:
    assert [] == [(function.name, item.name) for function in ALL for item in function.parameters if not item.meaning]
    assert list(SERIES) == [item.name for item in LANGUAGE.series]
    assert [f"ticker.{name}" for name in TICKER_FIELDS] == [item.name for item in LANGUAGE.ticker]


def test_description_survives_json() -> None:
    document = dataclasses.asdict(LANGUAGE)

    assert json.loads(json.dumps(document, allow_nan=False))["functions"][0]["name"] == ALL[0].name


def test_page_is_up_to_date() -> None:
    hint = "make it anew: python -m filters.expression.reference > docs/function-reference.md"

    assert PAGE.read_text() == reference(), hint


def test_prompt_names_everything_and_stays_small() -> None:
    text = prompt_text()

    assert [] == [function.name for function in ALL if function.name not in text]
    assert len(text) < 20_000  # about 3.5 characters a token: under 6,000 tokens


@pytest.mark.parametrize(
    ("words", "found"),
    [("divergence", "divergence"), ("bollinger bands", "bbands"), ("stdev", "stddev"), ("crossover", "crosses_above"), ("VWAP", "vwap")],
)
def test_search_finds_functions_by_word_and_by_foreign_name(words: str, found: str) -> None:
    assert found in [function.name for function in LANGUAGE.search(words)]


def test_search_for_nonsense_finds_nothing() -> None:
    assert () == LANGUAGE.search("flux capacitor")
