"""A market that is started again goes on where it was."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from local.exchange.clock import MarketClock
from local.exchange.kept_time import KEEP_SECONDS, KeptTime

START = 1_600_000_000_000


@pytest.fixture
def kept(tmp_path: Path) -> KeptTime:
    return KeptTime(tmp_path / "clock.json", "a market")


async def _followed(kept: KeptTime, clock: MarketClock) -> None:
    following = asyncio.create_task(kept.follow(clock))
    await asyncio.sleep(0.01)
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following


def test_a_market_without_kept_time_begins_at_its_start(kept: KeptTime) -> None:
    assert START == kept.after(START)


async def test_a_market_that_was_stopped_goes_on_where_it_was(kept: KeptTime) -> None:
    await _followed(kept, MarketClock(START + 5_000, held=True))
    assert START + 5_000 == kept.after(START)


async def test_a_market_never_goes_back_to_a_kept_time_before_its_start(kept: KeptTime) -> None:
    await _followed(kept, MarketClock(START, held=True))
    assert START + 1 == kept.after(START + 1)


async def test_what_a_killed_market_had_shown_does_not_happen_again(kept: KeptTime) -> None:
    clock = MarketClock(START, speed=60)
    following = asyncio.create_task(kept.follow(clock))
    await asyncio.sleep(0.05)
    assert kept.after(START) >= clock.now() + (KEEP_SECONDS - 0.05) * 60_000
    following.cancel()


async def test_another_market_begins_at_its_own_start(kept: KeptTime, tmp_path: Path) -> None:
    await _followed(kept, MarketClock(START + 5_000, held=True))
    assert START == KeptTime(tmp_path / "clock.json", "another market").after(START)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"market": "a market"}', '{"market": "a market", "time": "soon"}'])
def test_a_damaged_file_counts_for_nothing(kept: KeptTime, tmp_path: Path, content: str) -> None:
    (tmp_path / "clock.json").write_text(content)
    assert START == kept.after(START)
