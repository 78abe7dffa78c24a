"""Tells the server that a long activity lives."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio import activity


@asynccontextmanager
async def heartbeating(details: Callable[[], object]) -> AsyncIterator[None]:
    """Heartbeat at half the activity's heartbeat timeout with the newest details, until the block ends."""
    timeout = activity.info().heartbeat_timeout
    if timeout is None:
        yield
        return
    task = asyncio.create_task(_beat(timeout / 2, details))
    try:
        yield
    finally:
        task.cancel()


async def _beat(every: timedelta, details: Callable[[], object]) -> None:
    while True:
        activity.heartbeat(details())
        await asyncio.sleep(every.total_seconds())
