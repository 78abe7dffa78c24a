"""However much a filter says, a tick stays small and its texts printable."""

from dataclasses import replace

from pydantic_core import to_json

from activities.bounds import CONDITIONS_COUNTED, bounded
from activities.ports import TickResult
from domain.filters import FailureKind, FilterFailure
from domain.screening import Progress
from tests.unit.activities.test_screening_window import match_at, nothing_new, one_candle

QUIET = nothing_new(1, Progress())
LOUD = replace(
    one_candle(1, Progress()),
    matches=tuple(
        replace(match_at(1), conditions=tuple(f"{number}\x1b[31m" + "\ud800x" * 500 for number in range(32))) for _ in range(400)
    ),
    conditions={f"{number}" + "x" * 500: 1 + (number == 7_000) for number in range(12_800)},
    symbols_processed=400,
    symbols_failed=200,
    failures=tuple(FilterFailure(kind=FailureKind.RUNTIME, message=chr(97 + n) + "x" * 9_000, symbols=1) for n in range(26)),
    error="x" * 100_000,
)


def size(result: TickResult) -> int:
    return len(to_json(result))


def test_a_tick_is_small_whatever_its_filter_says() -> None:
    assert size(bounded(LOUD)) < 900_000


def test_every_text_is_printable() -> None:
    found = bounded(LOUD)
    texts = [*found.matches[0].conditions, *found.conditions, found.error, *(failure.message for failure in found.failures)]

    assert [] == [text for text in texts if not text.isprintable()]


def test_conditions_of_most_symbols_are_counted_and_alike_ones_together() -> None:
    found = bounded(LOUD).conditions
    assert (CONDITIONS_COUNTED, True) == (len(found), any(name.startswith("7000") for name in found))
    alike = replace(LOUD, conditions={"a\nb": 2, "c": 1, "a b": 3})
    assert {"a b": 5, "c": 1} == bounded(alike).conditions


def test_a_tick_that_says_nothing_stays_the_one_it_is() -> None:
    assert QUIET is bounded(QUIET)
    assert one_candle(1, Progress()) == bounded(one_candle(1, Progress()))


def test_the_error_of_a_filter_that_fails_for_every_symbol_is_its_first_failure() -> None:
    failure = FilterFailure(kind=FailureKind.TIMEOUT, message="200 ms", symbols=3)
    assert "timeout: 200 ms" == bounded(replace(LOUD, error="", failures=(failure,), symbols_failed=400)).error
    assert "" == bounded(replace(LOUD, error="", failures=(failure,), symbols_failed=1)).error
