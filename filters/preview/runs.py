"""Unbroken runs of past candles. At each candle a symbol's history is the run that the candle is in, as it was live."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.market import Interval
from filters.preview.past_candles import Indices, PastCandles, PastInterval

Breaks = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of some symbols in one interval, which all begin anew at the same candles. Shapes [run, symbol]."""

    begin: Indices
    end: Indices
    """Grid index of the last candle of the run; -1 for a symbol without candles."""

    def __len__(self) -> int:
        return len(self.begin)

    def number_at(self, index: int) -> int:
        """Which run candle `index` is in, or in the hole behind."""
        return max(0, int((self.begin[1:, 0] <= index).sum())) if len(self) > 1 else 0


@dataclass(frozen=True, eq=False)
class Group:
    """Symbols whose histories break at the same candles in every interval."""

    rows: NDArray[np.intp]
    runs: Mapping[Interval, Runs]


def groups(candles: PastCandles, intervals: tuple[Interval, ...], rows: range) -> Iterator[Group]:
    """The symbols of these rows, grouped; in nearly every market they are one group."""
    edges = {interval: _edges(candles.of(interval), rows) for interval in intervals}
    members: dict[tuple[Breaks, bool], list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        breaks = tuple(tuple(edges[interval][0][place][1:].tolist()) for interval in intervals)
        members[breaks, all(len(edges[interval][0][place]) for interval in intervals)].append(row)
    for (_, has_all), found in members.items():
        if has_all:
            places = [row - rows.start for row in found]
            runs = {
                interval: Runs(*(np.stack([side[place] for place in places], axis=1) for side in edges[interval])) for interval in intervals
            }
            yield Group(np.array(found, dtype=np.intp), runs)


def _edges(past: PastInterval, rows: range) -> tuple[list[Indices], list[Indices]]:
    """Per symbol: where its runs begin, and where they end."""
    there = np.zeros((len(rows), past.end_index - past.first_index + 2), dtype=np.int8)
    there[:, 1:-1] = ~np.isnan(past.columns["close"][rows.start : rows.stop])
    steps = np.diff(there, axis=1)
    return (
        [np.flatnonzero(row == 1) + past.first_index for row in steps],
        [np.flatnonzero(row == -1) - 1 + past.first_index for row in steps],
    )
