"""Which streams are silent though their symbol trades, and what to do about it.

Wall-clock time throughout: silence is ours, not the market's.
"""

import time
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import NamedTuple

import numpy as np

from adapters.candle_store import INTERVALS, Records
from domain.market import Interval

WIDTH = len(INTERVALS)
TOLERANCE = 1 / 18
"""Share of `silent_after` (5 s of 90) by which a stream may trail the others of its symbol: each is pushed every two seconds at most."""
PROOF = 1 / 9
"""Share of `silent_after` (10 s of 90) for which a stream must have trailed at every scan."""


class StreamLiveness:
    """When each stream, by row and interval code, was last heard, and whether its symbol has traded since.

    A symbol has traded when any of its streams pushed a forming candle with trades, or when REST told of a candle that had trades, opened
    after the stream's last frame and closed. Silence of a symbol that does not trade is no silence. `heard` costs well under a microsecond.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard_at: list[float] = []
        self._heard_event: list[int] = []
        self._traded_at: list[float] = []
        self._missed: set[int] = set()
        self._trailing_since = np.empty((0, WIDTH))

    def heard(self, row: int, interval_code: int, at: float, event_time: int, *, traded: bool) -> None:
        """A frame of this stream came at `at` (this clock) with the exchange's `event_time`; `traded`: it shows a trade."""
        key = row * WIDTH + interval_code
        if key >= len(self._heard_at):
            self._grow(row)
        self._heard_at[key] = at
        self._heard_event[key] = event_time
        if traded:
            self._traded_at[row] = at
        if self._missed:
            self._missed.discard(key)

    def repaired(self, row: int, interval: Interval, closed: Records, asked_at: int) -> None:
        """REST told of closed candles of a symbol; it was asked when the market's time was `asked_at`, epoch milliseconds."""
        self._grow(row)
        newest = interval.milliseconds * int(closed["index"][closed["trades"] > 0].max(initial=-1))
        for key in range(row * WIDTH, row * WIDTH + WIDTH):
            # A stream that was never heard could have been heard from the first repair on.
            self._heard_event[key] = self._heard_event[key] or asked_at
            if self._heard_event[key] <= newest:
                self._missed.add(key)

    def silent(self, silent_after: timedelta) -> list[tuple[int, int]]:
        """Row and interval code of each stream that has been silent for so long and longer though its symbol traded.

        To be asked every few seconds: that a stream trails the others of its symbol must hold for some of them.
        """
        limit, now = silent_after.total_seconds(), self._clock()
        heard, missed = np.array(self._heard_at).reshape(-1, WIDTH), np.zeros(len(self._heard_at), np.bool_)
        missed[list(self._missed)] = True
        trails = (np.array(self._traded_at)[:, None] - heard > TOLERANCE * limit) | missed.reshape(-1, WIDTH)
        self._trailing_since = np.where(trails, np.minimum(self._trailing_since, now), np.inf)
        silent = (now - heard >= limit) & (now - self._trailing_since >= PROOF * limit)
        return [(int(row), int(code)) for row, code in np.argwhere(silent)]

    def _grow(self, row: int) -> None:
        new = row + 1 - len(self._traded_at)
        if new > 0:
            self._heard_at += [self._clock()] * (new * WIDTH)
            self._heard_event += [0] * (new * WIDTH)
            self._traded_at += [-np.inf] * new
            self._trailing_since = np.concatenate((self._trailing_since, np.full((new, WIDTH), np.inf)))


class Remedy(NamedTuple):
    """What one connection needs: streams to subscribe to anew, and whether that has failed and the connection has to go."""

    renew: list[str]
    replace: bool


class Remedies:
    """Decides for one connection: a silent stream is subscribed to anew; if that does not help for as long again, the connection goes.

    Streams are given time from the moment the connection receives: `silent_after` seconds.
    """

    def __init__(self, silent_after: timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = silent_after.total_seconds()
        self._clock = clock
        self._begun_at = clock()
        self._renewed_at: dict[str, float] = {}

    def decide(self, silent: Collection[str]) -> Remedy:
        """What to do now about the streams of the connection that are silent now."""
        now = self._clock()
        if now - self._begun_at < self._seconds:
            return Remedy([], replace=False)
        self._renewed_at = {stream: at for stream, at in self._renewed_at.items() if stream in silent}
        new = [stream for stream in silent if stream not in self._renewed_at]
        has_failed = any(now - at >= self._seconds for at in self._renewed_at.values())
        self._renewed_at |= dict.fromkeys(new, now)
        return Remedy(new, has_failed)
