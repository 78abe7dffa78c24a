"""A worker refuses to open a screen for a filter that is too large for the trader's tier."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from activities.ports import ScreenRequest
from adapters.feeder_client import MarketReplica
from domain.errors import FilterRefusedError
from domain.filters import FilterSpec
from domain.market import Interval, Market
from domain.tiers import LIMITS, Tier
from domain.traders import TraderSettings
from filters.evaluation import Evaluator
from workers.screens import ReplicaScreens

LARGE = "match = " + " + ".join(f"rsi(close, {n})" for n in range(2, 27)) + " > 0"


async def opened(tier: Tier) -> bool:
    replica = MarketReplica("ws://127.0.0.1:1", "not used")
    replica.market, replica.as_of = Market.SIMULATED, datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
    settings = TraderSettings(filter=FilterSpec(code=LARGE, interval=Interval.M1), cadence=timedelta(seconds=5))
    request = ScreenRequest(trader_id=UUID(int=1), user_id=UUID(int=2), settings=settings, limits=LIMITS[tier])
    try:
        return bool(await ReplicaScreens(replica, Evaluator()).open(request))
    finally:
        replica.close()


async def test_a_filter_is_measured_against_the_limits_of_its_trader() -> None:
    assert await opened(Tier.ELITE)
    with pytest.raises(FilterRefusedError, match="25 different indicators and your tier allows 24"):
        await opened(Tier.PRO)
