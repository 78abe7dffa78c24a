"""Failures of filters, grouped: which are the same, which of many are told, and what of their text may be kept."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import groupby

from domain.filters import FailureKind, FilterFailure

FAILURES_TOLD = 8
"""So many kinds of failure of one evaluation are told apart."""
LONGEST_MESSAGE = 300
"""Characters kept of a failure's message."""
OTHERS = "other failures"

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\s]+")


@dataclass(frozen=True, kw_only=True)
class FilterCondition:
    """What keeps a trader's filter from finding anything now."""

    code: str
    message: str


def cleaned(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """One line without control characters, marks that reorder text and halves of characters: databases refuse some of them, others deceive
    whoever reads, and users write these texts."""
    line = _UNPRINTABLE.sub(" ", text[: 2 * longest]).strip()
    return line if len(line) <= longest else line[: longest - 1] + "…"


def grouped(failures: Iterable[FilterFailure]) -> tuple[FilterFailure, ...]:
    """One for each kind, line and alike message, those of most symbols first; what is beyond FAILURES_TOLD is one more."""
    cleanly = sorted((replace(failure, message=cleaned(failure.message)) for failure in failures), key=_likeness)
    merged = sorted(
        (_merged(list(alike)) for _, alike in groupby(cleanly, _likeness)), key=lambda one: (one.message == OTHERS, -one.symbols)
    )
    distinct = sum(one.message != OTHERS for one in merged)
    told, others = merged[: min(distinct, FAILURES_TOLD)], merged[min(distinct, FAILURES_TOLD) :]
    return (*told, FilterFailure(kind=others[0].kind, message=OTHERS, symbols=_symbols(others))) if others else tuple(told)


def fingerprint(version: int, failure: FilterFailure) -> str:
    """The same for failures of one version that are alike, whatever symbol or number their message names."""
    return sha256("\0".join((str(version), *_likeness(failure))).encode()).hexdigest()[:32]


def is_suspended(failures: tuple[FilterFailure, ...]) -> bool:
    """Whether the filter was not run at all, because its owner's filters used up what they may use."""
    return bool(failures) and all(failure.kind is FailureKind.SUSPENDED for failure in failures)


def _likeness(failure: FilterFailure) -> tuple[str, str, str]:
    message = failure.message.replace(failure.symbol, "a symbol") if failure.symbol else failure.message
    return failure.kind, str(failure.line or ""), _NUMBER.sub("#", message)


def _merged(alike: list[FilterFailure]) -> FilterFailure:
    return replace(alike[0], symbols=_symbols(alike))


def _symbols(failures: list[FilterFailure]) -> int:
    return sum(failure.symbols for failure in failures)
