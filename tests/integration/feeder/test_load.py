"""The load bench in a minute: a real exchange, a real feeder, bursts, pauses, lost connections and a restart, and nothing is lost."""

import pytest

from bench.market.load import Profile, run

pytestmark = pytest.mark.timeout(600)
# Ten minutes of market time in one, so that candles of several intervals close.
SYMBOLS = 60
PROFILE = Profile(
    symbols=SYMBOLS,
    speed=10,
    typical_rate=100,
    typical_seconds=12,
    busy_rate=180,
    busy_seconds=6,
    burst_every=4,
    pause_seconds=5,
    pinned=False,
    compared=300,
)


async def test_no_closed_candle_is_lost_under_load_and_the_exchange_s_limits_are_kept():
    outcome = await run(PROFILE)

    assert [] == outcome.problems
    assert [] == outcome.comparisons["replica"].examples
    assert outcome.comparisons["replica"].expected >= SYMBOLS * 6 * 250
    assert outcome.comparisons["replica"].in_run >= SYMBOLS * 8
    assert outcome.counters["connections_lost"] >= 1
    assert outcome.most_frames_sent_per_second >= 1
    assert outcome.most_weight_per_minute > 0
