"""What a window told of stale symbols is part of the trader's state, its report and its story."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from activities.screening import Ended, WindowResult
from domain.filters import FilterSpec
from domain.market import Interval, Market
from domain.screening import Progress
from domain.tiers import LIMITS, Tier
from domain.traders import Mode, TraderSettings
from workflows.contracts import TraderConfig, TraderState
from workflows.story import story_of
from workflows.trader_state import absorbed, report_of

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
CONFIG = TraderConfig(
    trader_id=UUID(int=1),
    user_id=UUID(int=2),
    instance_id=UUID(int=3),
    name="Bounce",
    version=1,
    mode=Mode.DEMO,
    tier=Tier.ELITE,
    settings=TraderSettings(filter=FilterSpec(code="match = close > 1", interval=Interval.M1), cadence=timedelta(seconds=5)),
    limits=LIMITS[Tier.ELITE],
)
FRESH = WindowResult(ended=Ended.ELAPSED, progress=Progress(), market=Market.SIMULATED, last_tick=NOON)


def stale(minutes: int, *symbols: str, count: int) -> WindowResult:
    return replace(FRESH, last_tick=NOON + timedelta(minutes=minutes), symbols_stale=count, stale_symbols=symbols)


def test_symbols_are_stale_since_the_first_window_that_told_so() -> None:
    state = absorbed(absorbed(TraderState(), stale(5, "ADAUSDT", count=1)), stale(10, "ADAUSDT", "BTCUSDT", count=2))
    report = report_of(CONFIG, state)

    assert (2, ("ADAUSDT", "BTCUSDT"), NOON + timedelta(minutes=5)) == (report.symbols_stale, report.stale_symbols, report.stale_since)


def test_once_they_are_back_nothing_is_said_of_them() -> None:
    state = absorbed(absorbed(TraderState(), stale(5, "ADAUSDT", count=1)), FRESH)

    assert (0, (), None) == (state.symbols_stale, state.stale_symbols, state.stale_since)
    assert "Stale" not in story_of(CONFIG, state)


def test_the_story_names_some_and_counts_the_others() -> None:
    story = story_of(CONFIG, absorbed(TraderState(), stale(5, "ADAUSDT", "BTCUSDT", count=40)))

    assert "- **Stale (40)** ADAUSDT, BTCUSDT and 38 more, since 2026-01-05 12:05:00 UTC" in story.splitlines()
