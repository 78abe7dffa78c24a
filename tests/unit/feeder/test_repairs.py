"""Rows that lack candles are found, in order of urgency, and never asked for in a hurry."""

import numpy as np
import pytest

from adapters.candle_store import CANDLE, CLOSED, INTERVAL_CODES, CandleStore
from domain.market import HISTORY_BLOCK, Interval
from feeder.repairs import RepairQueue, candles_needed, rows_behind

MINUTE = 60_000
FIRST = 100 * HISTORY_BLOCK * 1440  # a day's boundary, so that all intervals begin here


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def store():
    store = CandleStore()
    store.append(("AUSDT", "BUSDT"))
    return store


def close(store, row, *indices, interval=Interval.M1):
    records = np.zeros(len(indices), CANDLE)
    records["row"], records["interval"], records["flags"], records["index"] = row, INTERVAL_CODES[interval], CLOSED, indices
    records["event_time"] = 1
    store.apply(records)


def begin(store, row, index, interval=Interval.M1):
    store.frame(interval).set_begin(np.array([row]), np.array([index]))


def complete_all(store):
    for interval in Interval:
        index = FIRST * MINUTE // interval.milliseconds
        for row in range(2):
            close(store, row, index - 1, interval=interval)
            begin(store, row, index - 1, interval)


def behind(store, as_of):
    return rows_behind(store.frame(Interval.M1), as_of).tolist()


def test_rows_whose_past_is_unknown_are_behind(store):
    assert behind(store, FIRST * MINUTE) == [0, 1]


def test_a_candle_that_does_not_close_is_behind_five_seconds_later(store):
    complete_all(store)
    close(store, 1, FIRST)
    assert behind(store, (FIRST + 1) * MINUTE + 4_999) == []
    assert behind(store, (FIRST + 1) * MINUTE + 5_000) == [0]


def test_a_gap_is_behind_though_later_candles_closed(store):
    complete_all(store)
    close(store, 0, FIRST + 1)
    close(store, 1, FIRST, FIRST + 1)
    assert behind(store, (FIRST + 2) * MINUTE + 5_000) == [0]


def test_a_symbol_listed_in_the_forming_candle_is_not_behind(store):
    complete_all(store)
    begin(store, 0, FIRST)
    assert behind(store, FIRST * MINUTE + 30_000) == []


def test_as_many_candles_are_asked_for_as_join_the_known_history(store):
    assert candles_needed(store.frame(Interval.M1), 0, FIRST * MINUTE) == 1000
    complete_all(store)
    assert candles_needed(store.frame(Interval.M1), 0, (FIRST + 10) * MINUTE) == 13


async def test_shorter_intervals_come_first_and_no_row_twice(store):
    queue = RepairQueue(store, Clock())
    queue.scan(FIRST * MINUTE)
    queue.scan(FIRST * MINUTE)
    assert (len(queue), queue.behind) == (12, 12)
    taken = [await queue.take() for _ in range(12)]
    queue.scan(FIRST * MINUTE)
    assert len(queue) == 0, "what is being repaired is not queued again"
    assert [(interval, row) for interval in Interval for row in range(2)] == [(repair.interval, repair.row) for repair in taken]


async def test_a_row_that_stays_behind_is_tried_again_ever_more_rarely(store):
    clock = Clock()
    queue = RepairQueue(store, clock)
    complete_all(store)
    begin(store, 0, -1)
    tried = []
    for second in range(200):
        clock.now = float(second)
        queue.scan(FIRST * MINUTE)
        if len(queue):
            tried.append(second)
            queue.done(await queue.take())
    assert tried == [0, 1, 3, 7, 15, 31, 63, 123, 183]


async def test_a_candle_that_is_only_late_gets_a_second_to_arrive_and_then_needs_no_repair(store):
    clock = Clock()
    queue = RepairQueue(store, clock)
    complete_all(store)
    late = (FIRST + 1) * MINUTE + 5_000
    queue.scan(late)
    clock.now = 0.9
    queue.scan(late)
    assert len(queue) == 0
    close(store, 0, FIRST)
    clock.now = 1.0
    queue.scan(late)
    assert [(await queue.take()).row for _ in range(len(queue))] == [1]
    assert queue.behind == 1


async def test_a_repaired_row_that_falls_behind_again_is_not_made_to_wait_for_its_earlier_attempts(store):
    clock = Clock()
    queue = RepairQueue(store, clock)
    complete_all(store)
    begin(store, 0, -1)
    for second in (0, 1, 3, 7):
        clock.now = float(second)
        queue.scan(FIRST * MINUTE)
        queue.done(await queue.take())
    begin(store, 0, FIRST - 1)
    queue.scan(FIRST * MINUTE)
    begin(store, 0, -1)
    queue.scan(FIRST * MINUTE)
    assert len(queue) == 1
