"""Conditions of three values: 1 holds, -1 does not, 0 unknown."""

import numpy as np
import pytest

from filters.expression.kernels import POINTWISE, WINDOWED, bars_since, value_when

NAN = np.nan
CONDITIONS = np.array([[-1, 1, -1, 0, -1, 1, -1]], dtype=np.int8)


def test_bars_since_is_unknown_before_the_first_and_after_an_unknown_candle() -> None:
    np.testing.assert_array_equal([[NAN, 0, 1, NAN, NAN, 0, 1]], bars_since(CONDITIONS))


def test_value_when_is_unknown_before_the_first_and_after_an_unknown_candle() -> None:
    values = np.arange(7.0)[np.newaxis]

    np.testing.assert_array_equal([[NAN, 1, 1, NAN, NAN, 5, 5]], value_when(CONDITIONS, values))


def test_count_is_unknown_where_one_of_its_candles_is() -> None:
    np.testing.assert_array_equal([[1, NAN, NAN, NAN, 1]], WINDOWED["count"](CONDITIONS, 3))


@pytest.mark.parametrize("candles", range(1, 8))
def test_windows_of_any_length_hold_their_extremes(candles: int) -> None:
    values = np.array([[3.0, 1, 4, 1, 5, 9, 2]])
    windows = [values[0, place : place + candles] for place in range(8 - candles)]

    assert [[window.max() for window in windows]] == WINDOWED["highest"](values, candles).tolist()
    assert [[window.min() for window in windows]] == WINDOWED["lowest"](values, candles).tolist()


@pytest.mark.parametrize(
    ("kernel", "expected"), [("greater", [1, -1, -1, 0, 0]), ("at_least", [1, 1, -1, 0, 0]), ("equal", [-1, 1, -1, 0, 0])]
)
def test_comparison_with_a_missing_value_is_unknown(kernel: str, expected: list[int]) -> None:
    left, right = np.array([2, 1, 1, NAN, 1]), np.array([1, 1, 2, 1, NAN])

    assert expected == POINTWISE[kernel](left, right).tolist()
