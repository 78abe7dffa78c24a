"""Which histories are behind, and by how much in market time."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from adapters.candle_store import CANDLE, CLOSED, FROM_REST, INTERVAL_CODES, STATUS_CODES, CandleStore
from domain.market import Interval, SymbolStatus, epoch_milliseconds
from feeder.coverage import Coverage, coverage, not_trading, symbol_coverage, symbol_summaries, worst

NOW = datetime(2026, 1, 5, 12, 0, 30, tzinfo=UTC)
AS_OF = epoch_milliseconds(NOW)


@pytest.fixture
def store():
    """Three symbols whose histories are whole in every interval."""
    made = CandleStore()
    made.append(("BTCUSDT", "ETHUSDT", "XRPUSDT"))
    for row in range(3):
        for interval in Interval:
            tell(made, row, interval, interval.index_at(NOW) - 1)
    return made


def tell(store, row, interval, through, flags=CLOSED):
    """What the exchange tells of a row: ten closed candles, the last with index `through`."""
    frame = store.frame(interval)
    frame.set_begin(np.array([row]), np.array([-1]))
    frame.flags[row] = 0
    records = np.zeros(10, CANDLE)
    records["row"], records["interval"], records["flags"] = row, INTERVAL_CODES[interval], flags
    records["index"] = np.arange(through - 9, through + 1)
    frame.apply(records)
    frame.confirm(row, through - 9, through)


def test_a_whole_market_has_no_laggards(store):
    assert [] == worst(store, AS_OF)
    assert {Coverage(rows=3, expected=3, complete=3, behind=0)} == {coverage(store, interval, AS_OF) for interval in Interval}


def test_what_has_no_past_comes_first_then_what_has_lacked_a_candle_longest(store):
    tell(store, 0, Interval.M1, Interval.M1.index_at(NOW) - 4)
    tell(store, 1, Interval.H1, Interval.H1.index_at(NOW) - 3)
    store.frame(Interval.D1).set_begin(np.array([2]), np.array([-1]))

    past, hour, minute = worst(store, AS_OF)

    assert ("XRPUSDT", Interval.D1, None, None) == (past.symbol, past.interval, past.closed_through, past.behind)
    assert ("ETHUSDT", Interval.H1, timedelta(hours=1, seconds=30)) == (hour.symbol, hour.interval, hour.behind)
    assert datetime(2026, 1, 5, 9, tzinfo=UTC) == hour.closed_through
    assert ("BTCUSDT", Interval.M1, timedelta(minutes=2, seconds=30)) == (minute.symbol, minute.interval, minute.behind)
    assert Coverage(rows=3, expected=3, complete=2, behind=1) == coverage(store, Interval.D1, AS_OF)
    assert Coverage(rows=3, expected=3, complete=3, behind=1) == coverage(store, Interval.H1, AS_OF)


def test_a_candle_on_its_way_is_not_missed(store):
    tell(store, 0, Interval.M1, Interval.M1.index_at(NOW) - 2)

    assert [] == worst(store, AS_OF - 26_000)
    assert ["BTCUSDT"] == [laggard.symbol for laggard in worst(store, AS_OF)]


def test_no_more_are_named_than_asked_for(store):
    for row in range(3):
        tell(store, row, Interval.M5, Interval.M5.index_at(NOW) - 3 - row)

    assert ["XRPUSDT", "ETHUSDT"] == [laggard.symbol for laggard in worst(store, AS_OF, count=2)]


def test_before_the_exchange_told_its_time_nothing_can_be_behind():
    empty = CandleStore()
    empty.append(("BTCUSDT",))

    assert [] == worst(empty, 0)
    assert Coverage(rows=1, expected=1, complete=0, behind=0) == coverage(empty, Interval.M1, 0)


def test_nothing_is_expected_of_a_symbol_that_does_not_trade(store):
    tell(store, 0, Interval.M1, Interval.M1.index_at(NOW) - 40)
    store.set_listing(np.array([STATUS_CODES[SymbolStatus.BREAK], 0, 0], np.uint8), store.rank)

    assert [] == worst(store, AS_OF)
    assert Coverage(rows=3, expected=2, complete=2, behind=0) == coverage(store, Interval.M1, AS_OF)
    assert {"BTCUSDT": SymbolStatus.BREAK} == not_trading(store)
    assert 0 == symbol_coverage(store, 0, AS_OF).histories[0].behind


def test_a_symbol_shows_through_when_it_is_known_how_old_that_is_and_who_told(store):
    index = Interval.M1.index_at(NOW)
    tell(store, 1, Interval.M1, index - 1, flags=CLOSED | FROM_REST)
    store.frame(Interval.M1).as_of[1] = AS_OF - 4_000
    minute = symbol_coverage(store, 1, AS_OF).histories[0]

    assert (Interval.M1, 0, 0, 10, 0) == (minute.interval, minute.behind, minute.streamed, minute.repaired, minute.corrected)
    assert (Interval.M1.open_time(index - 10), Interval.M1.open_time(index - 1)) == (minute.begins, minute.closed_through)
    assert (NOW - timedelta(seconds=4), timedelta(seconds=4)) == (minute.as_of, minute.age)


def test_a_symbol_that_lacks_candles_shows_how_many(store):
    tell(store, 2, Interval.M1, Interval.M1.index_at(NOW) - 4)
    store.set_listing(store.status, np.array([0, 1, 2], np.uint16))
    found = symbol_coverage(store, 2, AS_OF)

    assert ("XRPUSDT", SymbolStatus.TRADING, 2) == (found.symbol, found.status, found.rank)
    assert [3, 0, 0, 0, 0, 0] == [history.behind for history in found.histories]


def test_a_symbol_of_which_nothing_is_known_shows_that(store):
    store.append(("NEWUSDT",))
    minute = symbol_coverage(store, 3, AS_OF).histories[0]

    assert (None, None, None, None, 0, 0) == (
        minute.begins,
        minute.closed_through,
        minute.as_of,
        minute.age,
        minute.behind,
        minute.streamed,
    )


def test_every_symbol_in_a_line_names_the_intervals_it_lacks(store):
    store.append(("NEWUSDT",))
    tell(store, 0, Interval.M1, Interval.M1.index_at(NOW) - 4)
    tell(store, 0, Interval.H1, Interval.H1.index_at(NOW) - 3)
    tell(store, 1, Interval.M1, Interval.M1.index_at(NOW) - 4)
    store.set_listing(np.array([0, STATUS_CODES[SymbolStatus.HALT], 0, 0], np.uint8), store.rank)
    bitcoin, ether, ripple, new = symbol_summaries(store, AS_OF)

    assert (Interval.M1, Interval.H1) == bitcoin.lacking
    assert (SymbolStatus.HALT, ()) == (ether.status, ether.lacking)
    assert (Interval.M1.open_time(Interval.M1.index_at(NOW) - 1), timedelta(seconds=30), ()) == (
        ripple.closed_through,
        ripple.age,
        ripple.lacking,
    )
    assert (None, None, tuple(Interval)) == (new.closed_through, new.age, new.lacking)
