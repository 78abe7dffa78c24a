"""What is wrong with the market data now and since when: each is told once when it begins and once when it ends, and holds meanwhile."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

logger = logging.getLogger(__name__)

STALLED_AFTER = timedelta(seconds=15)
"""Wall-clock time: older data is stale for the tier that asks most."""
SKEW_TOLERATED = timedelta(seconds=1)


class Condition(StrEnum):
    """What an operator has to know. docs/market-data.md says what to do about each."""

    MARKET_STALLED = "market_stalled"
    EXCHANGE_PAUSED_US = "exchange_paused_us"
    CONNECTIONS_DOWN = "connections_down"
    HISTORIES_INCOMPLETE = "histories_incomplete"
    CLOCK_SKEWED = "clock_skewed"

    @property
    def is_unhealthy(self) -> bool:
        """Whether traders may be without current candles; otherwise it is only to be known."""
        return self not in (Condition.HISTORIES_INCOMPLETE, Condition.CLOCK_SKEWED)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the conditions are judged by. Durations are wall-clock time."""

    silence: timedelta
    """How long the exchange has sent nothing."""
    minutes: int
    """1m histories of symbols that trade and whose past is known."""
    minutes_behind: int
    """Those of them that lack a candle that has closed."""
    refusal: str
    """Why the exchange does not want to be asked now, and until when; empty while it may be."""
    connections: int
    connections_open: int
    histories: int
    """Of symbols that trade."""
    histories_without_past: int
    remaining: timedelta | None
    """How long their backfill takes at the present pace; `None` while that is not known."""
    clock_offset: timedelta | None
    """The exchange's clock less ours; `None` where the market keeps a time of its own."""


@dataclass(frozen=True, kw_only=True)
class Holding:
    """A condition that holds."""

    condition: Condition
    since: datetime
    message: str


@dataclass(frozen=True)
class _Cause:
    """Brings about a condition once it has been so for `patience`, and keeps up one that holds. `told` is empty while it is not so."""

    condition: Condition
    patience: timedelta
    told: Callable[[Facts], str]


def _silent(facts: Facts) -> str:
    return f"the exchange has sent nothing for more than {STALLED_AFTER.seconds} s" if facts.silence > STALLED_AFTER else ""


def _mostly_behind(facts: Facts) -> str:
    is_so = 2 * facts.minutes_behind > facts.minutes
    return f"{facts.minutes_behind} of {facts.minutes} symbols lack 1m candles that have closed" if is_so else ""


def _refused(facts: Facts) -> str:
    return facts.refusal


def _down(facts: Facts) -> str:
    is_so = facts.connections_open < facts.connections
    return f"{facts.connections - facts.connections_open} of {facts.connections} connections to the exchange are not open" if is_so else ""


def _incomplete(facts: Facts) -> str:
    if not facts.histories_without_past:
        return ""
    left = f", about {facts.remaining.total_seconds():.0f} s left" if facts.remaining is not None else ""
    return f"{facts.histories_without_past} of {facts.histories} histories are still to be fetched{left}"


def _skewed(facts: Facts) -> str:
    offset = facts.clock_offset
    if offset is None or abs(offset) <= SKEW_TOLERATED:
        return ""
    return f"the exchange's clock is {abs(offset).total_seconds():.1f} s {'ahead of' if offset > timedelta() else 'behind'} ours"


_CAUSES = (
    _Cause(Condition.MARKET_STALLED, timedelta(), _silent),
    _Cause(Condition.MARKET_STALLED, STALLED_AFTER, _mostly_behind),
    _Cause(Condition.EXCHANGE_PAUSED_US, timedelta(), _refused),
    _Cause(Condition.CONNECTIONS_DOWN, timedelta(seconds=10), _down),
    _Cause(Condition.HISTORIES_INCOMPLETE, timedelta(seconds=2), _incomplete),
    _Cause(Condition.CLOCK_SKEWED, timedelta(seconds=10), _skewed),
)


class Conditions:
    """The conditions that hold, judged anew each time `examine` is called; one line in the log for each beginning and each end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._true_since: dict[_Cause, float] = {}
        self._holding: dict[Condition, Holding] = {}

    @property
    def holding(self) -> tuple[Holding, ...]:
        """Those that hold now, gravest first."""
        return tuple(self._holding[condition] for condition in Condition if condition in self._holding)

    @property
    def is_healthy(self) -> bool:
        """Whether none holds that keeps current candles from traders."""
        return not any(condition.is_unhealthy for condition in self._holding)

    def holds(self, condition: Condition) -> bool:
        """Whether it holds now."""
        return condition in self._holding

    def examine(self, facts: Facts) -> None:
        """Judge by what is so now."""
        told = self._told(facts)
        for condition in Condition:
            before, message = self._holding.get(condition), told.get(condition)
            if message is not None:
                self._hold(condition, message, before)
            elif before is not None:
                del self._holding[condition]
                lasted = datetime.now(UTC) - before.since
                logger.info("%s has ended after %.0f s", condition, lasted.total_seconds(), extra={"condition": condition})

    def _told(self, facts: Facts) -> dict[Condition, str]:
        now, told = self._clock(), dict[Condition, str]()
        for cause in _CAUSES:
            message = cause.told(facts)
            if not message:
                self._true_since.pop(cause, None)
            elif now - self._true_since.setdefault(cause, now) >= cause.patience.total_seconds() or cause.condition in self._holding:
                told.setdefault(cause.condition, message)
        return told

    def _hold(self, condition: Condition, message: str, before: Holding | None) -> None:
        since = before.since if before else datetime.now(UTC)
        self._holding[condition] = Holding(condition=condition, since=since, message=message)
        if before is None:
            level = logging.WARNING if condition is not Condition.HISTORIES_INCOMPLETE else logging.INFO
            logger.log(level, "%s: %s", condition, message, extra={"condition": condition})
