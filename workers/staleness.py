"""Which symbols cannot be looked at now, and why: staleness is data that every tick carries, not an exception and not a log line."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from adapters.candle_store import STATUS_CODES, CandleStore, IntervalCandles
from adapters.feeder_client import MarketReplica
from domain.market import Interval, SymbolStatus
from domain.tiers import TierLimits

Mask = NDArray[np.bool_]
"""Per row of the store."""
RESTORED_WITHIN = timedelta(seconds=60)
"""Symbols whose history is not back after this no longer hold up the others."""
_TRADING = STATUS_CODES[SymbolStatus.TRADING]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What may not be matched now."""

    stale: Mask
    """The symbol trades and its past is known, but it lacks candles that closed longer ago than the tier allows."""
    missing: Mask
    """The symbol is not traded now, or the exchange has not told its past yet."""

    @property
    def unready(self) -> Mask:
        """Both together."""
        return self.stale | self.missing


class Standings:
    """The standing of every row for each set of intervals and limits; computed once for all traders that ask at one moment."""

    def __init__(self, store: CandleStore) -> None:
        self._store = store
        self._moment: tuple[int, int, int] | None = None
        self._known: dict[tuple[object, ...], Standing] = {}

    def at(self, as_of: int, intervals: Iterable[Interval], limits: TierLimits, *, is_forming: bool = False) -> Standing:
        """When the exchange's clock shows `as_of` (epoch milliseconds), for a filter that reads these intervals.

        `is_forming`: it reads the forming candles, too. Then a symbol is also stale where one of them is old.
        """
        moment = (self._store.seq, as_of, len(self._store.symbols))
        if self._moment != moment:
            self._moment = moment
            self._known.clear()
        frames = [self._store.frame(interval) for interval in intervals]
        key = (is_forming, limits.stale_after, limits.stale_after_candles, *((frame.interval, frame.version) for frame in frames))
        standing = self._known.get(key)
        if standing is None:
            standing = self._known[key] = self._compute(as_of, frames, limits, is_forming=is_forming)
        return standing

    def _compute(self, as_of: int, frames: Iterable[IntervalCandles], limits: TierLimits, *, is_forming: bool) -> Standing:
        missing = self._store.status != _TRADING
        stale = np.zeros(len(missing), np.bool_)
        for frame in frames:
            missing = missing | (frame.closed_through < 0)
            stale |= _lacks_candles(frame, as_of, limits)
            if is_forming:
                stale |= _forming_is_old(self._store, frame, as_of, limits)
        return Standing(stale=stale & ~missing, missing=missing)


class Restoration:
    """After the replica met a feeder anew, the histories that a restarted feeder still fetches come back one by one."""

    def __init__(self, replica: MarketReplica) -> None:
        self._replica = replica
        self._synchronisation = 0
        self._since = 0.0

    def is_going_on(self) -> bool:
        """Whether the newest snapshot came less than RESTORED_WITHIN ago."""
        if self._replica.statistics.synchronisations != self._synchronisation:
            self._synchronisation, self._since = self._replica.statistics.synchronisations, time.monotonic()
        return time.monotonic() - self._since < RESTORED_WITHIN.total_seconds()


def _lacks_candles(frame: IntervalCandles, as_of: int, limits: TierLimits) -> Mask:
    """Rows that lack more closed candles than allowed, or one for longer than allowed while nothing newer was heard of the symbol.

    A symbol without trades lacks nothing: its closed candles come by repair, and its forming one does not change.
    """
    width = frame.interval.milliseconds
    lacking = as_of // width - 1 - frame.closed_through
    bound = as_of - limits.stale_after.total_seconds() * 1000
    is_overdue = (frame.closed_through + 2) * width < bound
    return (lacking > limits.stale_after_candles) | (is_overdue & (frame.as_of < bound))


def _forming_is_old(store: CandleStore, frame: IntervalCandles, as_of: int, limits: TierLimits) -> Mask:
    """Rows whose forming candle has not moved although the symbol has traded since: its stream is silent.

    The evidence is the newest closed minute: it had trades, and began after anything was heard of the forming candle.
    """
    minutes = store.frame(Interval.M1)
    newest = minutes.closed_through
    column = np.clip(newest - minutes.first_index, 0, None)
    has_traded = (newest >= minutes.first_index) & (minutes.columns["trades"][np.arange(len(newest)), column] > 0)
    is_later = newest * Interval.M1.milliseconds >= frame.as_of
    return has_traded & is_later & (frame.as_of < as_of - limits.stale_after.total_seconds() * 1000)
