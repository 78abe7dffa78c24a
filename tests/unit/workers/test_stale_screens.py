"""Stale symbols are counted, named and not matched; the others go on."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest

from activities.ports import Outcome, ScreenRequest, TickResult
from adapters.candle_store import CANDLE, CLOSED, INTERVAL_CODES, STATUS_CODES, CandleStore
from adapters.feeder_client import MarketReplica
from domain.filters import FilterSpec, Trigger
from domain.market import Interval, Market, SymbolStatus, epoch_milliseconds, from_epoch_milliseconds
from domain.screening import Progress
from domain.tiers import LIMITS, Tier
from domain.traders import TraderSettings
from filters.evaluation import Evaluator
from workers.screens import ReplicaScreens

MINUTE = 60_000
START = epoch_milliseconds(datetime(2026, 1, 5, 12, 0, tzinfo=UTC))
NEWEST = START // MINUTE - 1
HISTORY = 800
SYMBOLS = ("ADAUSDT", "BTCUSDT", "ETHUSDT")
ALL = "match = close > 0"


class Stage:
    """A replica that is told its market by hand, and traders over it."""

    def __init__(self) -> None:
        self.replica = MarketReplica("ws://127.0.0.1:1", "not used")
        self.replica.market = Market.SIMULATED
        self.store: CandleStore = self.replica.store
        self.store.append(SYMBOLS)
        self.screens = ReplicaScreens(self.replica, Evaluator())
        for row in range(len(SYMBOLS)):
            self.close(row, NEWEST, count=HISTORY)
        self.at(START)

    def at(self, as_of: int) -> None:
        """The exchange's clock; data arrived just now."""
        self.replica.as_of = from_epoch_milliseconds(as_of)
        self.store.seq += 1

    def close(self, row: int, index: int, *, count: int = 1) -> None:
        self._tell(row, np.arange(index - count + 1, index + 1), CLOSED, (index + 1) * MINUTE)
        self.store.frame(Interval.M1).confirm(row, index - count + 1, index)

    def form(self, row: int, heard: int) -> None:
        self._tell(row, np.array([heard // MINUTE]), 0, heard)

    def _tell(self, row: int, index: np.ndarray, flags: int, event_time: int) -> None:
        records = np.zeros(len(index), CANDLE)
        records["row"], records["interval"], records["flags"] = row, INTERVAL_CODES[Interval.M1], flags
        records["index"], records["event_time"] = index, event_time
        for name in ("open", "high", "low", "close", "volume", "trades"):
            records[name] = 1.0
        self.store.frame(Interval.M1).apply(records)

    async def tick(self, trigger: Trigger = Trigger.CLOSE, progress: Progress | None = None, symbols: tuple[str, ...] = ()) -> TickResult:
        settings = TraderSettings(
            filter=FilterSpec(code=ALL, interval=Interval.M1, trigger=trigger), cadence=timedelta(seconds=5), symbols=symbols
        )
        request = ScreenRequest(trader_id=UUID(int=1), user_id=UUID(int=2), settings=settings, limits=LIMITS[Tier.ELITE])
        screen = await self.screens.open(request)
        return await screen.tick(progress or Progress())


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.replica.close()


def stale(result: TickResult) -> tuple[int, tuple[str, ...]]:
    return result.symbols_stale, result.stale_symbols


async def test_a_market_that_is_whole_has_no_stale_symbol(stage: Stage) -> None:
    result = await stage.tick()

    assert (Outcome.EVALUATED, 3, 0) == (result.outcome, result.symbols_processed, result.symbols_not_ready)
    assert (0, ()) == stale(result)
    assert set(SYMBOLS) == set(result.progress.matching)


async def test_a_close_trader_goes_on_without_the_symbol_that_lacks_candles_and_says_so(stage: Stage) -> None:
    before = (await stage.tick()).progress
    stage.close(1, NEWEST + 1)
    stage.close(2, NEWEST + 1)
    stage.at(START + MINUTE + 20_000)

    result = await stage.tick(progress=before)

    assert (True, Outcome.EVALUATED) == (result.evaluated, result.outcome)
    assert (3, 1) == (result.symbols_processed, result.symbols_not_ready)
    assert (1, ("ADAUSDT",)) == stale(result)
    assert {"ADAUSDT": NEWEST} == result.progress.behind


async def test_a_stale_symbol_is_told_at_ticks_that_evaluate_nothing_and_no_more_once_its_candle_came(stage: Stage) -> None:
    progress = (await stage.tick()).progress
    stage.close(1, NEWEST + 1)
    stage.close(2, NEWEST + 1)
    stage.at(START + MINUTE + 20_000)
    progress = (await stage.tick(progress=progress)).progress

    skipped = await stage.tick(progress=progress)
    stage.close(0, NEWEST + 1)
    caught_up = await stage.tick(progress=progress)

    assert (False, Outcome.EVALUATED, 1) == (skipped.evaluated, skipped.outcome, skipped.symbols_stale)
    assert (True, 0, 1) == (caught_up.evaluated, caught_up.symbols_stale, caught_up.symbols_processed)
    assert {} == caught_up.progress.behind


async def test_where_every_symbol_is_stale_the_tick_is(stage: Stage) -> None:
    progress = (await stage.tick()).progress
    stage.at(START + MINUTE + 20_000)

    result = await stage.tick(progress=progress)

    assert (False, Outcome.STALE, 3) == (result.evaluated, result.outcome, result.symbols_stale)
    assert progress == result.progress


async def test_a_tick_trader_does_not_match_on_a_forming_candle_whose_symbol_is_not_heard(stage: Stage) -> None:
    now = START + MINUTE + 20_000
    stage.close(1, NEWEST + 1)
    for row in range(3):
        stage.form(row, START + 1_000)
    for row in (1, 2):
        stage.form(row, now)
    stage.close(2, NEWEST + 1)
    stage.at(now)

    result = await stage.tick(Trigger.TICK)

    assert (1, ("ADAUSDT",)) == stale(result)
    assert (3, 1) == (result.symbols_processed, result.symbols_not_ready)
    assert {("BTCUSDT", Decimal(1)), ("ETHUSDT", Decimal(1))} == {(match.symbol, match.price) for match in result.matches}


async def test_a_stale_symbol_that_matched_is_not_new_when_it_is_back(stage: Stage) -> None:
    now = START + 5_000
    for row in range(3):
        stage.form(row, now)
    stage.at(now)
    first = await stage.tick(Trigger.TICK)
    later = START + MINUTE + 20_000
    for row in (1, 2):
        stage.close(row, NEWEST + 1)
        stage.form(row, later)
    stage.at(later)
    behind = await stage.tick(Trigger.TICK, first.progress)
    stage.close(0, NEWEST + 1)
    stage.form(0, later)
    stage.at(later + 100)
    back = await stage.tick(Trigger.TICK, behind.progress)

    assert (3, 0, 0) == (len(first.matches), len(behind.matches), len(back.matches))
    assert (0, 1, 0) == (first.symbols_stale, behind.symbols_stale, back.symbols_stale)
    assert SYMBOLS == behind.progress.matching


async def test_a_symbol_that_is_not_traded_is_not_ready_and_never_matched(stage: Stage) -> None:
    for row in range(3):
        stage.form(row, START + 1_000)
    stage.at(START + 1_000)
    status = np.array([STATUS_CODES[SymbolStatus.BREAK], 0, 0], np.uint8)
    stage.store.set_listing(status, stage.store.rank)

    result = await stage.tick(Trigger.TICK, symbols=("ADAUSDT", "BTCUSDT"))

    assert (2, 1, 0) == (result.symbols_processed, result.symbols_not_ready, result.symbols_stale)
    assert ["BTCUSDT"] == [match.symbol for match in result.matches]


async def test_many_stale_symbols_are_counted_and_only_the_first_named(stage: Stage) -> None:
    more = tuple(f"S{number:02}USDT" for number in range(20))
    stage.store.append(more)
    for row in range(3, 23):
        stage.close(row, NEWEST, count=HISTORY)
    stage.at(START + MINUTE + 20_000)

    result = await stage.tick()

    assert (23, 8) == (result.symbols_stale, len(result.stale_symbols))


async def test_a_stalled_market_is_one_condition_of_the_feeder_and_no_log_line_of_any_trader(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage.replica, "age", lambda: timedelta(minutes=3))
    progress = replace(Progress(), evaluated=NEWEST)
    with caplog.at_level(logging.INFO):
        ticks = await asyncio.gather(*(stage.tick(trigger, progress) for trigger in Trigger for _ in range(10)))

    assert {(False, Outcome.STALE, 0)} == {(tick.evaluated, tick.outcome, tick.symbols_stale) for tick in ticks}
    assert [] == caplog.records
