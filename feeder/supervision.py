"""Keeps the feeder's tasks alive: whatever ends one, it starts again."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import NoReturn

from domain.errors import UnavailableError
from feeder.statistics import FeederStatistics

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
HEALTHY_AFTER = 30.0
"""Seconds something must have gone well for its next failure to count as the first."""


class Backoff:
    """How long to wait before something is tried again: a random time up to a limit that begins at one second and doubles up to sixty."""

    def __init__(self, draw: Callable[[float, float], float] = random.uniform) -> None:
        self._draw = draw
        self._failures = 0

    def pause(self, went_well_for: float) -> float:
        """Seconds to wait after a failure that followed so many seconds without trouble."""
        self._failures = 0 if went_well_for > HEALTHY_AFTER else self._failures
        limit = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._failures, 10))
        self._failures += 1
        return self._draw(0, limit)


async def keep_running(name: str, work: Callable[[], Awaitable[object]], statistics: FeederStatistics) -> NoReturn:
    """Run `work` again whenever it ends, after a random pause that grows up to a minute."""
    backoff = Backoff()
    while True:
        started = time.monotonic()
        try:
            # In a task of its own: before Python 3.13 a task group whose child fails leaves its task looking cancelled for ever.
            await asyncio.ensure_future(work())
            logger.warning("%s ended", name)
        except (OSError, TimeoutError, UnavailableError) as error:
            logger.warning("%s ended: %s: %s", name, type(error).__name__, error)
        except Exception:
            logger.exception("%s failed", name)
        _raise_if_cancelled()
        statistics.task_restarts += 1
        await asyncio.sleep(backoff.pause(time.monotonic() - started))


def _raise_if_cancelled() -> None:
    # A task group whose child fails in the moment of its cancellation reports the failure and drops the cancellation.
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
