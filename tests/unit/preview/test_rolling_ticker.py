"""The ticker's 24 hours from candles, against a plain loop."""

import numpy as np
import pytest

from domain.market import Interval
from filters.preview.rolling_ticker import RollingTicker
from tests.unit.preview.past_market import H1, LAST, M5, drop, random_past

DAILY = 24


def test_fields_are_those_of_a_plain_loop() -> None:
    past = random_past(H1, last=LAST, candles=200, rows=3).of(H1)
    drop(past, 1, LAST - 60, LAST - 40)
    drop(past, 2, past.first_index, LAST - 30)
    ticker = RollingTicker(past, slice(None), LAST - 99, LAST)
    for index in range(LAST - 99, LAST + 1):
        fields = ticker.at(index)
        for row in range(3):
            end = index + 1 - past.first_index
            day = {name: values[row, end - DAILY : end] for name, values in past.columns.items()}
            there = ~np.isnan(day["close"])
            if not there[-1]:
                continue
            opened, last = day["open"][there][0], day["close"][-1]
            expected = {
                "last": last,
                "open": opened,
                "high": day["high"][there].max(),
                "low": day["low"][there].min(),
                "volume": day["volume"][there].sum(),
                "quote_volume": day["quote_volume"][there].sum(),
                "change": last - opened,
                "change_percent": (last - opened) / opened * 100,
                "weighted_average": day["quote_volume"][there].sum() / day["volume"][there].sum(),
            }
            assert {name: pytest.approx(value) for name, value in expected.items()} == {
                name: values[row] for name, values in fields.items()
            }


def test_same_bits_whatever_the_range() -> None:
    past = random_past(M5, rows=2).of(M5)
    whole = RollingTicker(past, slice(None), LAST - 500, LAST)
    for index in range(LAST - 20, LAST + 1):
        alone = RollingTicker(past, slice(None), index, index).at(index)
        assert all(values.tobytes() == whole.at(index)[name].tobytes() for name, values in alone.items())


def test_a_days_candle_is_its_own_ticker() -> None:
    past = random_past(Interval.D1, last=20_000, candles=50, rows=2).of(Interval.D1)
    assert past.columns["high"][:, -1].tolist() == RollingTicker(past, slice(None), 20_000, 20_000).at(20_000)["high"].tolist()
