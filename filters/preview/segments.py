"""Ranges of candles that one computation serves: all of them share their anchors and their runs in every interval."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from domain.errors import RefusedError
from domain.market import HISTORY_BLOCK, MINIMUM_HISTORY, Interval
from filters.preview.past_candles import first_to_see
from filters.preview.runs import Group


@dataclass(frozen=True)
class Segment:
    """Candles `first` to `last` of the trader's interval."""

    first: int
    last: int


def segments(base: Interval, first: int, last: int, group: Group) -> list[Segment]:
    """The range from `first` to `last`, split wherever an anchor or a run of any interval of the group changes."""
    cuts = {first, last + 1}
    for interval, runs in group.runs.items():
        low, high = interval.last_closed_within(base, first), interval.last_closed_within(base, last)
        anew = [int(begin) for begin in runs.begin[1:, 0]]
        cuts.update(first_to_see(interval, base, index) for index in (*_new_anchors(low, high), *anew))
    inside = sorted(cut for cut in cuts if first <= cut <= last + 1)
    return [Segment(begin, end - 1) for begin, end in pairwise(inside)]


def _new_anchors(low: int, high: int) -> range:
    """The candles from `low` to `high` whose anchor is another than that of the candle before."""
    offset = MINIMUM_HISTORY - 1
    return range(low + (offset - low) % HISTORY_BLOCK, high + 1, HISTORY_BLOCK)


def first_evaluable(base: Interval, first: int, last: int, begins: Mapping[Interval, int]) -> int:
    """The first candle from `first` on that can be evaluated, where `begins` is the first one of each interval's own candles that can.

    Raises RefusedError where there is none up to `last`.
    """
    earliest = {interval: first_to_see(interval, base, begin) for interval, begin in begins.items()}
    worst = max(earliest, key=lambda interval: earliest[interval])
    if earliest[worst] > last:
        raise RefusedError(
            f"No candle of this range can be evaluated: what is known of {worst} begins too late, so that the first one with its whole "
            f"history would be that of {base.open_time(earliest[worst]):%Y-%m-%d %H:%M}. Give older candles, or take their beginning for "
            "the listing of the symbols (short history), which changes the values of slow indicators."
        )
    return max(first, earliest[worst])


def begin_of_anchored(known_from: int) -> int:
    """The first candle whose anchored history lies within what is known; 0 where all is known."""
    return HISTORY_BLOCK * -(-known_from // HISTORY_BLOCK) + MINIMUM_HISTORY - 1 if known_from else 0
