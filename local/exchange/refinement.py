"""Splits candles into smaller ones that make up exactly the same candle again.

Read upwards it is aggregation, read downwards a multiplicative cascade: activity divides unevenly at each level, which makes quiet and
busy stretches and fat tails; prices follow a bridge from the open to the close that stays within the candle's range and touches both ends.
"""

from dataclasses import dataclass

import numpy as np

from local.exchange.candles import Candles, Integers, empty
from local.exchange.noise import Bits, Floats, bits, normal, uniform

_RANGE_TO_DEVIATION = 0.6
"""Parkinson: the standard deviation of a random walk is its range divided by 1.67."""
_TILT = (0.25, 4.0)
"""The least and the most that a part's volume is multiplied with to bring average prices together."""
_TILTED = 0.7
"""How much of the distance between average prices volume makes up for; the prices of the parts do the rest."""
_SHIFT = 0.9
"""The most of the way to its high or low that a part's average price goes."""


@dataclass(frozen=True, kw_only=True)
class Noise:
    """What decides a split; every array has shape [*parents, parts]."""

    steps: Floats
    """Standard normal moves."""
    activity: Floats
    """Positive; how much of the parent's variance and volume falls to each part."""
    upper: Floats
    """Uniform: how far the part's high goes beyond its open and close."""
    lower: Floats
    """Uniform: the same for its low."""
    lean: Floats
    """In (-1, 1): whether takers buy more or less than in the parent."""


def own_noise(keys: Bits, purpose: int, first: int, count: int, parts: int) -> Noise:
    """Noise for the parts of parents `first` to `first + count`, of each key for itself."""
    shape = (len(keys), count, parts)
    moves = bits(keys, 2 * purpose, first * parts, count * parts).reshape(shape)
    rest = bits(keys, 2 * purpose + 1, first * parts, count * parts).reshape(shape)
    return Noise(
        steps=normal(moves),
        activity=1 / (0.3 + uniform(rest, 0)),
        upper=uniform(rest, 1),
        lower=uniform(rest, 2),
        lean=2 * uniform(rest, 3) - 1,
    )


def split(parents: Candles, noise: Noise, units: Floats, least: int) -> Candles:
    """The parts of each candle, in order, on one longer last axis; with at least `least` lots and trades where the parent has them.

    `merge` of a candle's parts is the candle, in every field. `units` is what one lot at one tick costs, in 10^-8 quote, per row.
    """
    share = noise.activity / _total(noise.activity)
    values = empty(noise.steps.shape).values
    values[0:4] = _prices(parents, noise, share)
    usual = values[0:4].sum(axis=0) / 4
    wanted = np.where(parents.volume > 0, parents.quote_volume / np.maximum(parents.volume, 1) / units[:, None], parents.open)[..., None]
    share = _tilted(share, usual, wanted)
    values[4] = _divided(parents.volume, share, least)
    prices = _shifted(usual, values[1], values[2], _shares(values[4].astype(np.float64), share), wanted)
    values[5] = _divided(parents.quote_volume, _shares(values[4] * prices, share), 0)
    values[6] = _divided(parents.trades, share, least)
    values[7] = _taken(parents.taker_volume, parents.volume, values[4], noise.lean)
    values[8] = _taken(parents.taker_quote, parents.quote_volume, values[5], noise.lean)
    values[9] = parents.first_trade[..., None] + np.cumsum(values[6], axis=-1) - values[6]
    return Candles(values.reshape(10, *parents.shape[:-1], -1))


def _prices(parents: Candles, noise: Noise, share: Floats) -> Integers:
    first, high, low, last = (price[..., None].astype(np.float64) for price in (parents.open, parents.high, parents.low, parents.close))
    deviation = (high - low) * _RANGE_TO_DEVIATION * np.sqrt(share)
    elapsed = np.cumsum(share, axis=-1)
    walk = np.cumsum(noise.steps * deviation, axis=-1)
    closes = _folded(first + elapsed * (last - first) + walk - elapsed * walk[..., -1:], low, high)
    closes[..., -1:] = last
    opens = np.concatenate([first, closes[..., :-1]], axis=-1)
    highs = np.minimum(high, np.rint(np.maximum(opens, closes) + deviation * noise.upper))
    lows = np.maximum(low, np.rint(np.minimum(opens, closes) - deviation * noise.lower))
    np.put_along_axis(highs, np.argmax(highs, axis=-1, keepdims=True), high, axis=-1)
    np.put_along_axis(lows, np.argmin(lows, axis=-1, keepdims=True), low, axis=-1)
    return np.stack([opens, highs, lows, closes]).astype(np.int64)


def _folded(prices: Floats, low: Floats, high: Floats) -> Floats:
    # A walk that leaves the range is mirrored at the edge; clipping alone would make flat stretches there.
    prices = np.where(prices > high, 2 * high - prices, prices)
    prices = np.where(prices < low, 2 * low - prices, prices)
    return np.rint(np.clip(prices, low, high))


def _tilted(share: Floats, usual: Floats, wanted: Floats) -> Floats:
    # Volume moves to the parts at the better price, so that the parts' average price comes near the parent's.
    away = usual - _total(share * usual)
    spread = _total(share * away * away)
    slope = _TILTED * np.divide(_total(share * (wanted - usual)), spread, out=np.zeros_like(spread), where=spread > 0)
    tilted = share * np.clip(1 + slope * away, *_TILT)
    return tilted / _total(tilted)


def _shifted(usual: Floats, high: Integers, low: Integers, share: Floats, wanted: Floats) -> Floats:
    # The rest of the way: all average prices move by the same fraction towards their highs or lows.
    missing = wanted - _total(share * usual)
    room = np.where(missing > 0, high - usual, usual - low)
    reach = _total(share * room)
    way: Floats = np.divide(missing, reach, out=np.zeros_like(reach), where=reach > 0)
    shifted: Floats = usual + room * np.clip(way, -_SHIFT, _SHIFT)
    return shifted


def _divided(amount: Integers, share: Floats, least: int) -> Integers:
    parts = share.shape[-1]
    floor = np.where(amount >= least * parts, least, 0)
    edges = np.floor((amount - floor * parts)[..., None] * np.cumsum(share, axis=-1)).astype(np.int64)
    return _between(edges, amount - floor * parts) + floor[..., None]


def _taken(taken: Integers, amount: Integers, amounts: Integers, lean: Floats) -> Integers:
    ratio = (taken / np.maximum(amount, 1))[..., None]
    centre = _total(amounts * lean) / np.maximum(amount, 1)[..., None]
    room = np.minimum(ratio, 1 - ratio) / 4
    return _between(np.floor(np.cumsum(amounts * (ratio + room * (lean - centre)), axis=-1)).astype(np.int64), taken)


def _between(edges: Integers, amount: Integers) -> Integers:
    edges = np.minimum(edges, amount[..., None])
    edges[..., -1] = amount
    return np.diff(edges, axis=-1, prepend=0)


def _shares(weights: Floats, otherwise: Floats) -> Floats:
    total = _total(weights)
    return np.where(total > 0, weights / np.where(total > 0, total, 1), otherwise)


def _total(values: Floats) -> Floats:
    # Added up from left to right whatever the layout in memory, so that one symbol alone gives the same as all at once.
    total: Floats = np.cumsum(values, axis=-1)[..., -1:]
    return total
