"""The store's merge rules, its window, and what counts as an unbroken closed history."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.candle_store import (
    CANDLE,
    CLOSED,
    CORRECTED,
    FROM_REST,
    INTERVAL_CODES,
    INTERVALS,
    LAST_RANK,
    VALUES,
    CandleStore,
    IntervalCandles,
    is_closed,
)
from domain.market import HISTORY_BLOCK, KEPT_CANDLES, Interval

FIRST = 100 * HISTORY_BLOCK


def candle(index, *, row=0, closed=True, from_rest=False, event_time=1, trades=1.0, close=1.0, interval=Interval.M1):
    prices = (close, close, close, close, 1.0, 1.0, trades, 1.0, 1.0)
    return (row, INTERVAL_CODES[interval], CLOSED * closed | FROM_REST * from_rest, index, event_time, *prices)


def records(*candles):
    return np.array(list(candles), CANDLE)


def frame_with(*candles, rows=1, begin=None):
    frame = IntervalCandles(Interval.M1, rows)
    frame.apply(records(*candles))
    if begin is not None:
        frame.set_begin(np.array([0]), np.array([begin]))
    return frame


def closes(frame, row=0):
    column = frame.columns["close"][row]
    return {frame.first_index + int(position): float(column[position]) for position in np.flatnonzero(~np.isnan(column))}


def contents(frame):
    return (
        frame.first_index,
        np.nan_to_num(frame.values, nan=-1).tobytes(),
        (frame.flags & ~np.uint8(CORRECTED)).tobytes(),
        frame.event_time.tobytes(),
        frame.as_of.tolist(),
        frame.closed_from.tolist(),
        frame.closed_through.tolist(),
    )


events = st.builds(
    candle,
    st.integers(FIRST - 600, FIRST + 600),
    row=st.integers(0, 2),
    closed=st.booleans(),
    from_rest=st.booleans(),
    event_time=st.integers(1, 3),
    trades=st.integers(0, 2).map(float),
    close=st.sampled_from((1.0, 2.0)),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(events, min_size=1, max_size=60), st.randoms(use_true_random=False), st.integers(1, 20))
def test_the_same_candles_in_any_order_and_grouping_with_duplicates_give_the_same_store(candles, random, group):
    at_once = frame_with(*candles, rows=3)
    shuffled = candles + random.sample(candles, len(candles) // 2)
    random.shuffle(shuffled)
    piecemeal = IntervalCandles(Interval.M1, 3)
    for start in range(0, len(shuffled), group):
        piecemeal.apply(records(*shuffled[start : start + group]))
    assert contents(at_once) == contents(piecemeal)


@settings(max_examples=50, deadline=None)
@given(st.lists(events, min_size=1, max_size=60))
def test_a_closed_candle_never_opens_again_while_it_is_kept(candles):
    frame = IntervalCandles(Interval.M1, 3)
    closed = set()
    for event in candles:
        frame.apply(records(event))
        closed |= {(event[0], event[3])} if event[2] & CLOSED else set()
        kept = {(row, index) for row, index in closed if index >= frame.first_index}
        assert kept == {(int(row), int(column) + frame.first_index) for row, column in np.argwhere(is_closed(frame.flags))}


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(FIRST, FIRST + 700), min_size=1), st.integers(FIRST, FIRST + 700))
def test_the_closed_run_is_what_a_walk_from_its_beginning_finds(indices, begin):
    frame = frame_with(*(candle(index) for index in indices), begin=begin)
    start = max(begin, frame.first_index)
    end = start
    while end in indices:
        end += 1
    expected = (start, end - 1) if end > start else (0, -1)
    assert expected == (int(frame.closed_from[0]), int(frame.closed_through[0]))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param({"closed": True}, {"closed": False, "event_time": 9}, 1.0, id="closed beats forming"),
        pytest.param({"event_time": 2}, {"event_time": 3, "trades": 0.0}, 2.0, id="a later event beats an earlier one"),
        pytest.param({"trades": 5.0}, {"trades": 4.0}, 1.0, id="more trades beat fewer"),
        pytest.param({"event_time": 2}, {"event_time": 1, "from_rest": True}, 1.0, id="what the stream said at the close beats REST"),
        pytest.param({"closed": False, "event_time": 9}, {"from_rest": True}, 2.0, id="closed by REST beats forming by the stream"),
    ],
)
@pytest.mark.parametrize("apart", [False, True], ids=["together", "one after the other"])
def test_merge_rules(first, second, expected, apart):
    candles = (candle(FIRST, close=1.0, **first), candle(FIRST, close=2.0, **second))
    frame = frame_with(candles[0]) if apart else frame_with(*candles)
    frame.apply(records(*candles))
    assert expected == closes(frame)[FIRST]


def flags_of(frame, index=FIRST, row=0):
    return int(frame.flags[row, index - frame.first_index])


def test_a_candle_says_that_rest_told_it_until_the_stream_tells_the_same():
    frame = frame_with(candle(FIRST, from_rest=True))
    assert CLOSED | FROM_REST == flags_of(frame)
    version = frame.version
    frame.apply(records(candle(FIRST)))
    assert (CLOSED, version) == (flags_of(frame), frame.version)
    frame.apply(records(candle(FIRST, from_rest=True)))
    assert CLOSED == flags_of(frame)


def test_a_candle_stays_marked_as_corrected():
    frame = frame_with(candle(FIRST, close=1.0, event_time=1))
    frame.apply(records(candle(FIRST, close=2.0, event_time=2, from_rest=True)))
    assert CLOSED | FROM_REST | CORRECTED == flags_of(frame)
    frame.apply(records(candle(FIRST, close=2.0, event_time=3)))
    assert CLOSED | CORRECTED == flags_of(frame)


def test_a_candle_that_closes_is_no_correction():
    frame = frame_with(candle(FIRST, close=1.0, closed=False))
    frame.apply(records(candle(FIRST, close=2.0, event_time=2)))
    assert (CLOSED, 0) == (flags_of(frame), frame.corrections)


def test_a_row_is_true_up_to_its_newest_event_or_the_close_of_its_history():
    minute, close = Interval.M1.milliseconds, (FIRST + 2) * Interval.M1.milliseconds
    frame = frame_with(candle(FIRST, event_time=close - minute + 5), candle(FIRST + 1, event_time=close - 7), rows=2)
    assert [close - 7, 0] == frame.as_of.tolist()
    frame.set_begin(np.array([0]), np.array([FIRST]))
    assert [close, 0] == frame.as_of.tolist()
    frame.apply(records(candle(FIRST + 2, closed=False, event_time=close + 3)))
    assert [close + 3, 0] == frame.as_of.tolist()
    frame.apply(records(candle(FIRST + 2, closed=False, event_time=close + 1), candle(FIRST + 2, row=1, closed=False, event_time=close)))
    assert [close + 3, close] == frame.as_of.tolist()


def test_the_listing_tells_whether_it_changed_and_new_symbols_trade_and_rank_last():
    store = CandleStore()
    store.append(("AUSDT", "BUSDT"))
    assert ([0, 0], [LAST_RANK, LAST_RANK]) == (store.status.tolist(), store.rank.tolist())
    assert store.set_listing(np.array([0, 2], np.uint8), np.array([1, 0], np.uint16))
    assert not store.set_listing(np.array([0, 2], np.uint8), np.array([1, 0], np.uint16))
    store.append(("CUSDT",))
    assert ([0, 2, 0], [1, 0, LAST_RANK]) == (store.status.tolist(), store.rank.tolist())


def test_a_closed_candle_that_changes_is_counted_and_returned():
    frame = frame_with(candle(FIRST, close=1.0))
    version = frame.version
    assert [] == frame.apply(records(candle(FIRST, close=1.0, event_time=2))).tolist()
    assert (0, version) == (frame.corrections, frame.version)
    correction = records(candle(FIRST, close=2.0, event_time=3))
    assert correction.tolist() == frame.apply(correction).tolist()
    assert (1, version + 1) == (frame.corrections, frame.version)


def test_the_version_stays_when_only_forming_candles_arrive():
    frame = frame_with(candle(FIRST))
    version = frame.version
    frame.apply(records(candle(FIRST + 1, closed=False)))
    assert version == frame.version


def test_the_window_moves_by_whole_blocks_and_drops_what_falls_out():
    last = FIRST + HISTORY_BLOCK - 1
    frame = frame_with(*(candle(index, close=float(index)) for index in range(last - KEPT_CANDLES + 1, last + 1)), begin=last - 900)
    assert last - KEPT_CANDLES + 1 == frame.first_index
    version = frame.version
    frame.apply(records(candle(last + 1, closed=False, close=float(last + 1))))
    assert last - KEPT_CANDLES + 1 + HISTORY_BLOCK == frame.first_index
    assert {index: float(index) for index in range(frame.first_index, last + 2)} == closes(frame)
    assert (frame.first_index, last) == (int(frame.closed_from[0]), int(frame.closed_through[0]))
    assert frame.version > version, "columns moved, so nothing computed from them may be reused"


def test_a_jump_beyond_the_window_empties_it_and_asks_for_a_new_history():
    frame = frame_with(candle(FIRST), begin=FIRST)
    frame.apply(records(candle(FIRST + 5 * KEPT_CANDLES)))
    assert list(closes(frame)) == [FIRST + 5 * KEPT_CANDLES]
    assert (int(frame.begin[0]), int(frame.closed_through[0])) == (-1, -1)


def test_candles_older_than_the_window_are_dropped():
    frame = frame_with(candle(FIRST), candle(FIRST - KEPT_CANDLES))
    assert list(closes(frame)) == [FIRST]


def test_live_candles_before_the_backfill_do_not_make_a_row_complete():
    frame = frame_with(*(candle(FIRST + offset) for offset in range(5)))
    assert frame.closed_through[0] == -1


def test_a_hole_holds_the_history_until_it_is_repaired():
    frame = frame_with(candle(FIRST), candle(FIRST + 1), candle(FIRST + 3), begin=FIRST)
    assert frame.closed_through[0] == FIRST + 1
    frame.apply(records(candle(FIRST + 2)))
    assert (frame.closed_from[0], frame.closed_through[0]) == (FIRST, FIRST + 3)


def test_a_hole_the_exchange_confirms_restarts_the_history_after_it():
    frame = frame_with(candle(FIRST), candle(FIRST + 1), candle(FIRST + 3), candle(FIRST + 4), begin=FIRST)
    assert frame.confirm(0, FIRST + 1, FIRST + 4)
    assert (frame.closed_from[0], frame.closed_through[0]) == (FIRST + 3, FIRST + 4)


def test_what_the_exchange_tells_without_touching_the_known_history_begins_a_new_one():
    frame = frame_with(candle(FIRST), *(candle(FIRST + offset) for offset in range(50, 60)), begin=FIRST)
    assert frame.confirm(0, FIRST + 50, FIRST + 59)
    assert (frame.closed_from[0], frame.closed_through[0]) == (FIRST + 50, FIRST + 59)


def test_a_young_symbol_begins_at_its_listing():
    frame = frame_with(*(candle(FIRST + offset) for offset in range(3)))
    assert frame.confirm(0, FIRST, FIRST + 2)
    assert (frame.closed_from[0], frame.closed_through[0]) == (FIRST, FIRST + 2)


def test_a_symbol_listed_in_the_forming_candle_begins_with_it():
    frame = frame_with(candle(FIRST, closed=False))
    assert frame.confirm(0, FIRST, FIRST - 1)
    assert frame.closed_through[0] == -1
    frame.apply(records(candle(FIRST, event_time=2)))
    assert (frame.closed_from[0], frame.closed_through[0]) == (FIRST, FIRST)


def test_symbols_are_appended_and_keep_the_rows_they_have():
    store = CandleStore()
    store.append(("AUSDT", "BUSDT"))
    store.apply(records(candle(FIRST, row=1)))
    assert store.append(("BUSDT", "CUSDT")) == ("CUSDT",)
    assert store.symbols == ("AUSDT", "BUSDT", "CUSDT")
    assert closes(store.frame(Interval.M1), row=1) == {FIRST: 1.0}
    assert closes(store.frame(Interval.M1), row=2) == {}


def test_candles_go_to_their_interval():
    store = CandleStore()
    store.append(("AUSDT",))
    store.apply(records(*(candle(FIRST + code, interval=interval) for code, interval in enumerate(INTERVALS))))
    assert {interval: [FIRST + code] for code, interval in enumerate(INTERVALS)} == {
        interval: list(closes(frame)) for interval, frame in store.frames.items()
    }


def test_four_hundred_symbols_take_less_than_200_megabytes():
    store = CandleStore()
    store.append(f"S{number}USDT" for number in range(400))
    assert sum(frame.nbytes for frame in store.frames.values()) == 199_065_600


def test_the_columns_are_those_that_filters_expect():
    assert tuple(IntervalCandles(Interval.M1, 1).columns) == VALUES
