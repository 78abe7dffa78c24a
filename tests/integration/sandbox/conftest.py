"""Real jailed processes."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest_asyncio

from adapters.sandbox.pool import Pool
from adapters.sandbox.process import Request
from tests.integration.sandbox.hostile_host import LIMITS

HOSTILE_HOST = (str(Path(__file__).parent / "hostile_host.py"),)
CPU_PER_REQUEST = timedelta(milliseconds=150)


def python_pool(**options: int) -> Pool:
    """Jailed processes that run whatever Python they are sent."""
    return Pool(HOSTILE_HOST, LIMITS, cpu_per_request=CPU_PER_REQUEST, **options)


def python(code: str, owner: str = "attacker") -> Request:
    """A request for such a process."""
    return Request(owner=owner, body=code.encode())


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def jailed() -> AsyncIterator[Pool]:
    """One for all tests that do not look at its inside."""
    async with python_pool() as pool:
        yield pool
