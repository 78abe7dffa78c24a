"""Keeps all REST requests of this process within a share of the weight Binance allows per minute and address."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

BURST_SECONDS = 2.0
"""How much of its share may be spent at once."""
PROBE_SECONDS = 10.0
"""After a refusal one request goes alone; when nothing comes of it for so long, another goes."""
LONGEST_DOUBLED_PAUSE = 300.0
LONGEST_PAUSE = 3 * 86_400.0
"""Seconds; bans last up to three days."""
LONGEST_SLEEP = 0.25
PATIENCE_SECONDS, GIVE_WAY_SECONDS = 1.0, 0.05
"""Backfill lets pressing requests go first, for so long; looking again every so often."""


class Lane(StrEnum):
    """How pressing a request is."""

    URGENT = "urgent"
    """Small calls on which others wait: the time, the listing, a candle that did not come."""
    BACKFILL = "backfill"


SHARES = {Lane.URGENT: 0.5, Lane.BACKFILL: 0.4}
"""What this process spends at most in any 60 seconds: backfill alone, and all together."""
CEILINGS = {Lane.URGENT: 0.8, Lane.BACKFILL: 0.5}
"""Used by the whole address in the exchange's minute, this lane stops until the next one: others (execution, a browser) need weight too."""


@dataclass(frozen=True, kw_only=True)
class LimiterState:
    """`limit` and `used` are weights per minute of the exchange, `used` by the whole address. `reason` is empty while nothing is paused."""

    limit: int
    used: int
    paused_until: datetime | None
    """When backfill may go on."""
    reason: str
    is_refused: bool = False
    """Whether the exchange asked for the pause; otherwise it is our own budget."""


class _Bucket:
    """Lets weight through evenly, with a small burst, and never more than a share of the limit in any 60 seconds."""

    def __init__(self, share: float, clock: Callable[[], float]) -> None:
        self._share = share
        self._clock = clock
        self._counted_at = clock()
        self._available = math.inf

    def set_limit(self, limit_per_minute: int) -> None:
        self._per_second = limit_per_minute * self._share / (60 + BURST_SECONDS)
        self._burst = self._per_second * BURST_SECONDS

    def delay(self, weight: int) -> float:
        now = self._clock()
        self._available = min(self._burst, self._available + (now - self._counted_at) * self._per_second)
        self._counted_at = now
        # A request heavier than the burst may go when the burst is full, and leaves a debt.
        return (min(weight, self._burst) - self._available) / self._per_second

    def spend(self, weight: int) -> None:
        self._available -= weight


class WeightLimiter:
    """Paces requests in two lanes, the pressing ones first but never alone, and stops them all when the exchange refuses one.

    Backfill spends at most 40 % of the limit in any minute, everything together at most 50 %. Once the exchange has refused, nobody asks
    for as long as it says, then one request alone; refused again, the pause doubles.
    """

    def __init__(
        self,
        limit_per_minute: int = 6_000,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._turns = {lane: asyncio.Lock() for lane in Lane}
        self._buckets = {lane: _Bucket(share, clock) for lane, share in SHARES.items()}
        self._lane_resumes_at = dict.fromkeys(Lane, 0.0)
        self._resumes_at = 0.0
        self._reason = ""
        self._refusals = 0
        self._is_probing = False
        self._used = 0
        self._minute_ends_at = 0.0
        self.set_limit(limit_per_minute)

    def set_limit(self, limit_per_minute: int) -> None:
        """Take over the weight per minute that exchangeInfo declares."""
        self._limit = limit_per_minute
        for bucket in self._buckets.values():
            bucket.set_limit(limit_per_minute)

    async def acquire(self, weight: int, lane: Lane) -> None:
        """Return when a request of this weight may be sent; within a lane first come, first served."""
        async with self._turns[lane]:
            impatient_at = self._clock() + PATIENCE_SECONDS
            while (delay := max(self.delay(weight, lane), self._courtesy(lane, impatient_at))) > 0:  # noqa: ASYNC110 - time must pass
                # A pause may end early and the limit may rise meanwhile.
                await asyncio.sleep(min(delay, LONGEST_SLEEP))
            self._spend(weight, lane)

    def delay(self, weight: int, lane: Lane) -> float:
        """Seconds until a request of this weight may be sent, as far as is known now."""
        resumes_at = max(self._resumes_at, self._lane_resumes_at[lane])
        return max(resumes_at - self._clock(), *(bucket.delay(weight) for bucket in self._buckets_of(lane)), 0.0)

    def report(self, used_weight: int, exchange_time: float) -> None:
        """Take note of the weight used by the whole address in the exchange's minute, which `exchange_time` (epoch seconds) lies in."""
        self._used = used_weight
        self._minute_ends_at = self._clock() + 60 - exchange_time % 60
        for lane, ceiling in CEILINGS.items():
            if used_weight >= self._limit * ceiling:
                self._lane_resumes_at[lane] = self._minute_ends_at

    def allow(self) -> None:
        """A request was answered. After a refusal, everybody may go on once the one that went alone was."""
        if self._is_probing:
            self._is_probing = False
            self._refusals = 0
            self._resumes_at = 0.0

    def refuse(self, seconds: float, reason: str) -> float:
        """The exchange demands that nobody asks for so long.

        Returns the pause that begins with this, longer the more often in a row it happens; zero for a request that was under way when one
        before it was refused.
        """
        begins = self._is_probing or self._clock() >= self._resumes_at
        if begins:
            self._is_probing = False
            self._refusals += 1
            self._resumes_at = 0.0
        doubled = min(LONGEST_DOUBLED_PAUSE, seconds * 2.0 ** min(self._refusals - 1, 10))
        pause = min(LONGEST_PAUSE, max(seconds, doubled))
        self._resumes_at = max(self._resumes_at, self._clock() + pause)
        self._reason = reason
        return pause if begins else 0.0

    def state(self) -> LimiterState:
        """How much is used and whether anything is paused. May be called from another thread."""
        now = self._clock()
        resumes_at = max(self._resumes_at, self._lane_resumes_at[Lane.BACKFILL])
        used = self._used if now < self._minute_ends_at else 0
        if resumes_at <= now:
            return LimiterState(limit=self._limit, used=used, paused_until=None, reason="")
        is_refused = self._resumes_at > now and self._refusals > 0
        reason = self._reason if is_refused else f"{used} of {self._limit} weight is used in this minute"
        until = datetime.fromtimestamp(self._wall_clock() + resumes_at - now, UTC)
        return LimiterState(limit=self._limit, used=used, paused_until=until, reason=reason, is_refused=is_refused)

    def _courtesy(self, lane: Lane, impatient_at: float) -> float:
        gives_way = lane is Lane.BACKFILL and self._turns[Lane.URGENT].locked() and self._clock() < impatient_at
        return GIVE_WAY_SECONDS if gives_way else 0.0

    def _spend(self, weight: int, lane: Lane) -> None:
        for bucket in self._buckets_of(lane):
            bucket.spend(weight)
        if self._refusals:
            self._is_probing = True
            self._resumes_at = self._clock() + PROBE_SECONDS

    def _buckets_of(self, lane: Lane) -> tuple[_Bucket, ...]:
        return tuple(self._buckets[name] for name in dict.fromkeys((lane, Lane.URGENT)))
