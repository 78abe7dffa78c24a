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
"""Seconds a task must have run for its next failure to count as the first."""


async def keep_running(name: str, work: Callable[[], Awaitable[object]], statistics: FeederStatistics) -> NoReturn:
    """Run `work` again whenever it ends, after a random pause that doubles up to a minute."""
    failures = 0
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
        failures = 1 if time.monotonic() - started > HEALTHY_AFTER else failures + 1
        await asyncio.sleep(random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures, 10))))


def _raise_if_cancelled() -> None:
    # A task group whose child fails in the moment of its cancellation reports the failure and drops the cancellation.
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
