"""Evaluations are committed in groups, in order, however long the database is away."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain
from uuid import UUID

import pytest

from activities import executions
from activities.executions import GROUP_SIZE, GroupCommit
from activities.ports import Evaluation, Outcome
from domain.errors import RefusedError, UnavailableError
from domain.market import Interval, Market

MS = timedelta(milliseconds=1)


class Log:
    """Keeps groups; away for the first `outages` attempts, and never takes the row `refused`."""

    def __init__(self, outages: int = 0, refused: int = -1) -> None:
        self.refused = refused
        self.failed_once = asyncio.Event()
        self.groups: list[list[int]] = []
        self.attempts = 0
        self.outages = outages

    async def append(self, evaluations: Sequence[Evaluation]) -> None:
        self.attempts += 1
        await asyncio.sleep(0.001)  # a database takes its time
        if self.attempts <= self.outages:
            self.failed_once.set()
            raise UnavailableError("the database is away")
        if self.refused in [one.snapshot_seq for one in evaluations]:
            raise RefusedError("no such trader")
        self.groups.append([one.snapshot_seq for one in evaluations])


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executions, "GATHER", 10 * MS)
    monkeypatch.setattr(executions, "RETRY_FIRST", MS)


def row(number: int, *, signals: int = 0) -> Evaluation:
    return Evaluation(
        instance_id=UUID(int=1),
        trader_id=UUID(int=2),
        trader_version=1,
        interval=Interval.M1,
        started_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number),
        duration=MS,
        outcome=Outcome.EVALUATED,
        market=Market.SIMULATED,
        symbols_processed=1,
        symbols_not_ready=0,
        signals_generated=signals,
        candle_open_time=None,
        candles=1,
        snapshot_seq=number,
        data_age=timedelta(),
    )


@asynccontextmanager
async def committing(log: Log) -> AsyncIterator[GroupCommit]:
    commit = GroupCommit(log)
    task = asyncio.create_task(commit.run())
    try:
        async with asyncio.timeout(10):
            yield commit
    finally:
        task.cancel()


async def test_rows_that_arrive_together_are_one_group_in_their_order() -> None:
    log = Log()
    async with committing(log) as commit:
        await asyncio.gather(*(commit.add(row(number)) for number in range(20)))

    assert log.groups == [list(range(20))]


async def test_groups_are_bounded_and_nothing_is_left_over() -> None:
    log, count = Log(), 2 * GROUP_SIZE + 3
    async with committing(log) as commit:
        await asyncio.gather(*(commit.add(row(number)) for number in range(count)))
        left = commit.waiting

    assert [len(group) for group in log.groups] == [GROUP_SIZE, GROUP_SIZE, 3]
    assert list(chain(*log.groups)) == list(range(count))
    assert left == 0


async def test_while_the_database_is_away_rows_wait_and_later_ones_stay_behind_them() -> None:
    log = Log(outages=3)
    async with committing(log) as commit:
        early = commit.add(row(1))
        await log.failed_once.wait()
        late, waiting, committed = commit.add(row(2)), commit.waiting, early.done()
        await asyncio.gather(early, late)

    assert (waiting, committed) == (2, False)
    assert log.groups == [[1], [2]]


async def test_a_row_is_done_only_when_its_own_group_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executions, "GROUP_SIZE", 1)
    log = Log()
    async with committing(log) as commit:
        first, second = commit.add(row(1)), commit.add(row(2))
        await first
        seen = [list(group) for group in log.groups]
        await second

    assert seen == [[1]]
    assert log.groups == [[1], [2]]


async def test_a_window_that_was_cancelled_does_not_hold_up_the_others() -> None:
    log = Log()
    async with committing(log) as commit:
        commit.add(row(1)).cancel()
        await commit.add(row(2))

    assert log.groups == [[1, 2]]


async def test_rows_added_while_a_group_is_being_written_are_not_forgotten() -> None:
    log = Log()
    async with committing(log) as commit:
        for number in range(5):
            await commit.add(row(number))

    assert list(chain(*log.groups)) == list(range(5))


async def test_a_row_the_database_refuses_holds_up_no_other() -> None:
    log = Log(refused=3)
    async with committing(log) as commit:
        await asyncio.gather(*(commit.add(row(number)) for number in range(8)))

    assert list(chain(*log.groups)) == [0, 1, 2, 4, 5, 6, 7]


async def test_an_evaluation_that_found_something_does_not_wait_behind_those_that_did_not() -> None:
    log = Log()

    async with committing(log) as commit:
        quiet = [commit.add(row(number)) for number in range(GROUP_SIZE)]
        await commit.add(row(GROUP_SIZE, signals=1))
        first_group = log.groups[0]
        await asyncio.gather(*quiet)

    assert first_group[0] == GROUP_SIZE
    assert sorted(chain.from_iterable(log.groups)) == list(range(GROUP_SIZE + 1))
