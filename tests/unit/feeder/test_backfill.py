"""How far the backfill is, and what is told of it."""

from datetime import timedelta

import numpy as np
import pytest

from adapters.candle_store import STATUS_CODES, CandleStore
from domain.market import Interval, SymbolStatus
from feeder.backfill import BackfillProgress
from tests.unit.feeder.clock import Clock


@pytest.fixture
def store():
    made = CandleStore()
    made.append(f"S{number}USDT" for number in range(10))
    return made


def complete(store, interval, *rows):
    store.frame(interval).set_begin(np.array(rows), np.full(len(rows), 5))


def read(progress):
    progress.look()
    report = progress.report()
    return report.done, report.of, report.remaining


def test_nothing_is_left_of_a_market_that_is_not_known_yet():
    assert (0, 0, timedelta()) == read(BackfillProgress(CandleStore()))


def test_the_rest_takes_as_long_as_the_pace_so_far_says(store):
    clock = Clock()
    progress = BackfillProgress(store, clock)
    assert (0, 60, None) == read(progress)
    complete(store, Interval.M1, *range(10))
    clock.now = 2.0
    assert (10, 60, timedelta(seconds=10)) == read(progress)
    clock.now = 5.0
    assert (10, 60, timedelta(seconds=25)) == read(progress)
    for interval in Interval:
        complete(store, interval, *range(10))
    assert (60, 60, timedelta()) == read(progress)


def test_a_backfill_that_stands_still_has_no_end_in_sight(store):
    clock = Clock()
    progress = BackfillProgress(store, clock)
    progress.look()
    complete(store, Interval.M1, 0)
    for _ in range(40):
        clock.now += 1.0
        done = read(progress)
    assert (1, 60, None) == done


def test_symbols_that_do_not_trade_do_not_count(store):
    codes = store.status.copy()
    codes[:9] = STATUS_CODES[SymbolStatus.BREAK]
    store.set_listing(codes, store.rank)
    complete(store, Interval.M1, 0, 9)
    assert (1, 6) == read(BackfillProgress(store))[:2]


def test_every_tenth_is_logged_once_and_a_new_listing_again(store, caplog):
    caplog.set_level("INFO", logger="feeder.backfill")
    clock = Clock()
    progress = BackfillProgress(store, clock)
    for interval in Interval:
        for row in range(10):
            complete(store, interval, row)
            clock.now += 0.5
            progress.look()
            progress.look()
    assert [f"Backfill: {tenth}0 %" for tenth in range(1, 11)] == [line.split(" (")[0] for line in caplog.messages]
    assert "Backfill: 50 % (30 of 60 histories), 15 s to go" == caplog.messages[4]
    store.append(["NEWUSDT"])
    progress.look()
    for interval in Interval:
        complete(store, interval, 10)
        progress.look()
    assert "Backfill: 100 % (66 of 66 histories), 0 s to go" == caplog.messages[-1]
