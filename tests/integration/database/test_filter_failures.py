"""Failures of filters are counted once per evaluation, grouped, bounded, and shown as long as they last."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from supabase import AsyncClient

from activities.ports import Evaluation, Outcome
from adapters.supabase.filter_failures import RecordedFailure
from domain.errors import RefusedError
from domain.filter_failures import FilterCondition
from domain.filters import FailureKind, FilterFailure
from domain.market import Interval
from domain.traders import Mode, Trader, TraderStatus
from tests.integration.database.test_stores import NOW, SETTINGS, Stores, evaluation_of, instance_of, rows_of
from tests.integration.servers import SupabaseServer

FAILING = FilterCondition(code="filter_failing", message="it fails for every symbol: runtime: line 2: x is undefined")


def failure(message: str = "x is undefined", **changes: object) -> FilterFailure:
    made = FilterFailure(kind=FailureKind.RUNTIME, message=message, line=2, symbol="BTCUSDT", symbols=397)
    return replace(made, **changes)


@pytest.fixture
def stores(service: AsyncClient) -> Stores:
    return Stores(service)


@pytest.fixture
async def trader(stores: Stores, elite_user: UUID) -> Trader:
    return await stores.traders.create(elite_user, "Failing", "", SETTINGS, Mode.DEMO)


@pytest.fixture
async def good(stores: Stores, trader: Trader) -> Evaluation:
    """An evaluation with which nothing is wrong."""
    instance_id = await instance_of(stores, trader.user_id)
    return replace(evaluation_of(trader.id, instance_id), error="", started_at=NOW, outcome=Outcome.EVALUATED)


def after(evaluation: Evaluation, seconds: int, *failures: FilterFailure, **changes: object) -> Evaluation:
    return replace(evaluation, started_at=NOW + timedelta(seconds=seconds), failures=failures, **changes)


async def shown(stores: Stores, trader: Trader) -> tuple[tuple[str, int], ...]:
    """The condition's code and the second since which it lasts."""
    found = (await stores.traders.find(trader.user_id, str(trader.id))).conditions
    return tuple((one.code, int((one.since - NOW).total_seconds())) for one in found)


async def test_a_failure_is_told_with_all_that_its_owner_needs(stores: Stores, trader: Trader, good: Evaluation) -> None:
    await stores.executions.append([after(good, 0, failure()), after(good, 5, failure(symbol="ETHUSDT", symbols=12))])

    assert [
        RecordedFailure(
            version=1,
            interval=Interval.M5,
            kind="runtime",
            message="x is undefined",
            line=2,
            symbol="ETHUSDT",
            symbols=397,
            count=2,
            first_seen=NOW,
            last_seen=NOW + timedelta(seconds=5),
        )
    ] == await stores.traders.failures(trader.id)


async def test_what_is_written_again_is_not_counted_again(stores: Stores, trader: Trader, good: Evaluation) -> None:
    first, second = after(good, 0, failure()), after(good, 5, failure())
    for group in ([first], [first], [first, second], [second, first], [second, second]):
        await stores.executions.append(group)

    assert [2] == [one.count for one in await stores.traders.failures(trader.id)]


async def test_failures_that_are_alike_are_one_and_others_are_told_apart(stores: Stores, trader: Trader, good: Evaluation) -> None:
    alike = failure("price 1.5 of BTCUSDT is odd"), failure("price 27.25 of ETHUSDT is odd", symbol="ETHUSDT")
    different = failure(line=3), failure(kind=FailureKind.TIMEOUT, line=None, symbol="")
    await stores.executions.append([after(good, 0, alike[0], *different), after(good, 1, alike[1])])
    await stores.executions.append([after(good, 2, alike[0], trader_version=2)])

    found = {(one.version, one.kind, one.line): one.count for one in await stores.traders.failures(trader.id)}
    assert {(1, "runtime", 2): 2, (1, "runtime", 3): 1, (1, "timeout", None): 1, (2, "runtime", 2): 1} == found


async def test_a_version_keeps_fifty_groups_and_counts_what_is_beyond_them(stores: Stores, trader: Trader, good: Evaluation) -> None:
    names = [chr(ord("a") + number % 26) * (1 + number // 26) for number in range(130)]
    for start in (0, 60, 120):
        batch = [after(good, start + number, failure(name)) for number, name in enumerate(names[start : start + 60])]
        await stores.executions.append(batch)
    await stores.executions.append([after(good, 900, failure("a")), after(good, 901, failure("new"), trader_version=2)])
    await stores.executions.append([after(good, 902, failure("another"), trader_version=2)])

    found = await stores.traders.failures(trader.id, limit=1_000)
    others = [(one.count, one.line, one.version) for one in found if one.message == "other failures"]
    assert [(80, None, 1)] == others
    assert (51, 2) == (sum(one.version == 1 for one in found), sum(one.version == 2 for one in found))
    assert [2] == [one.count for one in found if one.message == "a"]


async def test_an_evaluation_keeps_its_own_failures_and_counts(stores: Stores, trader: Trader, good: Evaluation) -> None:
    bad = after(good, 0, failure(), outcome=Outcome.FAILED, error="runtime: x", symbols_failed=397, symbols_stale=2)
    await stores.executions.append([bad])

    trouble = (await stores.traders.latest_evaluations(trader.id)).trouble
    assert trouble is not None
    assert ("runtime: x", (failure(),), 397, 2) == (trouble.error, trouble.failures, trouble.symbols_failed, trouble.symbols_stale)


async def test_a_condition_lasts_from_the_first_failing_evaluation_to_the_next_good_one(
    stores: Stores, trader: Trader, good: Evaluation
) -> None:
    assert () == await shown(stores, trader)
    for second, message in ((1, "a"), (2, "b")):
        await stores.executions.append([after(good, second, failure(message), condition=replace(FAILING, message=message))])
    assert (("filter_failing", 1),) == await shown(stores, trader)
    assert ["b"] == [one.message for one in (await stores.traders.find(trader.user_id, "Failing")).conditions]

    await stores.executions.append([after(good, 3, failure(), condition=replace(FAILING, code="filter_suspended"))])
    assert (("filter_suspended", 3),) == await shown(stores, trader)
    await stores.executions.append([after(good, 4, outcome=Outcome.STALE)])
    assert (("filter_suspended", 3),) == await shown(stores, trader)
    await stores.executions.append([after(good, 5)])
    assert () == await shown(stores, trader)


async def test_what_is_written_late_does_not_bring_back_or_end_a_condition(stores: Stores, trader: Trader, good: Evaluation) -> None:
    failing = after(good, 3, failure(), condition=FAILING)
    await stores.executions.append([after(good, 4)])
    await stores.executions.append([failing])
    assert () == await shown(stores, trader)

    await stores.executions.append([after(good, 9, failure(), condition=FAILING)])
    await stores.executions.append([after(good, 8)])
    assert (("filter_failing", 9),) == await shown(stores, trader)


async def test_the_newest_evaluation_of_a_group_decides(stores: Stores, trader: Trader, good: Evaluation) -> None:
    await stores.executions.append([after(good, 2), after(good, 1, failure(), condition=FAILING)])
    assert () == await shown(stores, trader)
    await stores.executions.append([after(good, 4, failure(), condition=FAILING), after(good, 3)])
    assert (("filter_failing", 4),) == await shown(stores, trader)


async def test_a_trader_that_is_stopped_is_held_back_by_nothing(stores: Stores, trader: Trader, good: Evaluation) -> None:
    await stores.executions.append([after(good, 1, failure(), condition=FAILING)])
    await stores.traders.set_status(trader.id, TraderStatus.ERROR, "the filter keeps failing", NOW)
    assert (("filter_failing", 1),) == await shown(stores, trader)
    await stores.traders.set_status(trader.id, TraderStatus.STOPPED, "", NOW)
    assert () == await shown(stores, trader)
    await stores.executions.append([after(good, 2, failure(), condition=FAILING)])  # its last window was still writing
    assert () == await shown(stores, trader)


async def test_one_call_writes_for_many_traders_and_leaves_out_those_that_are_gone(
    stores: Stores, trader: Trader, good: Evaluation, elite_user: UUID
) -> None:
    other = await stores.traders.create(elite_user, "Other", "", SETTINGS, Mode.DEMO)
    evaluations = [after(good, 1, failure(), trader_id=one) for one in (trader.id, other.id, uuid4())]
    await stores.executions.append(evaluations)

    assert [1, 1] == [len(await stores.traders.failures(one)) for one in (trader.id, other.id)]


async def test_two_users_see_their_own_failures_only(stores: Stores, trader: Trader, good: Evaluation, supabase: SupabaseServer) -> None:
    await stores.executions.append([after(good, 1, failure(), condition=FAILING)])

    def seen_by(connection: psycopg.Connection, user: UUID, table: str) -> int:
        with connection.transaction(force_rollback=True):
            connection.execute(
                "select set_config('role', 'authenticated', true), set_config('request.jwt.claim.sub', %s, true)", [str(user)]
            )
            query = psycopg.sql.SQL("select * from public.{} where trader_id = %s").format(psycopg.sql.Identifier(table))
            return connection.execute(query, [trader.id]).rowcount

    with psycopg.connect(supabase.database_url) as connection:
        for table in ("trader_errors", "trader_conditions", "cloud_execution_logs"):
            assert (1, 0) == (seen_by(connection, trader.user_id, table), seen_by(connection, uuid4(), table))


async def test_an_evaluation_that_is_refused_leaves_no_failure_behind(stores: Stores, trader: Trader, good: Evaluation) -> None:
    with pytest.raises(RefusedError, match="instance_id"):
        await stores.executions.append([after(good, 1, failure(), instance_id=uuid4(), condition=FAILING)])

    assert [] == await stores.traders.failures(trader.id)
    assert () == await shown(stores, trader)


async def test_rows_written_before_failures_were_kept_are_read(
    stores: Stores, trader: Trader, good: Evaluation, service: AsyncClient
) -> None:
    await stores.executions.append([replace(good, outcome=Outcome.FAILED)])
    old = {"message": "line 3: overflow"}
    await service.table("cloud_execution_logs").update({"errors": old}).eq("trader_id", str(trader.id)).execute()

    trouble = (await stores.traders.latest_evaluations(trader.id)).trouble
    assert ("line 3: overflow", ()) == (trouble and trouble.error, trouble and trouble.failures)
    assert [old] == [row["errors"] for row in await rows_of(service, "cloud_execution_logs", "trader_id", trader.id)]
