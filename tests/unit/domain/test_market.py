"""The candle grid and the history that belongs to a candle."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.market import (
    HISTORY_BLOCK,
    KEPT_CANDLES,
    MINIMUM_HISTORY,
    Interval,
    epoch_milliseconds,
    from_epoch_milliseconds,
    history_anchor,
)

indices = st.integers(2_000, 2_500_000)
intervals = st.sampled_from(Interval)


@given(indices)
def test_a_history_has_512_to_767_candles_and_starts_on_a_block(index: int) -> None:
    anchor = history_anchor(index)

    assert anchor % HISTORY_BLOCK == 0
    assert MINIMUM_HISTORY <= index - anchor + 1 < MINIMUM_HISTORY + HISTORY_BLOCK < KEPT_CANDLES


@given(indices)
def test_the_anchor_moves_once_per_block(index: int) -> None:
    assert history_anchor(index + 1) - history_anchor(index) == (HISTORY_BLOCK if (index - MINIMUM_HISTORY + 2) % HISTORY_BLOCK == 0 else 0)


@given(intervals, intervals, indices)
def test_the_newest_closed_candle_of_another_interval_has_closed_and_the_next_has_not(base: Interval, other: Interval, index: int) -> None:
    closed = base.close_time(index)
    newest = other.last_closed_within(base, index)

    assert other.close_time(newest) <= closed < other.close_time(newest + 1)


@given(intervals, indices)
def test_a_candle_contains_its_open_time_and_all_moments_before_its_close(interval: Interval, index: int) -> None:
    last = interval.close_time(index) - timedelta(milliseconds=1)

    assert [index, index, index + 1] == [
        interval.index_at(moment) for moment in (interval.open_time(index), last, interval.close_time(index))
    ]


def test_moments_and_milliseconds_are_exact_both_ways() -> None:
    moment = datetime(2021, 5, 12, 23, 59, 59, 999_000, tzinfo=UTC)

    assert epoch_milliseconds(moment) == 1_620_863_999_999
    assert from_epoch_milliseconds(1_620_863_999_999) == moment
