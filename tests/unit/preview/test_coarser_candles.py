"""Candles of a longer interval made of shorter ones, against a plain loop and the recorded hour."""

import numpy as np
import pytest

from domain.errors import RefusedError
from domain.market import Interval
from filters.preview.coarser import coarser
from filters.preview.past_candles import PastInterval
from tests.unit.preview.past_market import H1, LAST, M5, drop, random_past


def whole_hours(past: PastInterval) -> range:
    return range(-(-past.first_index // 12), past.end_index // 12)


def test_hours_are_those_of_a_plain_loop() -> None:
    past = random_past(M5, rows=3, candles=400).of(M5)
    drop(past, 0, LAST - 100, LAST - 60)
    past.columns["volume"][1, -40:-30] = 0
    hours = coarser(past, H1)
    assert whole_hours(past) == range(hours.first_index, hours.end_index)
    for hour in whole_hours(past):
        places = slice(hour * 12 - past.first_index, hour * 12 + 12 - past.first_index)
        for row in range(3):
            found = {name: values[row, hour - hours.first_index] for name, values in hours.columns.items()}
            parts = {name: values[row, places] for name, values in past.columns.items()}
            there = ~np.isnan(parts["close"])
            if not there.any():
                assert all(np.isnan(value) for value in found.values())
                continue
            telling = there & (parts["volume"] > 0) if (parts["volume"][there] > 0).any() else there
            assert parts["open"][telling][0] == found["open"]
            assert parts["high"][telling].max() == found["high"]
            assert parts["low"][telling].min() == found["low"]
            assert parts["close"][there][-1] == found["close"]
            assert parts["trades"][there].sum() == pytest.approx(found["trades"])


def test_what_is_known_begins_with_the_first_whole_hour() -> None:
    past = random_past(M5).of(M5)
    assert -(-past.known_from // 12) == coarser(past, H1).known_from


def test_columns_that_nobody_told_stay_unknown() -> None:
    past = random_past(M5, rows=1, candles=100).of(M5)
    past.columns["trades"][:] = np.nan
    assert np.isnan(coarser(past, H1).columns["trades"]).all()


def test_shorter_candles_cannot_be_made_of_longer_ones() -> None:
    past = random_past(H1, last=50_000, candles=100).of(H1)
    with pytest.raises(RefusedError, match="Candles of 5m cannot be made of candles of 1h"):
        coarser(past, M5)
    with pytest.raises(RefusedError, match="too few"):
        coarser(random_past(Interval.M1, candles=100).of(Interval.M1), Interval.D1)
