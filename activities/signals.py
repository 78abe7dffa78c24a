"""Signals are written once, whatever is retried."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from temporalio import activity

from activities.failures import as_activity_failure
from activities.ports import SignalStore
from domain.market import Interval, Market
from domain.screening import Match
from domain.signals import Signal, SignalStatus, signal_id

RECORD = "signals.record"
SET_STATUS = "signals.set_status"


@dataclass(frozen=True, kw_only=True)
class RecordSignalsInput:
    """New matches of one window."""

    trader_id: UUID
    trader_version: int
    user_id: UUID
    interval: Interval
    market: Market
    matches: tuple[Match, ...]


@dataclass(frozen=True, kw_only=True)
class RecordSignalsResult:
    """The signals that were not there before; those that were are left as they are."""

    recorded: tuple[UUID, ...]


@dataclass(frozen=True, kw_only=True)
class SetSignalStatusInput:
    """What became of a signal."""

    signal_id: UUID
    status: SignalStatus
    closed_at: datetime | None = None


class SignalActivities:
    """Writes signals."""

    def __init__(self, signals: SignalStore, on_recorded: Callable[[Market, int], None]) -> None:
        self._signals = signals
        self._on_recorded = on_recorded

    @activity.defn(name=RECORD)
    async def record(self, request: RecordSignalsInput) -> RecordSignalsResult:
        """Write the matches as signals."""
        signals = [
            Signal(
                id=signal_id(request.trader_id, match.symbol, request.interval, match.candle_open_time),
                trader_id=request.trader_id,
                trader_version=request.trader_version,
                user_id=request.user_id,
                interval=request.interval,
                market=request.market,
                match=match,
            )
            for match in request.matches
        ]
        with as_activity_failure():
            recorded = await self._signals.record(signals)
        self._on_recorded(request.market, len(recorded))
        return RecordSignalsResult(recorded=recorded)

    @activity.defn(name=SET_STATUS)
    async def set_status(self, request: SetSignalStatusInput) -> None:
        """Move a signal on."""
        with as_activity_failure():
            await self._signals.set_status(request.signal_id, request.status, request.closed_at)
