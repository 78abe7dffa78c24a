"""What a window told of a filter that fails is part of the trader's state, its report and its story."""

from dataclasses import replace
from datetime import timedelta

from activities.screening import WindowCounts, WindowResult
from domain.filter_failures import FilterCondition
from domain.filters import FailureKind, FilterFailure, FilterSpec, Language
from domain.market import Interval
from tests.unit.workflows.test_stale_symbols import CONFIG, FRESH, NOON
from workflows.contracts import TraderState
from workflows.story import details_of, story_of
from workflows.trader_state import absorbed, forgiven, oddities_of, report_of

FAILURE = FilterFailure(kind=FailureKind.RUNTIME, message="x is undefined", line=2, symbol="BTCUSDT", symbols=400)
GOOD = replace(FRESH, counts=WindowCounts(ticks=5, evaluations=5, symbols=400))
IDLE = replace(FRESH, counts=WindowCounts(ticks=5, skipped=5))


def failing(minutes: int, code: str = "filter_failing", message: str = "it fails for every symbol: x") -> WindowResult:
    return replace(
        FRESH,
        last_tick=NOON + timedelta(minutes=minutes),
        counts=WindowCounts(ticks=5, evaluations=2, failed=2, symbols=400, symbols_failed=400),
        condition=FilterCondition(code=code, message=message),
        failures=(FAILURE,),
        failures_in_a_row=2,
    )


def test_a_condition_lasts_since_the_first_window_that_told_it() -> None:
    state = absorbed(absorbed(absorbed(TraderState(), failing(1)), IDLE), failing(6, message="another"))
    report = report_of(CONFIG, state)

    assert ("another", NOON + timedelta(minutes=1)) == (report.condition and report.condition.message, report.condition_since)
    assert (400, (FAILURE,), 2, 4) == (
        report.symbols_failed,
        report.failures,
        state.failures_in_a_row,
        report.totals.failed_evaluations,
    )


def test_another_condition_begins_anew_and_a_good_evaluation_ends_it() -> None:
    state = absorbed(absorbed(TraderState(), failing(1)), failing(6, code="filter_suspended"))
    assert NOON + timedelta(minutes=6) == state.condition_since

    well = absorbed(state, GOOD)
    assert (None, None, 0, (), 0) == (well.condition, well.condition_since, well.symbols_failed, well.failures, well.failures_in_a_row)
    assert "**Filter** `" not in story_of(CONFIG, well)


def test_who_looks_anew_is_forgiven() -> None:
    assert TraderState(totals=absorbed(TraderState(), failing(1)).totals) == replace(
        forgiven(absorbed(TraderState(), failing(1))), last_tick=None, market="", symbols=0
    )


def test_the_story_tells_what_a_filter_said_without_its_markup() -> None:
    story = story_of(CONFIG, absorbed(TraderState(), failing(1, message="thrown: `<b>bold</b>`")))

    assert "- **Filter** `thrown: '<b>bold</b>'` since 2026-01-05 12:01:00 UTC" in story.splitlines()
    assert "2 failed evaluations" in story


def test_what_happened_tells_failures_for_all_and_for_some() -> None:
    partly = replace(GOOD, counts=replace(GOOD.counts, failed_in_part=3), condition=failing(1).condition)

    assert ["2 evaluations failed: it fails for every symbol: x"] == oddities_of(failing(1))
    assert ["3 evaluations failed for some symbols: it fails for every symbol: x"] == oddities_of(partly)
    assert ["3 evaluations failed for some symbols: the last one was good"] == oddities_of(replace(partly, condition=None))


def test_a_filter_is_shown_whole_whatever_marks_it_contains() -> None:
    code = "// ```\nreturn `${ticker.s}` === 'x'"
    spec = FilterSpec(code=code, interval=Interval.M1, language=Language.JAVASCRIPT)
    details = details_of(replace(CONFIG, settings=replace(CONFIG.settings, filter=spec)))

    assert f"**Filter**\n\n````javascript\n{code}\n````" == details
