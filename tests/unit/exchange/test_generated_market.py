"""The generated market: reproducible, consistent, plausible."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from domain.market import Interval
from local.exchange.candles import Candles, aggregate
from local.exchange.generated import GeneratedMarket
from local.exchange.market import every_row, forming, open_candle
from local.exchange.universe import LARGEST

DAY = 20_400
MINUTE = DAY * 1_440
FINGERPRINT = """
import hashlib
from domain.market import Interval
from local.exchange.generated import GeneratedMarket
from local.exchange.market import every_row
market = GeneratedMarket(seed=11, symbols=40)
digest = hashlib.sha256()
for interval in market.intervals:
    digest.update(market.candles(every_row(market), interval, 20_400 * 86_400_000 // interval.milliseconds - 30, 60).values.tobytes())
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def market() -> GeneratedMarket:
    return GeneratedMarket(seed=7, symbols=60)


@pytest.fixture(scope="module")
def minutes(market: GeneratedMarket) -> Candles:
    return market.candles(every_row(market), Interval.M1, MINUTE, 2 * 1_440)


def test_another_process_generates_the_same_market():
    market = GeneratedMarket(seed=11, symbols=40)
    digest = hashlib.sha256()
    for interval in market.intervals:
        digest.update(market.candles(every_row(market), interval, DAY * 86_400_000 // interval.milliseconds - 30, 60).values.tobytes())
    other = subprocess.run([sys.executable, "-c", FINGERPRINT], capture_output=True, text=True, check=True, timeout=60)

    assert digest.hexdigest() == other.stdout.strip()


def test_another_seed_is_another_market(minutes):
    other = GeneratedMarket(seed=8, symbols=60)

    assert not np.array_equal(minutes.close, other.candles(every_row(other), Interval.M1, MINUTE, 2 * 1_440).close)


def test_a_candle_does_not_depend_on_what_it_is_asked_with(market, minutes):
    alone = np.concatenate([market.candles(np.array([17]), Interval.M1, MINUTE + 700 + j, 1).values for j in range(40)], axis=-1)

    assert np.array_equal(minutes.values[:, 17:18, 700:740], alone)


def test_more_symbols_leave_the_first_ones_as_they_are(minutes):
    larger = GeneratedMarket(seed=7, symbols=90)

    assert np.array_equal(minutes.values, larger.candles(np.arange(60), Interval.M1, MINUTE, 2 * 1_440).values)


def test_a_longer_table_of_days_changes_nothing_before(market):
    fresh = GeneratedMarket(seed=7, symbols=60)
    far = fresh.candles(np.array([0]), Interval.D1, 30_000, 1)

    assert far.close[0, 0] > 0
    assert np.array_equal(
        market.candles(every_row(market), Interval.D1, DAY, 300).values, fresh.candles(every_row(fresh), Interval.D1, DAY, 300).values
    )


@pytest.mark.parametrize(
    ("smaller", "interval"),
    [("1m", "5m"), ("5m", "15m"), ("15m", "1h"), ("1h", "4h"), ("4h", "1d"), ("1m", "1d")],
)
def test_smaller_candles_make_up_the_larger_exactly(market, smaller, interval):
    small, large = Interval(smaller), Interval(interval)
    size, first = large.milliseconds // small.milliseconds, DAY * 86_400_000 // large.milliseconds
    parts = market.candles(every_row(market), small, first * size, 6 * size)

    assert np.array_equal(market.candles(every_row(market), large, first, 6).values, aggregate(parts, size).values)


def test_seconds_make_up_the_minute_exactly(market, minutes):
    seconds = forming(market, every_row(market), MINUTE + 5, minutes.at(5))

    assert np.array_equal(minutes.at(5).values, seconds.at(59).values)


def test_a_forming_candle_only_grows(market, minutes):
    seconds = forming(market, every_row(market), MINUTE + 9, minutes.at(9))
    growing = [seconds.volume, seconds.trades, seconds.quote_volume, seconds.high, -seconds.low]

    assert all((np.diff(values, axis=-1)[:, 1:] >= 0).all() for values in growing)


def test_the_open_candle_is_made_of_closed_ones_and_the_seconds_since(market):
    rows, now = every_row(market), (MINUTE + 7) * 60_000 + 12_345
    closed = aggregate(market.candles(rows, Interval.M1, MINUTE, 7), 7).at(0)
    day = open_candle(market, rows, Interval.D1, now)
    minute = open_candle(market, rows, Interval.M1, now)

    assert np.array_equal(closed.volume + minute.volume, day.volume)
    assert np.array_equal(np.maximum(closed.high, np.where(minute.volume > 0, minute.high, 0)), day.high)
    assert np.array_equal(minute.close, day.close)


def test_candles_are_sound(minutes):
    assert (minutes.high >= np.maximum(minutes.open, minutes.close)).all()
    assert (minutes.low <= np.minimum(minutes.open, minutes.close)).all()
    assert (minutes.low > 0).all()
    assert (minutes.volume > 0).all()
    assert (minutes.trades > 0).all()
    assert (minutes.taker_volume <= minutes.volume).all()
    assert (minutes.taker_quote <= minutes.quote_volume).all()


def test_candles_and_trade_ids_follow_each_other_without_a_gap(minutes):
    assert np.array_equal(minutes.close[:, :-1], minutes.open[:, 1:])
    assert np.array_equal((minutes.first_trade + minutes.trades)[:, :-1], minutes.first_trade[:, 1:])


def test_the_average_price_lies_within_the_candle_but_for_few(market, minutes):
    average = minutes.quote_volume / minutes.volume / market.units[:, None]
    beyond = np.maximum(average / minutes.high, minutes.low / average) - 1

    assert (beyond > 0.0005).mean() < 0.02
    assert beyond.max() < 0.05


def test_returns_have_fat_tails_cluster_and_follow_the_market(minutes):
    returns = np.diff(np.log(minutes.close.astype(float)), axis=1)
    kurtosis = (returns**4).mean(axis=1) / (returns**2).mean(axis=1) ** 2
    size = np.abs(returns)
    clustering = np.mean([np.corrcoef(row[:-1], row[1:])[0, 1] for row in size])
    correlation = np.corrcoef(returns)[np.triu_indices(60, 1)].mean()

    assert np.median(kurtosis) > 5
    assert clustering > 0.15
    assert correlation > 0.15


def test_volumes_differ_by_orders_of_magnitude_between_symbols(minutes):
    turnover = minutes.quote_volume.sum(axis=1)

    assert turnover[0] > 20 * turnover[59]


def test_there_is_nothing_before_the_market_begins(market):
    first = market.first_index(Interval.D1)
    candles = market.candles(np.array([0]), Interval.D1, first - 3, 5)

    assert (candles.close[0] == 0).tolist() == [True, True, True, False, False]


def test_a_symbol_that_is_not_ascii_is_among_the_largest_market():
    names = [listing.symbol for listing in GeneratedMarket(seed=1, symbols=400).listings]

    assert len(set(names)) == 400
    assert any(not name.isascii() for name in names)


@pytest.mark.parametrize("count", [0, LARGEST + 1])
def test_a_number_of_symbols_that_cannot_be_is_refused(count):
    with pytest.raises(ValueError, match="symbols"):
        GeneratedMarket(seed=1, symbols=count)
