"""Hostile browser filters in the real sandbox: each ends within its limits, and another user's filter gets its answer all the same."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from domain.filters import FailureKind
from domain.market import Interval
from filters.frames import COLUMNS, TICKER_FIELDS
from filters.javascript.contract import CANDLES, JavaScriptFilter, Verdicts, View, Window
from tests.integration.sandbox.hostile_filters import HOSTILE
from workers.filter_sandbox import ROWS_AT_ONCE, FilterSandbox

SHORT, LONG = timedelta(milliseconds=60), timedelta(seconds=20)
"""For filters that use up all the time they get, and for all others, which a busy machine must not end."""
ROWS = 6
CONTROL = """
const rsi = helpers.getLatestRSI(klines, 14), macd = helpers.getLatestMACD(klines);
return { match: rsi < 50, conditions: [rsi.toFixed(9), macd.macd.toFixed(9), ticker.s, String(klines.length)] };
"""


def a_filter(code: str) -> JavaScriptFilter:
    return JavaScriptFilter(code=code, interval=Interval.M5)


def a_view(rows: int = ROWS) -> View:
    """Candles that are the same in every run."""
    random = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, (rows, CANDLES)), axis=1))
    values = np.repeat(close[:, None, :], len(COLUMNS), axis=1)
    windows = {Interval.M5: Window(first_index=np.full(rows, 5_000_000, np.int64), values=np.ascontiguousarray(values))}
    return View(symbols=tuple(f"C{row}USDT" for row in range(rows)), windows=windows, tickers=np.ones((rows, len(TICKER_FIELDS))))


VIEW = a_view()


def outcome(verdicts: Verdicts) -> str:
    """How all symbols ended alike, in one word."""
    kinds = {failure.kind for failure in verdicts.failures}
    if verdicts.matched.any() or len(kinds) > 1 or verdicts.failed.any() != verdicts.failed.all():
        return f"matched {verdicts.matched.tolist()}, failed {verdicts.failed.tolist()}: {verdicts.failures}"
    return kinds.pop() if kinds else "nothing"


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextlib.contextmanager
def allowing(sandbox: FilterSandbox, time: timedelta) -> Iterator[None]:
    sandbox._allowed, before = time, sandbox._allowed
    try:
        yield
    finally:
        sandbox._allowed = before


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sandbox() -> AsyncIterator[FilterSandbox]:
    """Its processes are ended after little processor time, so that what V8 cannot end does not take long."""
    async with FilterSandbox(allowed=timedelta(milliseconds=500)) as opened:
        yield opened


async def control(sandbox: FilterSandbox, user: str) -> tuple[list[bool], dict[int, tuple[str, ...]]]:
    with allowing(sandbox, LONG):
        verdicts = await sandbox.evaluate(user, a_filter(CONTROL), VIEW)
    assert () == verdicts.failures
    return verdicts.matched.tolist(), dict(verdicts.conditions)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def undisturbed() -> tuple[list[bool], dict[int, tuple[str, ...]]]:
    """What the control filter says in a sandbox that has seen nothing else."""
    async with FilterSandbox() as fresh:
        matched, conditions = await control(fresh, "control")
    assert 0 < sum(matched) < ROWS, "the control must say more than yes or no"
    return matched, conditions


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_filter_ends_within_its_limits_and_harms_nobody(
    sandbox: FilterSandbox, undisturbed: tuple[list[bool], dict[int, tuple[str, ...]]], name: str
) -> None:
    code, expected = HOSTILE[name]
    descriptors = open_descriptors()

    with allowing(sandbox, SHORT if "timeout" in expected else LONG):
        verdicts = await sandbox.evaluate(f"attacker {name}", a_filter(code), VIEW)

    assert outcome(verdicts) in expected
    assert undisturbed == await control(sandbox, "bystander")
    assert open_descriptors() <= descriptors + 8


@pytest.mark.parametrize("name", [name for name, (_, expected) in HOSTILE.items() if expected == {"nothing"}])
async def test_what_one_trader_leaves_another_of_the_same_user_does_not_find(
    sandbox: FilterSandbox, undisturbed: tuple[list[bool], dict[int, tuple[str, ...]]], name: str
) -> None:
    with allowing(sandbox, LONG):
        await sandbox.evaluate("one user", a_filter(HOSTILE[name][0]), VIEW)

    assert undisturbed == await control(sandbox, "one user")


MEMORY_BOMBS = {
    "on the heap": "const a = []; for (;;) a.push(new Array(1000).fill(1.5))",
    "of strings": "const a = []; for (let i = 0; ; i++) a.push('x'.repeat(1000) + i)",
    "beside the heap": "const a = []; for (;;) a.push(new Uint8Array(2 ** 24).fill(1))",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def patient() -> AsyncIterator[FilterSandbox]:
    """It lets filters run until they meet another limit than that of time."""
    async with FilterSandbox(allowed=LONG) as opened:
        yield opened


@pytest.mark.parametrize("bomb", MEMORY_BOMBS)
async def test_memory_ends_before_the_machine_s_does(patient: FilterSandbox, bomb: str) -> None:
    verdicts = await patient.evaluate(f"attacker {bomb}", a_filter(MEMORY_BOMBS[bomb]), VIEW)

    assert outcome(verdicts) in {FailureKind.MEMORY, FailureKind.RUNTIME}


async def test_what_a_filter_says_is_cut(sandbox: FilterSandbox) -> None:
    code = "return { match: true, conditions: Array.from({ length: 1000 }, (_, i) => i + 'c'.repeat(1000)) }"
    with allowing(sandbox, LONG):
        verdicts = await sandbox.evaluate("talker", a_filter(code), VIEW)

    assert verdicts.matched.all()
    assert {32} == {len(said) for said in verdicts.conditions.values()}
    assert 500 >= max(len(text) for said in verdicts.conditions.values() for text in said)


async def test_more_rows_than_fit_a_request_are_all_asked(sandbox: FilterSandbox) -> None:
    rows = ROWS_AT_ONCE + 3
    code = f"return ticker.s === 'C{rows - 1}USDT' || 7;"
    with allowing(sandbox, LONG):
        verdicts = await sandbox.evaluate("of many rows", a_filter(code), a_view(rows))

    assert [rows - 1] == np.flatnonzero(verdicts.matched).tolist()
    assert [("contract", rows - 1, "C0USDT")] == [(failure.kind, failure.symbols, failure.symbol) for failure in verdicts.failures]


async def test_of_more_rows_than_fit_a_request_no_other_is_run_after_one_that_had_to_be_ended(sandbox: FilterSandbox) -> None:
    with allowing(sandbox, SHORT):
        verdicts = await sandbox.evaluate("endless with many rows", a_filter("for (;;) {}"), a_view(ROWS_AT_ONCE + 3))

    assert [("timeout", ROWS_AT_ONCE + 3)] == [(failure.kind, failure.symbols) for failure in verdicts.failures]
    assert verdicts.failed.all()


async def test_after_all_of_it_nothing_of_the_host_has_changed(sandbox: FilterSandbox) -> None:
    """Whatever is left runs jailed, and nothing else was started."""
    statistics = sandbox.statistics()

    assert 0 == statistics.running == statistics.waiting
    assert sandbox.report is not None
    assert () == sandbox.report.possible


async def test_a_user_who_attacks_again_and_again_pauses_while_others_go_on(
    undisturbed: tuple[list[bool], dict[int, tuple[str, ...]]],
) -> None:
    async with FilterSandbox(allowed=SHORT) as sandbox:
        attacks = [await sandbox.evaluate("attacker", a_filter("for (;;) {}"), VIEW) for _ in range(3)]

        assert ["timeout", "timeout", "suspended"] == [outcome(verdicts) for verdicts in attacks]
        assert "They pause for " in attacks[2].failures[0].message
        assert undisturbed == await control(sandbox, "bystander")


async def test_others_get_their_exact_answers_while_a_user_attacks_with_everything(
    undisturbed: tuple[list[bool], dict[int, tuple[str, ...]]],
) -> None:
    attacks = [a_filter(code) for code, expected in HOSTILE.values() if "timeout" in expected or "memory" in expected]
    async with FilterSandbox(allowed=SHORT) as sandbox:

        async def attack(share: int) -> list[str]:
            with allowing(sandbox, LONG):
                return [outcome(await sandbox.evaluate("attacker", compiled, VIEW)) for compiled in attacks[share::4]]

        attackers = [asyncio.create_task(attack(share)) for share in range(4)]
        answers = [await asyncio.gather(*(control(sandbox, f"user {user}") for user in range(5))) for _ in range(10)]
        outcomes = [ended for attacker in attackers for ended in await attacker]

        assert [[undisturbed] * 5] * 10 == answers
        assert {"suspended"} < set(outcomes)
        assert set(outcomes) <= {"suspended", "timeout", "memory", "runtime", "crashed"}
        assert 0 < sandbox.statistics().suspended
