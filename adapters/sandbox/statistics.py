"""What became of the requests to a pool."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from adapters.sandbox.watch import Ending


@dataclass
class Statistics:
    """Since the pool was opened, and now."""

    endings: Counter[Ending] = field(default_factory=Counter)
    busy: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Processor seconds by owner."""
    started: int = 0
    """Processes."""
    replaced: int = 0
    """Processes that died, were ended or were worn."""
    running: int = 0
    waiting: int = 0
    suspended: int = 0
    """Owners that pause now."""
