"""How long to wait before a restart."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(kw_only=True)
class Backoff:
    """Waits that double from `first` to `longest`, and start over after a run that lasted `reset_after`."""

    first: timedelta = timedelta(milliseconds=500)
    longest: timedelta = timedelta(seconds=30)
    reset_after: timedelta = timedelta(seconds=60)
    failures: int = 0

    def next(self, healthy_for: timedelta) -> timedelta:
        """The wait after a run that was healthy for so long."""
        if healthy_for >= self.reset_after:
            self.failures = 0
        self.failures += 1
        return min(self.longest, self.first * (1 << min(self.failures - 1, 16)))
