"""A trader: a user's screening rule and what to do when it matches."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from domain.filters import FilterSpec
from domain.tiers import Tier


class TraderStatus(StrEnum):
    """What a deployed trader is doing."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    ERROR = "error"


class InstanceStatus(StrEnum):
    """What a user's set of cloud traders is doing."""

    PROVISIONING = "provisioning"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    ERROR = "error"


class Mode(StrEnum):
    """Simulated or real money."""

    DEMO = "demo"
    LIVE = "live"


@dataclass(frozen=True, kw_only=True)
class TraderSettings:
    """How a trader runs: one version of its configuration."""

    filter: FilterSpec
    cadence: timedelta
    symbols: tuple[str, ...] = ()
    """Symbols to screen; empty means the market's, by 24 h quote volume up to the tier's number."""
    signal_initial: bool = False
    """Whether what already matches at the first evaluation becomes a signal."""


@dataclass(frozen=True, kw_only=True)
class Trader:
    """A trader as stored: who owns it, and its newest version."""

    id: UUID
    user_id: UUID
    name: str
    version: int
    mode: Mode
    tier: Tier
    """The owner's tier now."""
    settings: TraderSettings
