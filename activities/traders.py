"""Traders as the database knows them, and the starting and messaging of their workflows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from temporalio import activity

from activities.failures import as_activity_failure
from activities.ports import TraderLauncher, TraderStore
from domain.errors import NotFoundError
from domain.tiers import LIMITS, TierLimits
from domain.traders import Trader, TraderStatus

LOAD = "traders.load"
START = "traders.start"
SIGNAL = "traders.signal"
SET_STATUS = "traders.set_status"


@dataclass(frozen=True, kw_only=True)
class LoadTraderInput:
    """Which trader, and who must own it."""

    trader_id: UUID
    user_id: UUID


@dataclass(frozen=True, kw_only=True)
class LoadTraderResult:
    """The trader, and what its owner's tier allows now."""

    trader: Trader
    limits: TierLimits


@dataclass(frozen=True, kw_only=True)
class StartTraderInput:
    """A trader that was loaded and found good."""

    trader: Trader
    limits: TierLimits
    instance_id: UUID
    at: datetime


@dataclass(frozen=True, kw_only=True)
class SignalTraderInput:
    """`pause`, `resume` or `stop`."""

    trader_id: UUID
    name: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class SignalTraderResult:
    """Whether there was a workflow to take it."""

    delivered: bool


@dataclass(frozen=True, kw_only=True)
class SetTraderStatusInput:
    """What the trader does now, for its owner to see."""

    trader_id: UUID
    status: TraderStatus
    reason: str
    since: datetime


class TraderActivities:
    """Loads, starts and messages traders."""

    def __init__(self, traders: TraderStore, launcher: TraderLauncher) -> None:
        self._traders = traders
        self._launcher = launcher

    @activity.defn(name=LOAD)
    async def load(self, request: LoadTraderInput) -> LoadTraderResult:
        """The stored trader. Somebody else's trader is as good as none."""
        with as_activity_failure():
            trader = await self._traders.load(request.trader_id)
            if trader.user_id != request.user_id:
                raise NotFoundError(f"There is no trader {request.trader_id}, or it belongs to somebody else.")
            return LoadTraderResult(trader=trader, limits=LIMITS[trader.tier])

    @activity.defn(name=START)
    async def start(self, request: StartTraderInput) -> None:
        """Keep the version for ever, then start its workflow. Where one runs already it takes over the version."""
        with as_activity_failure():
            await self._traders.record_version(request.trader.id, request.trader.version, request.at)
            await self._launcher.start(request.trader, request.instance_id, request.limits)

    @activity.defn(name=SIGNAL)
    async def signal(self, request: SignalTraderInput) -> SignalTraderResult:
        """Send the trader's workflow a Temporal signal."""
        with as_activity_failure():
            return SignalTraderResult(delivered=await self._launcher.signal(request.trader_id, request.name, request.reason))

    @activity.defn(name=SET_STATUS)
    async def set_status(self, request: SetTraderStatusInput) -> None:
        """Show what the trader does."""
        with as_activity_failure():
            await self._traders.set_status(request.trader_id, request.status, request.reason, request.since)
