"""What a simulated market is to the rest of the exchange, wherever its candles come from."""

from typing import Protocol

import numpy as np

from domain.market import Interval, Market
from local.exchange.candles import Candles, Integers, Listing, merge, running
from local.exchange.noise import Bits, Floats
from local.exchange.refinement import own_noise, split

_WITHIN_BASE = 99
"""The noise purpose of what happens inside a base candle."""


class SimulatedMarket(Protocol):
    """Candles of every symbol at every time, past or future: what has closed by now is for the caller to decide."""

    @property
    def kind(self) -> Market:
        """Generated or recorded."""

    @property
    def listings(self) -> tuple[Listing, ...]:
        """The symbols; a symbol's place here is its row everywhere."""

    @property
    def keys(self) -> Bits:
        """A 64-bit key for each row."""

    @property
    def units(self) -> Floats:
        """For each row, what one lot at a price of one tick costs, in 10^-8 of the quote asset."""

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """What is offered, smallest first; the first one is the base every other is made of."""

    @property
    def begins(self) -> int:
        """Epoch milliseconds before which there are no candles."""

    @property
    def listed_since(self) -> Integers:
        """For each row, when its first candle opens; epoch milliseconds."""

    @property
    def ends(self) -> int | None:
        """Epoch milliseconds at which the market ends; `None` for never."""

    def first_index(self, interval: Interval) -> int:
        """Index of the interval's first whole candle."""

    def candles(self, rows: Integers, interval: Interval, first: int, count: int) -> Candles:
        """The whole candles [first, first + count), shape [row, count]. What lies outside the market is zero."""


def every_row(market: SimulatedMarket) -> Integers:
    """All rows of the market."""
    return np.arange(len(market.listings))


def open_part(market: SimulatedMarket, rows: Integers, interval: Interval, base_index: int) -> Candles | None:
    """The interval's candle that is open when base candle `base_index` begins, as made of closed ones; `None` when it begins there too."""
    base = market.intervals[0]
    if interval is base:
        return None
    smaller = market.intervals[market.intervals.index(interval) - 1]
    size = interval.milliseconds // smaller.milliseconds
    reached = base_index * base.milliseconds // smaller.milliseconds
    first = reached - reached % size
    closed = market.candles(rows, smaller, first, reached - first)
    part: Candles | None = None
    for column in range(reached - first):
        part = merge(part, closed.at(column))
    begun = open_part(market, rows, smaller, base_index)
    return part if begun is None else merge(part, begun)


def forming(market: SimulatedMarket, rows: Integers, base_index: int, base: Candles) -> Candles:
    """Base candles (shape [row]) second by second as they form; shape [row, second], the last one being the whole candle."""
    seconds = market.intervals[0].milliseconds // 1000
    parents = Candles(base.values[..., None])
    return running(split(parents, own_noise(market.keys[rows], _WITHIN_BASE, base_index, 1, seconds), market.units[rows], least=0))


def open_candle(market: SimulatedMarket, rows: Integers, interval: Interval, now: int) -> Candles | None:
    """The interval's candle that is open at market time `now`, shape [row]; `None` when the market has ended with a closed one."""
    base = market.intervals[0]
    index, elapsed = divmod(now, base.milliseconds)
    part = open_part(market, rows, interval, index)
    if market.ends is not None and now >= market.ends:
        return part
    begun = market.candles(rows, base, index, 1).at(0)
    return merge(part, formed(begun, forming(market, rows, index, begun), elapsed // 1000))


def formed(base: Candles, seconds: Candles, elapsed: int) -> Candles:
    """What base candles are after that many seconds: at first nothing but a price."""
    if elapsed > 0:
        return seconds.at(min(elapsed, seconds.shape[1]) - 1)
    values = np.zeros_like(base.values)
    values[0:4], values[9] = base.open, base.first_trade
    return Candles(values)
