"""Owners that pause."""

from datetime import timedelta

import pytest

from adapters.sandbox.suspensions import FORGIVEN_AFTER, LONGEST_PAUSE, Suspensions
from tests.unit.sandbox.test_turns import Clock


def pauses(suspensions: Suspensions, clock: Clock, offences: int) -> list[float]:
    """The pause after each of so many offences, one as soon as the last pause is over."""
    found = []
    for _ in range(offences):
        suspensions.offend("a")
        found.append(suspensions.remaining("a").total_seconds())
        clock.now += found[-1]
    return found


def test_the_first_offence_is_free_and_then_pauses_double_up_to_the_longest() -> None:
    clock = Clock()

    assert [0, 1, 2, 4, 8, 16, 32] == pauses(Suspensions(clock), clock, 7)


def test_a_pause_ends_by_itself() -> None:
    clock = Clock()
    suspensions = Suspensions(clock)
    pauses(suspensions, clock, 3)

    assert timedelta() == suspensions.remaining("a")
    assert 0 == suspensions.current()


def test_others_do_not_pause() -> None:
    clock = Clock()
    suspensions = Suspensions(clock)
    suspensions.offend("a")
    suspensions.offend("a")

    assert timedelta(seconds=1) == suspensions.remaining("a")
    assert timedelta() == suspensions.remaining("b")
    assert 1 == suspensions.current()


@pytest.mark.parametrize(("peace", "pause"), [(0.9, 8), (1.0, 4), (2.5, 2), (4.0, 0), (100.0, 0)])
def test_an_offence_is_forgiven_for_each_time_of_peace(peace: float, pause: float) -> None:
    clock = Clock()
    suspensions = Suspensions(clock)
    for _ in range(4):
        suspensions.offend("a")
    clock.now += peace * FORGIVEN_AFTER.total_seconds()
    suspensions.offend("a")

    assert timedelta(seconds=pause) == suspensions.remaining("a")


def test_whoever_never_stops_pauses_no_longer_than_the_longest() -> None:
    clock = Clock()
    suspensions = Suspensions(clock)
    for _ in range(1_100):
        suspensions.offend("a")

    assert LONGEST_PAUSE == suspensions.remaining("a")
