"""What the activities need of the world. `workers/wiring.py` is the one place where these meet their adapters."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from domain.filter_failures import FilterCondition
from domain.filters import FilterFailure
from domain.market import Interval, Market
from domain.screening import Match, Progress
from domain.signals import Signal, SignalStatus
from domain.tiers import TierLimits
from domain.traders import InstanceStatus, Trader, TraderSettings, TraderStatus

STALE_NAMED = 8
"""So many stale symbols are named, so that results stay small in history; the others are counted."""


class Outcome(StrEnum):
    """How one evaluation ended."""

    EVALUATED = "evaluated"
    STALE = "stale"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A row of `cloud_execution_logs` before it is written: one evaluation of one trader's filter, with what it says of the filter."""

    instance_id: UUID
    trader_id: UUID
    trader_version: int
    interval: Interval
    started_at: datetime
    duration: timedelta
    outcome: Outcome
    market: Market
    symbols_processed: int
    symbols_not_ready: int
    signals_generated: int
    candle_open_time: datetime | None
    """The newest candle evaluated; `None` when nothing was."""
    candles: int
    """How many candles of the interval this evaluation covered: more than one when it caught up."""
    snapshot_seq: int
    data_age: timedelta
    symbols_stale: int = 0
    symbols_failed: int = 0
    error: str = ""
    failures: tuple[FilterFailure, ...] = ()
    """Grouped; counted in `trader_errors` when the row is written."""
    condition: FilterCondition | None = None
    """What `trader_conditions` says of the filter from this evaluation on; `None`: nothing keeps it from working."""


class TraderStore(Protocol):
    """Traders and their versions."""

    async def load(self, trader_id: UUID) -> Trader:
        """The trader as stored, with its owner's tier. Raises NotFoundError; FilterRefusedError where the stored filter makes no sense."""

    async def record_version(self, trader_id: UUID, version: int, deployed_at: datetime) -> None:
        """Keep this version's filter and strategy for ever. Repeating it changes nothing."""

    async def set_status(self, trader_id: UUID, status: TraderStatus, reason: str, since: datetime) -> None:
        """What the trader is doing, for the user to see. Raises NotFoundError when no row was changed."""


class SignalStore(Protocol):
    """Signals."""

    async def record(self, signals: Sequence[Signal]) -> tuple[UUID, ...]:
        """Write signals once; the ids of those that were new. A signal already there, from whatever source, stays as it is."""

    async def set_status(self, signal_id: UUID, status: SignalStatus, closed_at: datetime | None) -> None:
        """Move a signal on. Raises NotFoundError when no row was changed."""


class ExecutionLog(Protocol):
    """Evaluations, written in groups."""

    async def append(self, evaluations: Sequence[Evaluation]) -> None:
        """Return once every row is committed, with its failures and its condition.

        A row that is there already (trader, started_at) stays as it is, and says nothing a second time.
        """


class InstanceStore(Protocol):
    """A user's cloud instance."""

    async def save(
        self, user_id: UUID, instance_id: UUID, status: InstanceStatus, reason: str, traders: dict[str, int], at: datetime
    ) -> None:
        """Create or update the user's one live row; `traders` counts its traders by status."""


class TraderLauncher(Protocol):
    """Starts and messages trader workflows."""

    async def start(self, trader: Trader, instance_id: UUID, limits: TierLimits) -> None:
        """Start the trader's workflow; where it runs already, hand it the stored version."""

    async def signal(self, trader_id: UUID, name: str, reason: str) -> bool:
        """Send `pause`, `resume` or `stop`. False when no such workflow runs."""


@dataclass(frozen=True, kw_only=True)
class ScreenRequest:
    """One trader's view of the market."""

    trader_id: UUID
    user_id: UUID
    """Whose filter it is: users share the engines fairly, and nothing of one is shown to another."""
    settings: TraderSettings
    limits: TierLimits


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """How fresh the market data is now."""

    market: Market
    as_of: datetime | None
    """The exchange's time of the newest data; `None` before any arrived."""
    age: timedelta
    """Wall-clock time since data last arrived from the exchange."""
    seq: int


@dataclass(frozen=True, kw_only=True)
class TickResult:
    """What one tick found. `evaluated` false means there was nothing new to evaluate (a cheap skip)."""

    evaluated: bool
    outcome: Outcome
    progress: Progress
    freshness: Freshness
    matches: tuple[Match, ...] = ()
    dropped_matches: int = 0
    """New matches beyond the tier's number per candle."""
    candles: int = 0
    missed_candles: int = 0
    """Candles that can no longer be evaluated because the outage was longer than the history kept."""
    newest_candle: datetime | None = None
    symbols_processed: int = 0
    symbols_not_ready: int = 0
    """Stale ones included."""
    symbols_stale: int = 0
    """Symbols that trade and whose candles are further behind than the tier allows; told at every tick, also when nothing was evaluated."""
    stale_symbols: tuple[str, ...] = ()
    """The first STALE_NAMED of them."""
    symbols_failed: int = 0
    """Symbols for which the filter failed."""
    failures: tuple[FilterFailure, ...] = ()
    """How the filter failed, also where it did so for some symbols only. None although the outcome is FAILED: it could not be run, which
    is no fault of its own; `error` says why."""
    duration: timedelta = timedelta()
    error: str = ""
    conditions: dict[str, int] = field(default_factory=dict)
    """How many symbols meet each labelled condition at the newest candle."""


class Screen(Protocol):
    """One trader's filter over the worker's replica of the market."""

    async def changed(self) -> None:
        """Return when closed candles this trader's filter reads, that were not there at the last tick, have arrived and settled."""

    async def tick(self, progress: Progress) -> TickResult:
        """Evaluate what `progress` has not seen yet. Never raises for a filter that fails: that is an outcome."""

    def freshness(self) -> Freshness:
        """How fresh the replica is."""


class ScreenFactory(Protocol):
    """Opens screens on the worker's replica of the market."""

    async def open(self, request: ScreenRequest) -> Screen:
        """Raises FilterRefusedError for a filter that does not compile, RefusedError for a symbol the market does not have,
        UnavailableError while no market data has arrived yet."""
