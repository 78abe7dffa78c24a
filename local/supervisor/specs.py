"""What the supervisor is told about a process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from local.supervisor.health import HealthCheck


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """One process: a service that runs until it is stopped, or, without a health check, a step that runs once to its end."""

    name: str
    argv: tuple[str, ...]
    health: HealthCheck | None = None
    depends_on: tuple[str, ...] = ()
    """Names of those that must be ready before each start of this one."""
    environment: Mapping[str, str] = field(default_factory=dict)
    grace: timedelta = timedelta(seconds=10)
    """How long it may take to stop after SIGTERM before it is killed."""
    starts_within: timedelta = timedelta(seconds=60)
    """How long a service may take to become healthy before it is restarted."""
    silent_for: timedelta = timedelta(seconds=20)
    """How long a service that was healthy may not answer before it is restarted."""
    unhealthy_for: timedelta = timedelta(seconds=20)
    """How long it may answer that it is not healthy before it is restarted."""
    attempts: int = 5
    """How often a step is tried. A service is tried for ever."""
    done_file: Path | None = None
    """A step is skipped once this file exists; it is written when the step succeeds."""
    url: str = ""
    """Where a person looks at it."""

    @property
    def is_step(self) -> bool:
        """Whether it runs once to its end."""
        return self.health is None


def require_start_order(specs: Sequence[ProcessSpec]) -> None:
    """Raise ValueError unless every process stands after all that it depends on, and no two share a name."""
    known: set[str] = set()
    for spec in specs:
        if spec.name in known:
            raise ValueError(f"two processes are called {spec.name}")
        missing = set(spec.depends_on) - known
        if missing:
            raise ValueError(f"{spec.name} depends on {', '.join(sorted(missing))}, which must stand before it")
        known.add(spec.name)
