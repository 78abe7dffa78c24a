"""A generated market: every candle since 2017 is a function of (seed, symbol, index), computed from the day down to the minute.

Daily closes are a mean-reverting walk with a market factor and changing volatility. A day is split into 4h candles, these into 1h, 15m,
5m and 1m candles (refinement.py), so that every interval makes up the next exactly and a year of days costs no minutes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from domain.market import Interval, Market
from local.exchange.candles import QUOTE_DECIMALS, Candles, Integers, Listing, empty
from local.exchange.noise import Bits, Floats, bits, key, normal, uniform
from local.exchange.refinement import Noise, own_noise, split
from local.exchange.universe import profiles

_DAY = Interval.D1.milliseconds
_MINUTE = Interval.M1.milliseconds
_ORIGIN = 17_167
"""Day index of 2017-01-01."""
_TABLE_DAYS = 1_024
"""The table of days grows by multiples of this."""
_COUPLING = 0.85
"""Correlation of a symbol's moves within a day with the market's."""
_REVERSION, _VOLATILITY_MEMORY = 0.996, 0.95
_LARGEST_MOVE = 2.5
"""The furthest a price strays from its usual level, in natural logarithms."""

_PARTS = {Interval.H4: 6, Interval.H1: 4, Interval.M15: 4, Interval.M5: 3, Interval.M1: 5}
_ORDER = (Interval.M1, Interval.M5, Interval.M15, Interval.H1, Interval.H4, Interval.D1)
_BUSY_HOURS = np.array(
    [1.1, 1.0, 0.9, 0.8, 0.75, 0.7, 0.75, 0.85, 1.0, 1.0, 0.95, 0.95, 1.1, 1.45, 1.7, 1.65, 1.45, 1.25, 1.1, 1.0, 0.95, 0.9, 0.9, 1.0]
)
_RETURN, _VOLATILITY, _SHOCK, _TURNOVER, _WICKS = range(200, 205)


@dataclass(frozen=True, kw_only=True)
class _Days:
    """Per row and day since the origin; `closes` and `trade_ids` have one more column: they stand at the edges of days."""

    closes: Integers
    deviation: Floats
    volume: Integers
    trades: Integers
    trade_ids: Integers

    @property
    def count(self) -> int:
        return len(self.volume[0])


class GeneratedMarket:
    """An endless market of `symbols` symbols. The same seed gives the same market in every process."""

    kind = Market.SIMULATED
    intervals = _ORDER
    begins: int = _ORIGIN * _DAY
    ends = None

    def __init__(self, *, seed: int, symbols: int) -> None:
        self._profiles = profiles(symbols)
        self.listings: tuple[Listing, ...] = tuple(profile.listing for profile in self._profiles)
        self.keys: Bits = np.array([key(f"{seed}/{listing.symbol}") for listing in self.listings], dtype=np.uint64)
        self.units: Floats = np.array(
            [10.0 ** (QUOTE_DECIMALS - p.listing.price_decimals - p.listing.volume_decimals) for p in self._profiles]
        )
        self.listed_since: Integers = np.full(symbols, self.begins)
        self._market_key: Bits = np.array([key(f"{seed}/")], dtype=np.uint64)
        self._days = self._table(4 * _TABLE_DAYS)

    def first_index(self, interval: Interval) -> int:
        """Index of the interval's first candle: the one that opens with 2017."""
        return int(_ORIGIN * _DAY // interval.milliseconds)

    def candles(self, rows: Integers, interval: Interval, first: int, count: int) -> Candles:
        """The whole candles [first, first + count), shape [row, count]; what lies before 2017 is zero."""
        missing = min(max(0, self.first_index(interval) - first), count)
        known = self._known(rows, interval, first + missing, count - missing) if count > missing else empty((len(rows), 0))
        return Candles(np.concatenate([empty((len(rows), missing)).values, known.values], axis=-1)) if missing else known

    def _known(self, rows: Integers, interval: Interval, first: int, count: int) -> Candles:
        if interval is Interval.D1:
            return self._daily(rows, first - _ORIGIN, count)
        parts = _PARTS[interval]
        above = first // parts
        parents = self._known(rows, _ORDER[_ORDER.index(interval) + 1], above, (first + count - 1) // parts - above + 1)
        children = split(parents, self._noise(rows, interval, above, parents.shape[1]), self.units[rows], interval.milliseconds // _MINUTE)
        return children.columns(first - above * parts, first - above * parts + count)

    def _noise(self, rows: Integers, interval: Interval, first: int, count: int) -> Noise:
        parts, level = _PARTS[interval], _ORDER.index(interval)
        own = own_noise(self.keys[rows], level, first, count, parts)
        market = own_noise(self._market_key, level, first, count, parts)
        return Noise(
            steps=_COUPLING * market.steps + np.sqrt(1 - _COUPLING**2) * own.steps,
            activity=own.activity * np.sqrt(market.activity) * _season(interval, first * parts, count * parts).reshape(count, parts),
            upper=own.upper,
            lower=own.lower,
            lean=(own.lean + market.lean) / 2,
        )

    def _daily(self, rows: Integers, first: int, count: int) -> Candles:
        if first + count > self._days.count:
            self._days = self._table(-(-(first + count) // _TABLE_DAYS) * _TABLE_DAYS)
        days, wanted = self._days, slice(first, first + count)
        wicks = bits(self.keys[rows], _WICKS, first, count)
        opens, closes = days.closes[rows, wanted], days.closes[rows, first + 1 : first + count + 1]
        deviation = days.deviation[rows, wanted]
        values = empty((len(rows), count)).values
        values[0], values[3] = opens, closes
        values[1] = np.rint(np.maximum(opens, closes) * (1 + deviation * uniform(wicks, 0)))
        values[2] = np.maximum(1, np.rint(np.minimum(opens, closes) / (1 + deviation * uniform(wicks, 1))))
        values[4], values[6] = days.volume[rows, wanted], days.trades[rows, wanted]
        values[5] = values[0:4].sum(axis=0) * values[4] // 4 * self.units[rows, None].astype(np.int64)
        values[7] = np.rint(values[4] * (0.45 + 0.1 * uniform(wicks, 2)))
        values[8] = np.rint(values[5] * (values[7] / values[4]))
        values[9] = days.trade_ids[rows, wanted]
        return Candles(values)

    def _table(self, count: int) -> _Days:
        own, factor = self.keys, self._market_key
        shocks = 0.8 * normal(bits(factor, _VOLATILITY, 0, count)) + 0.6 * normal(bits(own, _VOLATILITY, 0, count))
        heat = _recursive(0.12 * shocks, _VOLATILITY_MEMORY)
        deviation = _per_row(profile.daily_deviation for profile in self._profiles) * np.exp(heat)
        jumps = np.where(uniform(bits(own, _SHOCK, 0, count), 0) < 0.01, 4.0, 1.0)
        moves = deviation * jumps * (0.75 * normal(bits(factor, _RETURN, 0, count)) + 0.66 * normal(bits(own, _RETURN, 0, count)))
        level = np.clip(_recursive(moves, _REVERSION), -_LARGEST_MOVE, _LARGEST_MOVE)
        usual = _per_row(profile.price * 10.0**profile.listing.price_decimals for profile in self._profiles)
        closes = np.maximum(20, np.rint(usual * np.exp(level))).astype(np.int64)
        turnover = self._turnover(heat + 4 * np.abs(moves), count)
        lots = _per_row(10.0 ** (p.listing.volume_decimals + p.listing.price_decimals) for p in self._profiles)
        trades = np.maximum(1440, turnover / (0.57 * turnover**0.35)).astype(np.int64)
        return _Days(
            closes=np.concatenate([closes[:, :1], closes], axis=1),
            deviation=deviation * jumps,
            volume=np.maximum(1440, np.rint(turnover * lots / closes)).astype(np.int64),
            trades=trades,
            trade_ids=np.concatenate([np.zeros((len(own), 1), dtype=np.int64), np.cumsum(trades, axis=1)], axis=1),
        )

    def _turnover(self, excitement: Floats, count: int) -> Floats:
        weekday = (_ORIGIN + np.arange(count) + 3) % 7
        mood = 0.6 + 0.8 * uniform(bits(self.keys, _TURNOVER, 0, count), 0)
        return (
            _per_row(p.daily_turnover for p in self._profiles) * mood * np.exp(np.minimum(excitement, 3)) * np.where(weekday >= 5, 0.7, 1.0)
        )


def _recursive(moves: Floats, memory: float) -> Floats:
    levels = np.empty_like(moves)
    level = np.zeros(moves.shape[0])
    for day in range(moves.shape[1]):
        level = memory * level + moves[:, day]
        levels[:, day] = level
    return levels


def _per_row(values: Iterable[float]) -> Floats:
    return np.array(list(values), dtype=np.float64)[:, None]


def _season(interval: Interval, first: int, count: int) -> Floats:
    hours = (first + np.arange(count)) * interval.milliseconds // Interval.H1.milliseconds % 24
    if interval is Interval.H4:
        return np.asarray(_BUSY_HOURS.reshape(6, 4).mean(axis=1)[hours // 4])
    return np.asarray(_BUSY_HOURS[hours]) if interval is Interval.H1 else np.ones(count)
