"""The grid traders tick on."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.cadence import next_due, phase_of
from domain.market import EPOCH

moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  (hypothesis wants naive bounds)
cadences = st.timedeltas(timedelta(seconds=1), timedelta(hours=1))


@given(moments, cadences, st.uuids())
def test_the_next_tick_is_on_the_grid_and_within_one_cadence(now: datetime, cadence: timedelta, trader: UUID) -> None:
    phase = phase_of(trader, cadence)
    due = next_due(now, cadence, phase)

    assert timedelta() < due - now <= cadence
    assert (due - EPOCH - phase) % cadence == timedelta()


@given(cadences, st.uuids())
def test_a_trader_keeps_its_phase_within_its_cadence(cadence: timedelta, trader: UUID) -> None:
    assert timedelta() <= phase_of(trader, cadence) < cadence
    assert phase_of(trader, cadence) == phase_of(UUID(str(trader)), cadence)


def test_traders_are_spread_over_the_cadence() -> None:
    cadence = timedelta(seconds=5)
    seconds = {phase_of(UUID(int=number * 7_919_000_003), cadence) // timedelta(seconds=1) for number in range(200)}

    assert {0, 1, 2, 3, 4} == seconds


def test_missed_ticks_are_not_made_up_for() -> None:
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)

    assert next_due(long_ago + timedelta(minutes=7, seconds=1), timedelta(seconds=5), timedelta(seconds=2)) == long_ago + timedelta(
        minutes=7, seconds=2
    )
