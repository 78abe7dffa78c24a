"""What a process is doing, for people to see."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol


class State(StrEnum):
    """Where a process is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    UNHEALTHY = "unhealthy"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(kw_only=True)
class ProcessStatus:
    """The present state of one process. The supervisor writes it, displays read it."""

    name: str
    url: str = ""
    state: State = State.WAITING
    detail: str = ""
    pid: int | None = None
    restarts: int = 0
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When it came into this state."""
    took: timedelta | None = None
    """How long the last start took until it was healthy, or a step until it was done."""


class Display(Protocol):
    """Shows processes to a person."""

    def watch(self, statuses: Sequence[ProcessStatus]) -> None:
        """These processes there are, in this order; they change as time goes by."""

    def changed(self, status: ProcessStatus) -> None:
        """The process came into another state."""

    def failed(self, status: ProcessStatus, reason: str, tail: Sequence[str]) -> None:
        """The process ended or lost its health; `tail` is the last it said."""

    def say(self, text: str) -> None:
        """Tell the person something."""

    def refresh(self) -> None:
        """A second has passed."""
