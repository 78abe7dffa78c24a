"""Histories that lack candles are found, taken in order of urgency, and never asked for in a hurry."""

import asyncio

import numpy as np
import pytest

from adapters.binance.weight import Lane
from adapters.candle_store import CANDLE, CLOSED, INTERVAL_CODES, STATUS_CODES, CandleStore
from domain.market import HISTORY_BLOCK, Interval, SymbolStatus
from feeder.repair_work import without_lagging
from feeder.repairs import RepairQueue, first_missing, rows_behind
from tests.unit.feeder.clock import Clock

MINUTE = 60_000
FIRST = 100 * HISTORY_BLOCK * 1440  # a day's boundary, so that all intervals begin here
ROWS = 2


@pytest.fixture
def store():
    store = CandleStore()
    store.append(("AUSDT", "BUSDT"))
    return store


def candles(row, *indices, interval=Interval.M1, trades=0, closed=True):
    records = np.zeros(len(indices), CANDLE)
    records["row"], records["interval"], records["flags"], records["index"] = row, INTERVAL_CODES[interval], CLOSED * closed, indices
    records["event_time"] = 1
    records["trades"] = trades
    return records


def close(store, row, *indices, interval=Interval.M1):
    store.apply(candles(row, *indices, interval=interval))


def begin(store, row, index, interval=Interval.M1):
    store.frame(interval).set_begin(np.array([row]), np.array([index]))


def complete_all(store):
    for interval in Interval:
        index = FIRST * MINUTE // interval.milliseconds
        for row in range(len(store.symbols)):
            close(store, row, index - 1, interval=interval)
            begin(store, row, index - 1, interval)


def set_status(store, row, status):
    statuses = store.status.copy()
    statuses[row] = STATUS_CODES[status]
    store.set_listing(statuses, store.rank)


def behind(store, as_of):
    return rows_behind(store.frame(Interval.M1), as_of).tolist()


async def waiting(queue, lane):
    """Everything that can be taken from a lane now, in order."""
    taken = []
    while True:
        try:
            taken.append(await asyncio.wait_for(queue.take(lane), 0.01))
        except TimeoutError:
            return taken


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


def test_candles_are_asked_for_from_the_first_that_is_missing_however_long_the_answer_takes(store):
    assert first_missing(store.frame(Interval.M1), 0) is None
    complete_all(store)
    assert first_missing(store.frame(Interval.M1), 0) == FIRST
    close(store, 0, FIRST, FIRST + 2)
    assert first_missing(store.frame(Interval.M1), 0) == FIRST + 1


async def test_first_backfill_goes_by_interval_and_then_by_quote_volume_and_no_history_twice(store):
    store.set_listing(store.status, np.array([1, 0], np.uint16))
    queue = RepairQueue(store, Clock())
    queue.scan(FIRST * MINUTE)
    queue.scan(FIRST * MINUTE)
    assert (len(queue), queue.behind) == (12, 12)
    assert [(interval, row) for interval in Interval for row in (1, 0)] == await waiting(queue, Lane.BACKFILL)
    queue.scan(FIRST * MINUTE)
    assert len(queue) == 0, "what is being repaired is not queued again"


async def test_a_candle_that_just_closed_is_repaired_beside_the_backfill(store):
    clock = Clock()
    queue = RepairQueue(store, clock)
    complete_all(store)
    begin(store, 1, -1, Interval.D1)
    begin(store, 1, -1)
    for second in (0.0, 1.0):
        clock.now = second
        queue.scan((FIRST + 1) * MINUTE + 5_000)
    assert [(Interval.M1, 0)] == await waiting(queue, Lane.URGENT)
    assert [(Interval.M1, 1), (Interval.D1, 1)] == await waiting(queue, Lane.BACKFILL)


async def test_a_long_gap_is_backfill(store):
    clock = Clock()
    queue = RepairQueue(store, clock)
    complete_all(store)
    close(store, 1, FIRST)
    for second in (0.0, 1.0):
        clock.now = second
        queue.scan((FIRST + 4) * MINUTE + 5_000)
    assert [(Interval.M1, 1)] == await waiting(queue, Lane.URGENT)
    assert [(Interval.M1, 0)] == await waiting(queue, Lane.BACKFILL)


async def test_every_history_gets_its_turn_though_others_fall_behind_again_and_again(store):
    """One worker that gets one repair done per candle, while the 1m histories of both rows lose their past at once again."""
    clock = Clock()
    queue = RepairQueue(store, clock)
    served = []
    for turn in range(14):
        clock.now = 100.0 * turn
        queue.scan(FIRST * MINUTE)
        served.append(await queue.take(Lane.BACKFILL))
        queue.done(served[-1])
        if served[-1].interval is not Interval.M1:
            begin(store, served[-1].row, FIRST * MINUTE // served[-1].interval.milliseconds - 1, served[-1].interval)
            close(store, served[-1].row, FIRST * MINUTE // served[-1].interval.milliseconds - 1, interval=served[-1].interval)
    assert [(interval, row) for interval in Interval for row in range(ROWS)] == served[:12]
    assert [(Interval.M1, 0), (Interval.M1, 1)] == served[12:]


async def test_urgent_repairs_are_served_in_the_order_in_which_they_became_due(store):
    clock = Clock()
    queue = RepairQueue(store, clock)
    complete_all(store)
    day = FIRST * MINUTE // Interval.D1.milliseconds
    for row, first in ((0, FIRST), (1, FIRST), (0, FIRST + 720), (1, FIRST + 720)):
        close(store, row, *range(first, first + 720))
    for interval in (Interval.M5, Interval.M15, Interval.H1, Interval.H4):
        first, last = FIRST * MINUTE // interval.milliseconds, (day + 1) * Interval.D1.milliseconds // interval.milliseconds
        for row in range(ROWS):
            close(store, row, *range(first, last), interval=interval)
    midnight = (day + 1) * Interval.D1.milliseconds
    for second, as_of in ((0, 5_000), (1, 5_000), (60, 65_000), (61, 65_000)):
        clock.now = float(second)
        queue.scan(midnight + as_of)
    assert [(Interval.D1, 0), (Interval.D1, 1), (Interval.M1, 0), (Interval.M1, 1)] == await waiting(queue, Lane.URGENT)


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
            queue.done(await queue.take(Lane.BACKFILL))
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
    assert [(Interval.M1, 1)] == await waiting(queue, Lane.URGENT)
    assert queue.behind == 1


async def test_a_candle_that_comes_while_its_repair_waits_is_not_asked_for(store):
    clock = Clock()
    queue = RepairQueue(store, clock)
    complete_all(store)
    for second in (0.0, 1.0):
        clock.now = second
        queue.scan((FIRST + 1) * MINUTE + 5_000)
    close(store, 0, FIRST)
    assert [(Interval.M1, 1)] == await waiting(queue, Lane.URGENT)


async def test_a_repaired_row_that_falls_behind_again_is_not_made_to_wait_for_its_earlier_attempts(store):
    clock = Clock()
    queue = RepairQueue(store, clock)
    complete_all(store)
    begin(store, 0, -1)
    for second in (0, 1, 3, 7):
        clock.now = float(second)
        queue.scan(FIRST * MINUTE)
        queue.done(await queue.take(Lane.BACKFILL))
    begin(store, 0, FIRST - 1)
    queue.scan(FIRST * MINUTE)
    begin(store, 0, -1)
    queue.scan(FIRST * MINUTE)
    assert len(queue) == 1


@pytest.mark.parametrize("status", [status for status in SymbolStatus if status is not SymbolStatus.TRADING])
async def test_a_symbol_that_does_not_trade_is_neither_behind_nor_repaired_until_it_returns(store, status):
    queue = RepairQueue(store, Clock())
    queue.scan(FIRST * MINUTE)
    set_status(store, 0, status)
    queue.scan(FIRST * MINUTE)
    assert queue.behind == 6
    assert {1} == {repair.row for repair in await waiting(queue, Lane.BACKFILL)}
    set_status(store, 0, SymbolStatus.TRADING)
    queue.scan(FIRST * MINUTE)
    assert {0} == {repair.row for repair in await waiting(queue, Lane.BACKFILL)}


@pytest.mark.parametrize(
    ("shown", "told", "asked_after", "kept"),
    [(10, 9, 5_000, 2), (10, 10, 5_000, 3), (10, 11, 5_000, 3), (10, 9, 60_000, 3)],
    ids=["the database lags", "it has caught up", "the stream missed some", "it will not catch up"],
)
def test_a_candle_that_rest_knows_fewer_trades_of_than_the_stream_has_shown_is_left_out(store, shown, told, asked_after, kept):
    store.apply(candles(0, FIRST, trades=shown, closed=False))
    records = candles(0, FIRST - 2, FIRST - 1, FIRST, trades=told)
    asked_at = (FIRST + 1) * MINUTE + asked_after
    assert kept == len(without_lagging(store.frame(Interval.M1), 0, records, asked_at))


def test_the_forming_candle_may_have_fewer_trades_than_the_stream_has_shown(store):
    store.apply(candles(0, FIRST, trades=10, closed=False))
    records = candles(0, FIRST, trades=9)
    assert 1 == len(without_lagging(store.frame(Interval.M1), 0, records, FIRST * MINUTE + 30_000))
