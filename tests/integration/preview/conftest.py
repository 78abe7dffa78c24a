"""A simulated exchange whose clock stands still, on a free port."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from local.exchange.clock import MarketClock
from local.exchange.generated import GeneratedMarket
from local.exchange.server import Exchange

NOW = 1_760_003_999_000
"""One second before an hour, in October 2025."""
Running = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture(scope="session")
def exchange() -> Running:
    """Starts an exchange of a few generated symbols; gives its address. `options` are the Exchange's own."""
    markets: dict[int, GeneratedMarket] = {}

    @asynccontextmanager
    async def start(seed: int = 3, at: int = NOW, **options: Any) -> AsyncIterator[str]:
        market = markets.setdefault(seed, GeneratedMarket(seed=seed, symbols=6))
        async with Exchange(market, MarketClock(at, speed=1.0, end=None, held=True), **options) as running:
            yield f"http://{running.address}"

    return start
