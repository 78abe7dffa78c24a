"""A signal: a recorded match a user can act on."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

from domain.market import Interval, Market
from domain.screening import Match

SIGNAL_NAMESPACE = UUID("6d1c3c52-58a1-5c0f-9a3c-0c2f6c2f7b11")


class SignalStatus(StrEnum):
    """What became of a signal so far."""

    NEW = "new"
    ANALYZING = "analyzing"
    MONITORING = "monitoring"
    READY = "ready"
    IN_POSITION = "in_position"
    CLOSED = "closed"
    EXPIRED = "expired"
    REJECTED = "rejected"


@dataclass(frozen=True, kw_only=True)
class Signal:
    """A row of `signals` before it is written."""

    id: UUID
    trader_id: UUID
    trader_version: int
    user_id: UUID
    interval: Interval
    market: Market
    match: Match


def signal_id(trader_id: UUID, symbol: str, interval: Interval, candle_open_time: datetime) -> UUID:
    """The same match always has the same id, so that a retry or a second window cannot write it twice."""
    return uuid5(SIGNAL_NAMESPACE, f"{trader_id}/{symbol}/{interval}/{candle_open_time.isoformat()}")
