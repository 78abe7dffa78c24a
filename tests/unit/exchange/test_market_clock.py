"""The market clock."""

import asyncio

from local.exchange.clock import MarketClock


class Monotonic:
    """A monotonic clock that stands where it is put."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_market_time_advances_at_its_speed():
    monotonic = Monotonic()
    clock = MarketClock(1_000, speed=60, monotonic=monotonic)
    monotonic.seconds += 2

    assert clock.now() == 121_000


def test_a_held_clock_stands_still_and_goes_on_from_there():
    monotonic = Monotonic()
    clock = MarketClock(5_000, held=True, monotonic=monotonic)
    monotonic.seconds += 50
    held_at = clock.now()
    clock.start()
    monotonic.seconds += 1

    assert (held_at, clock.now()) == (5_000, 6_000)


def test_a_change_of_speed_does_not_jump():
    monotonic = Monotonic()
    clock = MarketClock(0, speed=10, monotonic=monotonic)
    monotonic.seconds += 1
    clock.set_speed(100)
    at_change = clock.now()
    monotonic.seconds += 1

    assert (at_change, clock.now()) == (10_000, 110_000)


def test_the_clock_stops_at_the_end_of_the_market():
    monotonic = Monotonic()
    clock = MarketClock(0, end=3_000, monotonic=monotonic)
    monotonic.seconds += 10

    assert (clock.now(), clock.finished) == (3_000, True)


async def test_waiting_on_a_held_clock_ends_once_it_was_started_and_time_has_come():
    clock = MarketClock(0, speed=1_000, held=True)
    waiting = asyncio.create_task(clock.wait_until(20_000))
    await asyncio.sleep(0.05)
    waited_while_held = not waiting.done()
    clock.start()
    async with asyncio.timeout(5):
        await waiting

    assert waited_while_held
    assert clock.now() >= 20_000
