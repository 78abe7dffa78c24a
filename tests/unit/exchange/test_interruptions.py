"""A market with holes: what is gone, what is left of larger candles, and what of it is listed."""

from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from domain.market import Interval
from local.exchange.candles import merge
from local.exchange.day import LastDay
from local.exchange.generated import GeneratedMarket
from local.exchange.interruptions import InterruptedMarket
from local.exchange.market import every_row
from local.exchange.recorded import RecordedMarket

MINUTE, DAY = 60_000, 86_400_000
MIDNIGHT = 20_000 * DAY
OUTAGE = (MIDNIGHT + 241 * MINUTE, MIDNIGHT + 525 * MINUTE)
"""284 minutes, from 04:01 until before 08:45."""
TWO = np.array([0, 1])


@pytest.fixture(scope="module")
def generated():
    return GeneratedMarket(seed=5, symbols=4)


@pytest.fixture
def market(generated):
    return InterruptedMarket(generated)


def minutes(market, row, begins, ends):
    return market.candles(np.array([row]), Interval.M1, begins // MINUTE, (ends - begins) // MINUTE)


def made_of_minutes(market, row, interval, index):
    """What a larger candle must be: its minutes that exist, one after the other."""
    width, whole = interval.milliseconds, None
    parts = minutes(market, row, index * width, (index + 1) * width)
    for column in range(parts.shape[1]):
        if parts.close[0, column]:
            whole = merge(whole, parts.at(column))
    return np.zeros(10, dtype=np.int64) if whole is None else whole.values[:, 0]


def test_no_candle_exists_in_an_outage_and_those_around_it_are_untouched(market, generated):
    market.interrupt(None, *OUTAGE)
    holed = minutes(market, 2, OUTAGE[0] - 2 * MINUTE, OUTAGE[1] + 2 * MINUTE).values
    whole = minutes(generated, 2, OUTAGE[0] - 2 * MINUTE, OUTAGE[1] + 2 * MINUTE).values

    assert not holed[:, :, 2:-2].any()
    assert np.array_equal(whole[:, :, :2], holed[:, :, :2])
    assert np.array_equal(whole[:, :, -2:], holed[:, :, -2:])


@pytest.mark.parametrize("interval", [Interval.M5, Interval.M15, Interval.H1, Interval.H4, Interval.D1])
def test_larger_candles_are_made_of_what_traded(market, interval):
    market.interrupt(None, *OUTAGE)
    market.interrupt(1, OUTAGE[1], OUTAGE[1] + 100 * MINUTE)
    first, count = MIDNIGHT // interval.milliseconds, max(1, 12 * 60 * MINUTE // interval.milliseconds)
    candles = market.candles(TWO, interval, first, count).values

    for row in TWO:
        for column in range(count):
            assert made_of_minutes(market, row, interval, first + column).tolist() == candles[:, row, column].tolist()


def test_the_indices_of_candles_leave_out_what_lies_wholly_in_a_hole(market):
    market.interrupt(None, *OUTAGE)
    hours = market.stretches(0, Interval.H1, MIDNIGHT // 3_600_000, MIDNIGHT // 3_600_000 + 23)
    listed = [index * 60 - MIDNIGHT // MINUTE for stretch in hours for index in stretch]

    assert [hour * 60 for hour in range(24) if hour not in (5, 6, 7)] == listed


def test_holes_that_touch_are_one_hole(market):
    market.interrupt(0, MIDNIGHT + 10 * MINUTE, MIDNIGHT + 12 * MINUTE)
    market.interrupt(0, MIDNIGHT + 12 * MINUTE, MIDNIGHT + 15 * MINUTE)
    stretches = market.stretches(0, Interval.M5, MIDNIGHT // 300_000, MIDNIGHT // 300_000 + 3)

    assert [0, 1, 3] == [index - MIDNIGHT // 300_000 for stretch in stretches for index in stretch]
    assert not market.candles(np.array([0]), Interval.M5, MIDNIGHT // 300_000 + 2, 1).values.any()


def test_a_row_that_resumes_has_a_hole_and_others_have_none(market):
    market.interrupt(1, MIDNIGHT)
    gone = minutes(market, 1, MIDNIGHT + DAY, MIDNIGHT + DAY + 3 * MINUTE).close[0].tolist()
    market.resume(1, MIDNIGHT + 10 * MINUTE)
    there = [(minutes(market, row, MIDNIGHT - MINUTE, MIDNIGHT + 11 * MINUTE).close[0] > 0).tolist() for row in TWO]

    assert [0, 0, 0] == gone
    assert [[True] * 12, [True, *[False] * 10, True]] == there


@pytest.mark.parametrize("times", [(MIDNIGHT + 1, MIDNIGHT + MINUTE), (MIDNIGHT, MIDNIGHT), (MIDNIGHT + MINUTE, MIDNIGHT)])
def test_a_hole_off_the_grid_is_refused(market, times):
    with pytest.raises(ValueError, match="where 1m candles open"):
        market.interrupt(None, *times)


def test_a_recording_has_holes_too_and_late_symbols_begin_where_they_begin(tmp_path):
    rows = [
        {"symbol": symbol, "open_time": MIDNIGHT + index * MINUTE, "open": 1.0, "high": 2.0, "low": 0.5, "close": 1.5, "volume": 10.0}
        for symbol, first in (("AUSDT", 0), ("BUSDT", 7))
        for index in range(first, 30)
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "recorded.parquet")
    market = InterruptedMarket(RecordedMarket(tmp_path / "recorded.parquet"))
    market.interrupt(None, MIDNIGHT + 12 * MINUTE, MIDNIGHT + 21 * MINUTE)
    first = MIDNIGHT // MINUTE
    listed = [[index - first for part in market.stretches(row, Interval.M1, first, first + 29) for index in part] for row in TWO]
    volumes = market.candles(TWO, Interval.M5, MIDNIGHT // 300_000, 5).volume.tolist()

    assert [[*range(12), *range(21, 30)], [*range(7, 12), *range(21, 30)]] == listed
    assert [[50, 50, 20, 0, 40], [0, 30, 20, 0, 40]] == volumes


def test_the_last_day_keeps_the_last_price_through_a_hole(market, generated):
    market.interrupt(0, OUTAGE[0])
    ended = OUTAGE[0] // MINUTE + 90
    day = LastDay(market, ended).candle(None)
    before = minutes(generated, 0, OUTAGE[0] - MINUTE, OUTAGE[0])
    traded = minutes(generated, 0, (ended - 1_439) * MINUTE, OUTAGE[0])

    assert before.close[0, 0] == day.close[0]
    assert (traded.volume.sum(), traded.high.max()) == (day.volume[0], day.high[0])


def test_candles_of_one_symbol_are_those_of_all(market):
    market.interrupt(None, *OUTAGE)
    market.interrupt(3, OUTAGE[1], OUTAGE[1] + 60 * MINUTE)
    alone, all_of_them = (market.candles(rows, Interval.H1, MIDNIGHT // 3_600_000, 24) for rows in (np.array([3]), every_row(market)))

    assert np.array_equal(alone.values[:, 0], all_of_them.values[:, 3])
    assert all(later > earlier for earlier, later in pairwise(all_of_them.first_trade[0][all_of_them.close[0] > 0].tolist()))
