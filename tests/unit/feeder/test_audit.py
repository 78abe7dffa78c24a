"""Each minute of market time: what should have closed against what is there."""

import logging
from datetime import UTC, datetime

import numpy as np
import pytest

from adapters.candle_store import CANDLE, CLOSED, FROM_REST, INTERVAL_CODES, STATUS_CODES, CandleStore
from domain.market import Interval, SymbolStatus, epoch_milliseconds
from feeder.audit import PATIENCE, PATIENCE_MILLISECONDS, Audit, Tally

HOUR = epoch_milliseconds(datetime(2026, 1, 5, 12, 0, tzinfo=UTC))
MINUTE = 60_000
SYMBOLS = ("ADAUSDT", "BTCUSDT", "ETHUSDT")


class Market:
    """A store, an audit over it, and the two clocks it goes by."""

    def __init__(self) -> None:
        self.wall = 1_000.0
        self.store = CandleStore()
        self.store.append(SYMBOLS)
        self.audit = Audit(self.store, clock=lambda: self.wall)
        for row in range(len(SYMBOLS)):
            for interval in Interval:
                self.closed(row, interval, HOUR // interval.milliseconds - 1)
        self.audit.look(HOUR)

    def closed(self, row: int, interval: Interval, index: int, flags: int = CLOSED, *, confirm: bool = True) -> None:
        records = np.zeros(1, CANDLE)
        records["row"], records["interval"], records["flags"], records["index"] = row, INTERVAL_CODES[interval], flags, index
        records["event_time"] = (index + 1) * interval.milliseconds
        self.store.frame(interval).apply(records)
        if confirm and self.store.frame(interval).begin[row] < 0:
            self.store.frame(interval).confirm(row, index, index)

    def minute(self, number: int, rows: tuple[int, ...] = (0, 1, 2), flags: int = CLOSED) -> None:
        """The candle of the n-th minute after HOUR closes for these rows."""
        for row in rows:
            self.closed(row, Interval.M1, HOUR // MINUTE + number, flags)

    def look(self, minutes: int, *, wall: float = PATIENCE.total_seconds()) -> None:
        """The exchange's clock reaches that minute and the audit's patience passes."""
        self.audit.look(HOUR + minutes * MINUTE)
        self.wall += wall
        self.audit.look(HOUR + minutes * MINUTE + PATIENCE_MILLISECONDS)


@pytest.fixture
def market() -> Market:
    return Market()


def minutes(market: Market) -> Tally:
    assert market.audit.last is not None
    return market.audit.last.tallies[Interval.M1]


def test_a_minute_in_which_every_candle_came_says_nothing(market: Market, caplog: pytest.LogCaptureFixture) -> None:
    market.minute(0)
    with caplog.at_level(logging.INFO):
        market.look(1)

    assert Tally(expected=3, streamed=3) == minutes(market)
    assert [] == caplog.records


def test_candles_are_told_apart_by_what_brought_them(market: Market, caplog: pytest.LogCaptureFixture) -> None:
    market.minute(0, rows=(0,))
    market.minute(0, rows=(1,), flags=CLOSED | FROM_REST)
    with caplog.at_level(logging.INFO):
        market.look(1)

    assert Tally(expected=3, streamed=1, repaired=1, missing=1) == minutes(market)
    assert market.audit.last is not None
    assert ("ETHUSDT",) == market.audit.last.missing_symbols
    assert [logging.WARNING] == [record.levelno for record in caplog.records]
    assert "1 of 3 candles" in caplog.text


def test_repairs_alone_are_one_line_of_information(market: Market, caplog: pytest.LogCaptureFixture) -> None:
    market.minute(0, flags=CLOSED | FROM_REST)
    with caplog.at_level(logging.INFO):
        market.look(1)

    assert [(logging.INFO, True)] == [(record.levelno, "3 of 3 candles" in record.getMessage()) for record in caplog.records]


def test_a_forming_candle_does_not_count_as_closed(market: Market) -> None:
    market.minute(0, flags=0)
    market.look(1)

    assert Tally(expected=3, missing=3) == minutes(market)


def test_a_candle_that_comes_within_the_patience_is_not_missing(market: Market) -> None:
    market.audit.look(HOUR + MINUTE)
    market.wall += PATIENCE.total_seconds() - 1
    market.audit.look(HOUR + MINUTE + PATIENCE_MILLISECONDS)
    assert market.audit.last is None

    market.minute(0)
    market.wall += 1
    market.audit.look(HOUR + MINUTE + PATIENCE_MILLISECONDS)
    assert 0 == minutes(market).missing


def test_a_fast_market_waits_for_the_wall_clock_and_a_slow_one_for_the_market(market: Market) -> None:
    for number in range(1, 6):
        market.audit.look(HOUR + number * MINUTE)
    assert market.audit.last is None

    market.wall += 3600
    market.audit.look(HOUR + 5 * MINUTE + PATIENCE_MILLISECONDS - 1)
    assert market.audit.last is not None
    assert datetime(2026, 1, 5, 12, 4, tzinfo=UTC) == market.audit.last.through


def test_no_minute_is_left_out_and_none_is_looked_at_twice(market: Market) -> None:
    for number in range(7):
        market.minute(number)
    market.look(3)
    market.look(7)
    market.look(7)

    assert Tally(expected=21, streamed=21) == market.audit.totals[Interval.M1]


def test_every_interval_is_audited_when_its_candle_closes(market: Market) -> None:
    for row in range(3):
        market.closed(row, Interval.M5, HOUR // Interval.M5.milliseconds)
    market.look(6)

    assert market.audit.last is not None
    assert {Interval.M1: 18, Interval.M5: 3} == {interval: tally.expected for interval, tally in market.audit.last.tallies.items()}
    assert 3 == market.audit.last.tallies[Interval.M5].streamed
    assert Tally(expected=21, streamed=3, missing=18) == market.audit.last.total


def test_nothing_is_expected_of_symbols_that_do_not_trade_or_have_no_past(market: Market) -> None:
    market.store.append(("NEWUSDT",))
    market.store.set_listing(np.array([STATUS_CODES[SymbolStatus.BREAK], 0, 0, 0], np.uint8), market.store.rank)
    market.minute(0, rows=(1, 2))
    market.look(1)

    assert Tally(expected=2, streamed=2) == minutes(market)


def test_what_lies_before_the_beginning_of_a_history_is_a_hole_of_the_exchange(market: Market) -> None:
    market.minute(0)
    market.minute(2)
    market.store.frame(Interval.M1).set_begin(np.array([0]), np.array([HOUR // MINUTE + 2]))
    market.look(3)

    assert Tally(expected=7, streamed=5, missing=2) == minutes(market)


def test_a_market_that_was_away_for_longer_than_the_window_is_audited_as_far_as_it_is_kept(market: Market) -> None:
    market.look(3_000)

    found = minutes(market)
    assert 0 == found.streamed + found.repaired
    assert found.expected == found.missing
