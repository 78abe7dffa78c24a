"""Whose turn it is in the replica's thread, with costs that are told and not measured."""

import asyncio
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any

import pytest

from adapters.fair_thread import HALF_LIFE, TURN, FairThread


@dataclass
class Stage:
    """A thread whose clocks stand still unless told otherwise, held back until everything is in its queues."""

    thread: FairThread = field(init=False)
    now: float = 0.0
    used: float = 0.0
    done: list[str] = field(default_factory=list)
    _gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.thread = FairThread("stage", clock=lambda: self.now, cpu_time=lambda: self.used)
        self.thread.submit(self._gate.wait, 10)

    def does(self, name: str, *costs: float) -> Generator[None, None, str]:
        """Work of so many turns, each of which costs so many seconds of CPU time."""
        for place, cost in enumerate(costs):
            if place:
                yield
            self.used += cost
            self.done.append(name)
        return name

    def updates(self) -> None:
        self.done.append("update")

    def perform(self, *submitting: Future[Any]) -> list[str]:
        """Let everything happen that was submitted, also by `submitting` works; what was done, in order."""
        self._gate.set()
        wait(submitting, timeout=10)
        self.thread.shutdown()
        return self.done


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_the_market_goes_before_users(stage: Stage) -> None:
    stage.thread.submit_for("ann", stage.does("ann", 1))
    stage.thread.submit(stage.updates)
    stage.thread.submit(stage.updates)

    assert ["update", "update", "ann"] == stage.perform()


def test_the_market_goes_between_two_turns_of_a_user(stage: Stage) -> None:
    def submits() -> Generator[None, None, None]:
        stage.done.append("first")
        stage.thread.submit(stage.updates)
        yield
        stage.done.append("second")

    assert ["first", "update", "second"] == stage.perform(stage.thread.submit_for("ann", submits()))


def test_a_users_many_works_delay_another_by_one(stage: Stage) -> None:
    for _ in range(1_000):
        stage.thread.submit_for("mallory", stage.does("mallory", 0.01))
    stage.thread.submit_for("ann", stage.does("ann", 0.01))

    done = stage.perform()

    assert 1 == done.index("ann")
    assert 1_000 == done.count("mallory")


def test_long_work_delays_others_by_a_turn(stage: Stage) -> None:
    stage.thread.submit_for("mallory", stage.does("mallory", *[0.1] * 5))
    stage.thread.submit_for("ann", stage.does("ann", 0.1))
    stage.thread.submit_for("bob", stage.does("bob", 0.1, 0.1))

    assert ["mallory", "ann", "bob", "mallory", "bob", "mallory", "mallory", "mallory"] == stage.perform()


def test_users_get_equal_time_not_equal_turns(stage: Stage) -> None:
    stage.thread.submit_for("dear", stage.does("dear", *[0.04] * 10))
    stage.thread.submit_for("cheap", stage.does("cheap", *[0.01] * 40))

    done = stage.perform()

    assert 10 == pytest.approx(done[:25].count("dear") * 2, abs=2)


def test_a_users_own_works_are_done_in_order_one_after_the_other(stage: Stage) -> None:
    for name in ("first", "second"):
        stage.thread.submit_for("ann", stage.does(name, 0.1, 0.1))

    assert ["first", "first", "second", "second"] == stage.perform()


def test_what_was_used_long_ago_counts_no_more(stage: Stage) -> None:
    def later() -> Generator[None, None, None]:
        stage.now += 10 * HALF_LIFE
        stage.thread.submit_for("bob", stage.does("bob", 0.01))
        stage.thread.submit_for("mallory", stage.does("mallory again", 0.01))
        stage.used += 0.02
        yield

    stage.thread.submit_for("mallory", stage.does("mallory", 1.0))

    assert ["mallory", "bob", "mallory again"] == stage.perform(stage.thread.submit_for("carol", later()))


def test_usage_stays_finite_over_a_year_and_the_order_with_it(stage: Stage) -> None:
    def year() -> Generator[None, None, None]:
        for _ in range(10_000):
            stage.now += 3_000
            stage.used += 0.001
            yield
        stage.thread.submit_for("mallory", stage.does("mallory", 0.1, 0.1))
        stage.thread.submit_for("ann", stage.does("ann", 0.01))

    assert ["mallory", "ann", "mallory"] == stage.perform(stage.thread.submit_for("carol", year()))


def test_a_turn_is_over_when_its_time_is_used_and_somebody_waits(stage: Stage) -> None:
    def asks() -> Generator[None, None, list[bool]]:
        answers = [stage.thread.turn_is_over()]
        stage.used += TURN
        answers.append(stage.thread.turn_is_over())
        stage.thread.submit(stage.updates)
        answers.append(stage.thread.turn_is_over())
        yield
        return [*answers, stage.thread.turn_is_over()]

    asked = stage.thread.submit_for("ann", asks())
    stage.perform(asked)

    assert [False, False, True, False] == asked.result()


def test_what_work_raises_is_raised_to_whoever_waits_and_others_go_on(stage: Stage) -> None:
    def fails() -> Generator[None, None, None]:
        yield
        raise ValueError("no")

    failing = stage.thread.submit_for("mallory", fails())
    stage.thread.submit_for("mallory", stage.does("next", 0.1))

    assert ["next"] == stage.perform()
    with pytest.raises(ValueError, match="no"):
        failing.result()


def test_cancelled_work_ends_before_its_next_turn(stage: Stage) -> None:
    closed: list[str] = []

    def goes_on() -> Generator[None, None, None]:
        try:
            while True:
                stage.done.append("turn")
                working.cancel()
                yield
        finally:
            closed.append("closed")

    working = stage.thread.submit_for("ann", goes_on())

    assert ["turn"] == stage.perform()
    assert ["closed"] == closed


def test_ending_at_once_leaves_out_what_has_not_begun(stage: Stage) -> None:
    waiting = [stage.thread.submit_for("ann", stage.does("ann", 1)), stage.thread.submit(stage.updates)]
    stage.thread.shutdown(wait=False, cancel_futures=True)

    assert [] == stage.perform()
    assert all(future.cancelled() for future in waiting)
    with pytest.raises(RuntimeError, match="stage has ended"):
        stage.thread.submit(stage.updates)


async def test_callers_wait_for_what_their_work_brings() -> None:
    thread = FairThread("callers")

    def adds(*numbers: int) -> Generator[None, None, int]:
        total = 0
        for number in numbers:
            total += number
            yield
        return total

    def name() -> str:
        return threading.current_thread().name

    sums = [thread.run(user, adds(*range(user))) for user in range(50)]
    called: Callable[[], str] = name

    assert [sum(range(user)) for user in range(50)] == await asyncio.gather(*sums)
    assert "callers" == await thread.call("ann", called)
    assert "callers" == await asyncio.get_running_loop().run_in_executor(thread, name)
    thread.shutdown()
