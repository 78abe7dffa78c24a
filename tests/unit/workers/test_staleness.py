"""Which symbols a trader may not match now: those whose candles are behind, but not those that merely do not trade."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from adapters.candle_store import CANDLE, CLOSED, INTERVAL_CODES, STATUS_CODES, CandleStore
from domain.market import Interval, SymbolStatus, epoch_milliseconds
from domain.tiers import LIMITS, Tier, TierLimits
from workers.staleness import Standings

NOW = epoch_milliseconds(datetime(2026, 1, 5, 12, 0, 10, tzinfo=UTC))
ELITE = LIMITS[Tier.ELITE]
SECOND = 1_000


def tell(store: CandleStore, row: int, interval: Interval, through: int, *, trades: float = 5.0, forming_at: int | None = None) -> None:
    """Closed candles of a row, the last with index `through`; and a forming one, last heard of at `forming_at`."""
    records = np.zeros(10 + (forming_at is not None), CANDLE)
    records["row"], records["interval"], records["trades"] = row, INTERVAL_CODES[interval], trades
    records["index"] = np.arange(through - 9, through - 9 + len(records))
    records["flags"][:10] = CLOSED
    records["event_time"] = (records["index"] + 1) * interval.milliseconds
    if forming_at is not None:
        records["event_time"][10] = forming_at
    store.frame(interval).apply(records)
    store.frame(interval).confirm(row, through - 9, through)


@pytest.fixture
def store() -> CandleStore:
    """Two symbols that have every candle that closed before NOW, and no trade since."""
    made = CandleStore()
    made.append(("BTCUSDT", "ETHUSDT"))
    for row in range(2):
        for interval in Interval:
            tell(made, row, interval, NOW // interval.milliseconds - 1)
    return made


def stale_at(store: CandleStore, as_of: int, *intervals: Interval, limits: TierLimits = ELITE, is_forming: bool = False) -> list[bool]:
    stale: list[bool] = Standings(store).at(as_of, intervals or (Interval.M1,), limits, is_forming=is_forming).stale.tolist()
    return stale


def test_a_symbol_without_trades_is_not_stale_before_its_next_candle_is_due(store: CandleStore) -> None:
    assert [False, False] == stale_at(store, NOW + 49 * SECOND, *Interval)


def test_a_candle_that_closed_a_moment_ago_may_still_come(store: CandleStore) -> None:
    boundary = NOW + 50 * SECOND

    assert [False, False] == stale_at(store, boundary + 15 * SECOND)
    assert [True, True] == stale_at(store, boundary + 15 * SECOND + 1)


def test_the_closed_candle_from_rest_makes_a_silent_symbol_fresh_again(store: CandleStore) -> None:
    later = NOW + 70 * SECOND
    tell(store, 0, Interval.M1, NOW // 60_000)

    assert [False, True] == stale_at(store, later)


def test_a_symbol_that_is_heard_may_lack_the_candles_its_tier_allows_and_no_more(store: CandleStore) -> None:
    index = NOW // 60_000
    for missing in (2, 3):
        heard = (index + missing) * 60_000 + 30 * SECOND
        tell(store, 0, Interval.M1, index - 1, forming_at=heard)
        store.frame(Interval.M1).as_of[0] = heard
        assert [missing > ELITE.stale_after_candles, True] == stale_at(store, heard)


def test_a_slower_tier_waits_longer(store: CandleStore) -> None:
    late = NOW + 50 * SECOND + 60 * SECOND

    assert [True, True] == stale_at(store, late)
    assert [False, False] == stale_at(store, late, limits=LIMITS[Tier.PRO])


def test_one_interval_that_the_filter_reads_is_enough(store: CandleStore) -> None:
    hour = NOW // 3_600_000
    later = (hour + 1) * 3_600_000 + 20 * SECOND
    for row in range(2):
        tell(store, row, Interval.M1, later // 60_000 - 1)
    tell(store, 0, Interval.H1, hour)

    assert [False, False] == stale_at(store, later, Interval.M1)
    assert [False, True] == stale_at(store, later, Interval.M1, Interval.H1)


@pytest.mark.parametrize("status", [SymbolStatus.BREAK, SymbolStatus.HALT, SymbolStatus.CANCEL_ONLY, SymbolStatus.ABSENT])
def test_a_symbol_that_is_not_traded_is_missing_and_not_stale(store: CandleStore, status: SymbolStatus) -> None:
    store.set_listing(np.array([STATUS_CODES[status], 0], np.uint8), store.rank)
    standing = Standings(store).at(NOW + 3600 * SECOND, (Interval.M1,), ELITE)

    assert ([False, True], [True, False]) == (standing.stale.tolist(), standing.missing.tolist())


def test_a_symbol_whose_past_is_not_told_yet_is_missing_and_not_stale(store: CandleStore) -> None:
    store.append(("NEWUSDT",))
    standing = Standings(store).at(NOW, (Interval.M1,), ELITE)

    assert ([False] * 3, [False, False, True]) == (standing.stale.tolist(), standing.missing.tolist())


def test_what_was_found_once_holds_only_until_the_market_changes(store: CandleStore) -> None:
    standings, later = Standings(store), NOW + 70 * SECOND
    first = standings.at(later, (Interval.M1,), ELITE)
    assert standings.at(later, (Interval.M1,), ELITE) is first

    tell(store, 1, Interval.M1, NOW // 60_000)
    assert [True, False] == standings.at(later, (Interval.M1,), ELITE).stale.tolist()
    assert [True, True] == standings.at(later + 60 * SECOND, (Interval.M1,), ELITE).stale.tolist()


def test_a_forming_candle_is_old_where_its_symbol_traded_and_its_stream_said_nothing(store: CandleStore) -> None:
    later = NOW + 300 * SECOND
    tell(store, 0, Interval.M1, later // 60_000 - 1)
    tell(store, 1, Interval.M1, later // 60_000 - 1, trades=0)

    assert [True, False] == stale_at(store, later, Interval.H1, is_forming=True)
    assert [False, False] == stale_at(store, later, Interval.M1, is_forming=True)
    assert [False, False] == stale_at(store, later, Interval.H1)


def test_a_forming_candle_that_was_heard_of_since_the_last_trades_is_not_old(store: CandleStore) -> None:
    later = NOW + 300 * SECOND
    tell(store, 0, Interval.M1, later // 60_000 - 1)
    store.frame(Interval.H1).as_of[0] = later - 59 * SECOND

    assert [False, False] == stale_at(store, later, Interval.H1, is_forming=True)
    assert timedelta(seconds=15) == ELITE.stale_after
