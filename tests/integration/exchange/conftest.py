"""Running exchanges on free ports, with a client each."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest

from local.exchange.clock import MarketClock
from local.exchange.generated import GeneratedMarket
from local.exchange.market import SimulatedMarket
from local.exchange.server import Exchange

START = 1_760_003_999_000
"""One second before an hour, in October 2025."""

Running = Callable[..., AbstractAsyncContextManager[tuple[Exchange, httpx.AsyncClient]]]


@pytest.fixture(scope="session")
def market() -> GeneratedMarket:
    """A generated market of 77 symbols; the last one, of the known assets, is not ASCII."""
    return GeneratedMarket(seed=3, symbols=77)


@pytest.fixture(scope="session")
def running(market: GeneratedMarket) -> Running:
    """Starts an exchange; by default held one second before a full hour. `options` are the Exchange's own."""

    @asynccontextmanager
    async def start(
        source: SimulatedMarket = market, *, at: int = START, speed: float = 1.0, held: bool = True, **options: Any
    ) -> AsyncIterator[tuple[Exchange, httpx.AsyncClient]]:
        clock = MarketClock(at, speed=speed, end=source.ends, held=held)
        async with (
            Exchange(source, clock, **options) as exchange,
            httpx.AsyncClient(base_url=f"http://{exchange.address}", trust_env=False, timeout=20) as client,
        ):
            yield exchange, client

    return start
