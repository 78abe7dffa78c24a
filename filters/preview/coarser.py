"""Candles of a longer interval, made of shorter ones."""

import numpy as np
from numpy.typing import NDArray

from domain.errors import RefusedError
from domain.market import Interval
from filters.frames import Matrix
from filters.preview.past_candles import PastInterval


def coarser(past: PastInterval, interval: Interval) -> PastInterval:
    """The candles of `interval` that lie wholly within `past`.

    Equal to the exchange's own: a candle without trades repeats the close before it, so open, high and low are those of candles with
    trades. Raises RefusedError for an interval that is not made of these candles.
    """
    if interval is past.interval:
        return past
    parts, rest = divmod(interval.milliseconds, past.interval.milliseconds)
    if rest or not parts:
        raise RefusedError(f"Candles of {interval} cannot be made of candles of {past.interval}.")
    first, end = -(-past.first_index // parts), past.end_index // parts
    known_from = -(-past.known_from // parts)
    if end <= first:
        raise RefusedError(f"The candles of {past.interval} are too few for a single one of {interval}.")
    window = past.window(slice(None), first * parts, end * parts - 1)
    grouped = {name: values.reshape(len(values), end - first, parts) for name, values in window.items()}
    return PastInterval(interval=interval, first_index=first, known_from=known_from, columns=_joined(grouped))


def _joined(grouped: dict[str, NDArray[np.float64]]) -> dict[str, Matrix]:
    """One candle of each group [symbol, candle, part]."""
    there = ~np.isnan(grouped["close"])
    traded = there & (grouped["volume"] > 0)
    telling = np.where(traded.any(axis=2, keepdims=True), traded, there)
    found = {name: np.nansum(values, axis=2) for name, values in grouped.items()}
    found["open"] = _picked(grouped["open"], telling.argmax(axis=2))
    found["high"] = np.where(telling, grouped["high"], -np.inf).max(axis=2)
    found["low"] = np.where(telling, grouped["low"], np.inf).min(axis=2)
    found["close"] = _picked(grouped["close"], there.shape[2] - 1 - there[:, :, ::-1].argmax(axis=2))
    absent = ~there.any(axis=2)
    for name, values in found.items():
        values[absent | np.isnan(grouped[name]).all(axis=2)] = np.nan
    return found


def _picked(values: NDArray[np.float64], places: NDArray[np.intp]) -> Matrix:
    return np.take_along_axis(values, places[:, :, np.newaxis], axis=2)[:, :, 0]
