"""What a tick says of its trader's filter: whether it failed, for whom, and what its owner should know."""

from enum import StrEnum

from activities.ports import Outcome, TickResult
from domain.filter_failures import FilterCondition, is_suspended


class Trouble(StrEnum):
    """Codes of the conditions of a trader's filter."""

    FAILING = "filter_failing"
    """For every symbol: the owner must change it."""
    FAILING_IN_PART = "filter_failing_in_part"
    SUSPENDED = "filter_suspended"
    """It is not run for now."""
    UNAVAILABLE = "filter_unavailable"
    """It cannot be run, for no fault of its own."""


def is_entire(result: TickResult) -> bool:
    """Whether the filter gave no answer for any symbol that was ready."""
    if result.outcome is Outcome.FAILED:
        return True
    return result.symbols_failed > 0 and result.symbols_failed >= _ready(result)


def failures_in_a_row(before: int, result: TickResult) -> int:
    """How many evaluations in a row the filter has failed for every symbol. One that was not run neither failed nor did well."""
    if is_entire(result):
        return before if is_suspended(result.failures) or not result.failures else before + 1
    return 0 if result.evaluated else before


def condition_of(result: TickResult) -> FilterCondition | None:
    """What keeps the filter from working, in words for its owner."""
    if not result.failures:
        return _condition(Trouble.UNAVAILABLE, f"it cannot be run now: {result.error}") if result.outcome is Outcome.FAILED else None
    if is_suspended(result.failures):
        return _condition(Trouble.SUSPENDED, f"it is not run for now: {result.failures[0].message}")
    if is_entire(result):
        return _condition(Trouble.FAILING, f"it fails for every symbol: {result.failures[0]}")
    return _condition(Trouble.FAILING_IN_PART, f"it fails for {result.symbols_failed} of {_ready(result)} symbols: {result.failures[0]}")


def _ready(result: TickResult) -> int:
    return result.symbols_processed - result.symbols_not_ready


def _condition(code: Trouble, message: str) -> FilterCondition:
    return FilterCondition(code=code, message=message)
