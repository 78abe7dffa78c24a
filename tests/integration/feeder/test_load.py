"""The load bench in a minute: a real exchange, a real feeder, bursts, pauses, lost connections and a restart, and nothing is lost."""

import pytest

from bench.market.load import Profile, run

pytestmark = pytest.mark.timeout(360)
# Two connections; ten minutes of market time in one, so that candles of several intervals close.
PROFILE = Profile(
    symbols=152,
    speed=10,
    typical_rate=240,
    typical_seconds=12,
    busy_rate=440,
    busy_seconds=6,
    burst_every=4,
    pause_seconds=5,
    pinned=False,
    compared=300,
)


async def test_no_closed_candle_is_lost_under_load_and_the_exchange_s_limits_are_kept():
    outcome = await run(PROFILE)

    replica = outcome.comparisons["replica"]
    assert (0, 0, []) == (replica.lost, replica.wrong, replica.examples)
    assert replica.expected >= 152 * 6 * 250
    assert replica.in_run >= 152 * 8
    assert outcome.lacked_by_pausing_client == 0
    assert outcome.counters["clients_cut"] == 0
    assert outcome.counters["connections_lost"] >= 2
    assert 1 <= outcome.most_frames_sent_per_second <= 4
    assert outcome.most_client_frames_per_second <= 5
    assert 0 < outcome.most_weight_per_minute < outcome.weight_limit // 2
