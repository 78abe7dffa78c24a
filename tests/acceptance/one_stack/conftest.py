"""One running stack for all tests of this folder: each has users and traders of its own, and takes its traders out of the cloud."""

from collections.abc import AsyncIterator

import pytest

from tests.acceptance.backend import Backend
from tests.acceptance.running_stack import RunningStack, small_stack

SPEED = "40"


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[RunningStack]:
    async with small_stack(MARKET_SPEED=SPEED) as stack:
        yield stack


@pytest.fixture(scope="session")
async def backend(stack: RunningStack) -> AsyncIterator[Backend]:
    async with Backend(stack) as backend:
        await backend.market_is_complete()
        yield backend
