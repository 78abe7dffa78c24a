"""An hour of the market in a minute while something breaks every few seconds: afterwards all is as if nothing had.

`python -m bench.feeder chaos --seed N` plays the same faults again, by default with 400 symbols.
"""

import pytest

from bench.market.chaos import run

pytestmark = pytest.mark.timeout(600)


async def test_every_closed_candle_is_the_exchange_s_and_was_evaluated_once_whatever_broke():
    outcome = await run(seed=20, symbols=24, seconds=60, compared=300)

    assert [] == outcome.problems
    assert [] == outcome.comparison.examples
    assert outcome.comparison.in_run >= 24 * 60
    assert all(verdict.evaluated >= 24 * 4 for verdict in outcome.verdicts.values())
    assert outcome.most_client_frames_per_second <= 5
