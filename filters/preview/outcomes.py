"""How evaluations of past candles end, and which of their matches are new."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from domain.filters import FilterFailure
from filters.expression.kernels import Condition, Values

Outcomes = NDArray[np.uint8]


class Outcome(IntEnum):
    """What an evaluation of one symbol at one candle came to."""

    NOT_READY = 0
    NOT_MATCHED = 1
    MATCHED = 2
    FAILED = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Described:
    """What a filter says of some matches, one after the other."""

    labelled: Mapping[str, Condition] = field(default_factory=dict)
    series: Mapping[str, Values] = field(default_factory=dict)
    said: Sequence[tuple[str, ...]] = ()
    """The conditions a JavaScript filter gave with each."""


Cells = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Places in a step's outcome: rows and columns."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """Some symbols at consecutive candles. Steps of one symbol come in the order of time."""

    rows: NDArray[np.intp]
    first: int
    outcome: Outcomes
    """[row, candle]"""
    describe: Callable[[Cells], Described]
    failures: tuple[FilterFailure, ...] = ()
    """`symbols` counts evaluations here."""
    busy: float = 0.0
    """Seconds of CPU it took."""


class NewMatches:
    """Tells new matches from continuing ones: new is what matches now and did not at the symbol's previous evaluation.

    A symbol that is not ready or fails keeps its state. What matches at the first candle of all was so before anybody looked.
    """

    def __init__(self, symbols: int) -> None:
        self._matching = np.zeros(symbols, dtype=np.bool_)

    def among(self, step: Step) -> NDArray[np.bool_]:
        """Which cells of the step are new matches."""
        matched = step.outcome == Outcome.MATCHED
        known = matched | (step.outcome == Outcome.NOT_MATCHED)
        state = np.concatenate([self._matching[step.rows, np.newaxis], matched], axis=1)
        if not known.all():
            places = np.where(known, np.arange(1, state.shape[1]), 0)
            newest = np.maximum.accumulate(places, axis=1)
            state[:, 1:] = np.take_along_axis(state, newest, axis=1)
        self._matching[step.rows] = state[:, -1]
        new: NDArray[np.bool_] = matched & ~state[:, :-1]
        return new
