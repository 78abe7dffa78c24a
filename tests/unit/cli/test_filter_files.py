"""What a command was told of a filter, and what its file says."""

from pathlib import Path

import pytest
import typer

from cli.filter_files import ENDINGS, FilterOptions, language_of, to_intervals
from domain.errors import RefusedError
from domain.filters import FilterSpec, Language, Trigger
from domain.market import Interval

BROWSER = FilterSpec(
    code="return true", interval=Interval.M5, language=Language.JAVASCRIPT, required_intervals=(Interval.M15, Interval.H1), truthy=True
)


def file(folder: Path, name: str, code: str = "match = close > 1") -> Path:
    made = folder / name
    made.write_text(code)
    return made


@pytest.mark.parametrize(("ending", "language"), ENDINGS.items())
def test_a_files_ending_says_its_language(tmp_path: Path, ending: str, language: Language) -> None:
    assert language is language_of(tmp_path / f"a{ending.upper()}", None)
    assert Language.JAVASCRIPT is language_of(tmp_path / f"a{ending}", Language.JAVASCRIPT)


def test_a_file_without_a_known_ending_needs_its_language_named(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match=r"a\.lua may be in any language"):
        language_of(tmp_path / "a.lua", None)


def test_intervals_are_read_once_each_the_shortest_first() -> None:
    assert (Interval.M15, Interval.H1) == to_intervals(" 1h, 15m,1h,")
    with pytest.raises(typer.BadParameter, match="2h is no interval: 1m, "):
        to_intervals("15m,2h")


def test_options_that_were_not_given_leave_the_filter_as_it_is() -> None:
    assert BROWSER == FilterOptions().applied_to(BROWSER)


def test_a_filter_of_another_language_takes_nothing_of_the_former_one(tmp_path: Path) -> None:
    expected = FilterSpec(code="match = close > 1", interval=Interval.M5)
    assert expected == FilterOptions(file=file(tmp_path, "a.filter")).applied_to(BROWSER)


def test_a_filter_in_javascript_may_read_other_intervals_than_its_own(tmp_path: Path) -> None:
    options = FilterOptions(file=file(tmp_path, "a.js", "return 1"), interval=Interval.H1, also="15m,1h", truthy=True, trigger=Trigger.TICK)
    changed = options.applied_to(FilterSpec(code="", interval=Interval.M1))

    assert (Language.JAVASCRIPT, (Interval.M15,), True, Trigger.TICK) == (
        changed.language,
        changed.required_intervals,
        changed.truthy,
        changed.trigger,
    )
    assert () == FilterOptions(also="").applied_to(changed).required_intervals
    assert not FilterOptions(truthy=False).applied_to(changed).truthy


@pytest.mark.parametrize("options", [FilterOptions(also="1h"), FilterOptions(truthy=True)])
def test_an_expression_has_no_options_of_javascript(options: FilterOptions) -> None:
    with pytest.raises(typer.BadParameter, match="for filters in JavaScript; this one is in expression"):
        options.applied_to(FilterSpec(code="match = close > 1", interval=Interval.M1))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "a.filter"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(RefusedError, match="is not UTF-8 text"):
        FilterOptions(file=binary).applied_to(BROWSER)
