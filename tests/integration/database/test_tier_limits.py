"""What a tier allows is held by the database, whoever asks."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from domain.tiers import LIMITS, Tier

NO_CLOUD, TOO_MANY, TOO_FAST, TOO_MANY_SYMBOLS = "PT402", "PT409", "PT425", "PT413"


@pytest.fixture
def database(migrated: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(migrated) as connection, connection.transaction(force_rollback=True):
        yield connection


def new_user(database: psycopg.Connection, tier: str, status: str = "active", expires_in: timedelta | None = None) -> str:
    user = str(uuid4())
    database.execute("insert into auth.users (id, email) values (%s, %s)", [user, f"{user}@example.com"])
    query = "insert into public.user_subscriptions (user_id, tier, status, expires_at) values (%s, %s, %s, now() + %s)"
    database.execute(query, [user, tier, status, expires_in])
    return user


def deploy(database: psycopg.Connection, user: str, **config: Any) -> str | None:
    """Store a trader that runs in the cloud; the SQLSTATE of the refusal, if it was refused."""
    query = "insert into public.traders (user_id, name, cloud_config) values (%s, 't', %s)"
    try:
        with database.transaction():
            database.execute(query, [user, Jsonb({"enabledInCloud": True, **config})])
    except psycopg.Error as problem:
        return problem.sqlstate
    return None


@pytest.mark.parametrize("tier", list(Tier))
def test_the_database_has_the_numbers_of_the_domain(database: psycopg.Connection, tier: Tier) -> None:
    limits = LIMITS[tier]
    expected = (limits.max_traders, limits.max_symbols, limits.fastest_cadence.total_seconds())

    assert database.execute("select * from public.tier_limits(%s)", [tier]).fetchone() == expected


@pytest.mark.parametrize(
    ("tier", "status", "expires_in", "expected"),
    [
        ("elite", "active", None, "elite"),
        ("pro", "trialing", timedelta(days=1), "pro"),
        ("elite", "active", timedelta(seconds=-1), "free"),
        ("elite", "canceled", None, "free"),
        ("anonymous", "active", None, "free"),
    ],
)
def test_the_current_tier_honours_status_and_expiry(
    database: psycopg.Connection, tier: str, status: str, expires_in: timedelta | None, expected: str
) -> None:
    user = new_user(database, tier, status, expires_in)

    assert database.execute("select public.current_tier(%s)", [user]).fetchone() == (expected,)


def test_the_best_of_several_subscriptions_counts_and_none_is_free(database: psycopg.Connection) -> None:
    user = new_user(database, "pro")
    database.execute("insert into public.user_subscriptions (user_id, tier) values (%s, 'elite')", [user])

    assert database.execute("select public.current_tier(%s), public.current_tier(%s)", [user, str(uuid4())]).fetchone() == ("elite", "free")


def test_free_users_deploy_nothing_to_the_cloud(database: psycopg.Connection) -> None:
    assert deploy(database, new_user(database, "free")) == NO_CLOUD


def test_the_eleventh_trader_of_a_pro_user_is_refused(database: psycopg.Connection) -> None:
    user = new_user(database, "pro")

    assert [deploy(database, user) for _ in range(11)] == [None] * 10 + [TOO_MANY]


def test_a_place_freed_can_be_taken_again(database: psycopg.Connection) -> None:
    user = new_user(database, "pro")
    for _ in range(10):
        deploy(database, user)
    database.execute(
        """update public.traders set cloud_config = cloud_config || '{"enabledInCloud": false}'
           where id = (select id from public.traders where user_id = %s limit 1)""",
        [user],
    )

    assert [deploy(database, user), deploy(database, user)] == [None, TOO_MANY]


def test_switching_an_eleventh_trader_to_the_cloud_is_refused_too(database: psycopg.Connection) -> None:
    user = new_user(database, "pro")
    database.execute("insert into public.traders (user_id, name) values (%s, 'browser')", [user])
    for _ in range(10):
        deploy(database, user)

    with pytest.raises(psycopg.Error, match="allows 10 traders"):
        database.execute(
            """update public.traders set cloud_config = '{"enabledInCloud": true}' where user_id = %s and name = 'browser'""", [user]
        )


@pytest.mark.parametrize(("tier", "symbols", "expected"), [("pro", 50, None), ("pro", 51, TOO_MANY_SYMBOLS), ("elite", 400, None)])
def test_symbols_per_trader(database: psycopg.Connection, tier: str, symbols: int, expected: str | None) -> None:
    assert deploy(database, new_user(database, tier), symbols=[f"S{number}" for number in range(symbols)]) == expected


@pytest.mark.parametrize(
    ("tier", "seconds", "expected"),
    [("pro", 60, None), ("pro", 59.9, TOO_FAST), ("elite", 1, None), ("elite", 0.5, TOO_FAST), ("elite", 0, TOO_FAST)],
)
def test_cadence(database: psycopg.Connection, tier: str, seconds: float, expected: str | None) -> None:
    assert deploy(database, new_user(database, tier), cadenceSeconds=seconds) == expected


def test_an_elite_user_has_many(database: psycopg.Connection) -> None:
    user = new_user(database, "elite")

    assert {deploy(database, user) for _ in range(30)} == {None}


def test_after_a_downgrade_workers_still_write_the_status(database: psycopg.Connection) -> None:
    user = new_user(database, "elite")
    deploy(database, user, cadenceSeconds=5)
    database.execute("update public.user_subscriptions set status = 'canceled' where user_id = %s", [user])

    query = (
        "update public.traders set cloud_status = 'paused', cloud_status_reason = 'tier', cloud_config = cloud_config where user_id = %s"
    )
    assert database.execute(query, [user]).rowcount == 1


def test_two_deployments_at_once_do_not_both_take_the_last_place(migrated: str) -> None:
    with psycopg.connect(migrated, autocommit=True) as connection:
        user = new_user(connection, "pro")
        for _ in range(9):
            deploy(connection, user)
    barrier, outcomes = threading.Barrier(2), list[str | None]()

    def compete() -> None:
        with psycopg.connect(migrated) as connection:
            barrier.wait(10)
            outcomes.append(deploy(connection, user))

    competitors = [threading.Thread(target=compete) for _ in range(2)]
    for competitor in competitors:
        competitor.start()
    for competitor in competitors:
        competitor.join(30)

    assert {None, TOO_MANY} == set(outcomes)
