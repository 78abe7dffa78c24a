"""What users' filters say, made fit for history and database: how much there may be of it, and which characters."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from activities.filter_trouble import is_entire
from activities.ports import Outcome, TickResult
from domain.filter_failures import cleaned, grouped
from domain.screening import Match

LONGEST_ERROR = 1_000
"""Characters kept of a tick's error."""
LONGEST_CONDITION = 100
"""Characters kept of a condition's name."""
CONDITIONS_OF_A_MATCH = 16
CONDITIONS_COUNTED = 32
"""Conditions of a tick whose numbers of symbols are told: those of most symbols."""


def bounded(result: TickResult) -> TickResult:
    """The same tick, of a size that does not depend on what its filter says. One that evaluated nothing said nothing."""
    if not result.evaluated and result.outcome is not Outcome.FAILED:
        return result
    failures = grouped(result.failures)
    error = cleaned(result.error, LONGEST_ERROR) or (str(failures[0]) if failures and is_entire(result) else "")
    return replace(
        result,
        failures=failures,
        error=error,
        matches=tuple(_bounded_match(match) for match in result.matches),
        conditions=_most_met(result.conditions),
    )


def _bounded_match(match: Match) -> Match:
    return replace(match, conditions=_cleaned(match.conditions[:CONDITIONS_OF_A_MATCH])) if match.conditions else match


def _most_met(conditions: dict[str, int]) -> dict[str, int]:
    """In their order."""
    counts = Counter[str]()
    for condition, met in zip(_cleaned(conditions), conditions.values(), strict=True):
        counts[condition] += met
    kept = {condition for condition, _ in counts.most_common(CONDITIONS_COUNTED)}
    return {condition: met for condition, met in counts.items() if condition in kept}


def _cleaned(conditions: Iterable[str]) -> tuple[str, ...]:
    return tuple(cleaned(condition, LONGEST_CONDITION) for condition in conditions)
