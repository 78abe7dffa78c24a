"""What goes into and comes out of the workflows and their messages. A public contract: fields are only ever added, with defaults."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from domain.filter_failures import FilterCondition
from domain.filters import FilterFailure
from domain.market import Interval
from domain.screening import Progress
from domain.tiers import Tier, TierLimits
from domain.traders import InstanceStatus, Mode, Trader, TraderSettings, TraderStatus


@dataclass(frozen=True, kw_only=True)
class TraderConfig:
    """One version of a deployed trader, with what its owner's tier allowed when it was handed over."""

    trader_id: UUID
    user_id: UUID
    instance_id: UUID
    name: str
    version: int
    mode: Mode
    tier: Tier
    settings: TraderSettings
    limits: TierLimits

    @classmethod
    def of(cls, trader: Trader, instance_id: UUID, limits: TierLimits) -> Self:
        """The stored trader as its workflow takes it."""
        return cls(
            trader_id=trader.id,
            user_id=trader.user_id,
            instance_id=instance_id,
            name=trader.name,
            version=trader.version,
            mode=trader.mode,
            tier=trader.tier,
            settings=trader.settings,
            limits=limits,
        )


@dataclass(frozen=True, kw_only=True)
class TraderTotals:
    """Counts since the trader was deployed."""

    windows: int = 0
    ticks: int = 0
    evaluations: int = 0
    candles: int = 0
    missed_candles: int = 0
    signals: int = 0
    dropped_matches: int = 0
    unmonitored_signals: int = 0
    stale_ticks: int = 0
    failed_evaluations: int = 0
    """For every symbol, or not made at all."""
    evaluations_failed_in_part: int = 0


@dataclass(frozen=True, kw_only=True)
class TraderState:
    """All that a trader carries from run to run."""

    status: TraderStatus = TraderStatus.RUNNING
    reason: str = ""
    since: datetime | None = None
    progress: Progress = field(default_factory=Progress)
    totals: TraderTotals = field(default_factory=TraderTotals)
    conditions: dict[str, int] = field(default_factory=dict)
    last_tick: datetime | None = None
    last_candle: datetime | None = None
    as_of: datetime | None = None
    data_age: timedelta = timedelta()
    market: str = ""
    symbols: int = 0
    not_ready: int = 0
    recent_signals: tuple[str, ...] = ()
    """The last few, as lines for people."""
    events: tuple[str, ...] = ()
    """The last few things out of the ordinary, as lines for people."""
    open_monitors: tuple[UUID, ...] = ()
    recorded_status: tuple[str, str] = ("", "")
    """Status and reason as last written to the database."""
    symbols_stale: int = 0
    """Symbols that trade and whose candles are further behind than the tier allows."""
    stale_symbols: tuple[str, ...] = ()
    """The first few of them."""
    stale_since: datetime | None = None
    """The first tick since which there have always been some, as far as the windows told."""
    condition: FilterCondition | None = None
    """What keeps the filter from working, as the last evaluation told."""
    condition_since: datetime | None = None
    symbols_failed: int = 0
    failures: tuple[FilterFailure, ...] = ()
    """The first few of the last evaluation."""
    failures_in_a_row: int = 0
    """Evaluations that failed for every symbol, without a good one after them."""


@dataclass(frozen=True, kw_only=True)
class TraderInput:
    """Starts or continues a trader."""

    config: TraderConfig
    state: TraderState = field(default_factory=TraderState)


@dataclass(frozen=True, kw_only=True)
class TraderReport:
    """Answer to the `status` query."""

    trader_id: UUID
    name: str
    version: int
    tier: Tier
    status: TraderStatus
    reason: str
    since: datetime | None
    matching: tuple[str, ...]
    conditions: dict[str, int]
    totals: TraderTotals
    last_tick: datetime | None
    last_candle: datetime | None
    as_of: datetime | None
    data_age: timedelta
    market: str
    symbols: int
    not_ready: int
    baseline_candle: datetime | None
    recent_signals: tuple[str, ...]
    events: tuple[str, ...]
    open_monitors: int
    symbols_stale: int = 0
    stale_symbols: tuple[str, ...] = ()
    stale_since: datetime | None = None
    condition: FilterCondition | None = None
    condition_since: datetime | None = None
    symbols_failed: int = 0
    failures: tuple[FilterFailure, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunNowResult:
    """What the tick that was asked for found."""

    matching: tuple[str, ...]
    new_signals: int
    last_tick: datetime | None
    condition: FilterCondition | None = None
    """What keeps the filter from working."""


@dataclass(frozen=True, kw_only=True)
class SignalMonitorInput:
    """A signal to follow."""

    signal_id: UUID
    trader_id: UUID
    user_id: UUID
    symbol: str
    interval: Interval
    expires_at: datetime
    tier: Tier = Tier.ELITE
    mode: Mode = Mode.DEMO


@dataclass(frozen=True, kw_only=True)
class DeployInput:
    """A trader of this user, as stored."""

    trader_id: UUID


@dataclass(frozen=True, kw_only=True)
class DeployResult:
    """Where the trader runs."""

    workflow_id: str
    version: int


@dataclass(frozen=True, kw_only=True)
class WithdrawInput:
    """A trader to take out of the cloud."""

    trader_id: UUID
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class InstanceState:
    """All that an instance carries from run to run."""

    status: InstanceStatus = InstanceStatus.PROVISIONING
    reason: str = ""
    traders: dict[str, str] = field(default_factory=dict)
    """Status by trader id."""


@dataclass(frozen=True, kw_only=True)
class InstanceInput:
    """Starts or continues a user's instance."""

    user_id: UUID
    instance_id: UUID
    state: InstanceState = field(default_factory=InstanceState)
