"""Who may do what, for every table, partition, function and view in the catalogue: one without an expectation here fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg
import pytest

from adapters.migrations import apply
from tests.integration.servers import MIGRATIONS, PostgresServer

OWNER, OTHER = "aaaaaaaa-0000-0000-0000-000000000000", "bbbbbbbb-0000-0000-0000-000000000000"
TRADER, SIGNAL, INSTANCE = (
    "11111111-0000-0000-0000-000000000000",
    "22222222-0000-0000-0000-000000000000",
    "33333333-0000-0000-0000-000000000000",
)
ACCOUNT, ORDER = "44444444-0000-0000-0000-000000000000", "55555555-0000-0000-0000-000000000000"
ALL, READ, NONE = {"select", "insert", "update", "delete"}, {"select"}, set[str]()

# A row of the owner's, as columns and values; {n} differs between the row that is there and the one a caller tries to add.
ANALYSIS = (
    "signal_id, user_id, candle_open_time, decision, confidence, model_name",
    f"'{SIGNAL}', '{OWNER}', now() + {{n}} * interval '1 h', 'wait', 5, 'm'",
)
ROWS: dict[str, tuple[str, str]] = {
    "user_profiles": ("user_id, email", f"'{OWNER}', 'a{{n}}@example.com'"),
    "user_subscriptions": ("user_id, tier", f"'{OWNER}', 'elite'"),
    "user_preferences": ("user_id", f"'{OWNER}'"),
    "traders": ("user_id, name", f"'{OWNER}', 'n'"),
    "signals": ("trader_id, user_id, symbol, source", f"'{TRADER}', '{OWNER}', 'BTCUSDT', 'local'"),
    "trades": ("user_id", f"'{OWNER}'"),
    "cloud_trader_instances": ("instance_id, user_id, status", f"'i{{n}}', '{OWNER}', 'stopped'"),
    "trader_versions": (
        "trader_id, version, filter, strategy, cloud_config",
        f"'{TRADER}', 10 + {{n}}, '{{{{}}}}', '{{{{}}}}', '{{{{}}}}'",
    ),
    "cloud_execution_logs": (
        "instance_id, trader_id, trader_version, started_at, execution_time, outcome, market",
        f"'{INSTANCE}', '{TRADER}', 1, now() + {{n}} * interval '1 s', 1, 'evaluated', 'simulated'",
    ),
    "cloud_resource_usage": (
        "user_id, instance_id, period_start, period_end",
        f"'{OWNER}', '{INSTANCE}', now() + {{n}} * interval '1 h', now() + ({{n}} + 1) * interval '1 h'",
    ),
    "signal_analyses": ANALYSIS,
    "monitoring_decisions": ANALYSIS,
    "trader_conditions": (
        "trader_id, user_id, stage, symbol, code, message, since",
        f"'{TRADER}', '{OWNER}', 'fresh', 's{{n}}', 'c', 'm', now()",
    ),
    "trader_errors": (
        "trader_id, user_id, hash, trader_version, kind, message, first_seen, last_seen",
        f"'{TRADER}', '{OWNER}', 'h{{n}}', 1, 'k', 'm', now(), now()",
    ),
    "notification_channels": ("user_id, kind, address", f"'{OWNER}', 'email', 'a{{n}}'"),
    "notifications": ("id, user_id, kind, title", f"gen_random_uuid(), '{OWNER}', 'k', 't'"),
    "audit_log": ("user_id, actor_role, action, subject, subject_id", f"'{OWNER}', 'r', 'a', 's', 'i'"),
    "exchange_accounts": ("user_id, label", f"'{OWNER}', 'l{{n}}'"),
    "exchange_credentials": ("account_id, version, algorithm, key_id, ciphertext", f"'{ACCOUNT}', {{n}}, 'a', 'k', 'secret'"),
    "positions": ("user_id, mode, market, symbol, side, status", f"'{OWNER}', 'demo', 'simulated', 'BTCUSDT', 'long', 'open'"),
    "orders": (
        "user_id, client_order_id, mode, purpose, symbol, side, type, quantity",
        f"'{OWNER}', 'c{{n}}', 'demo', 'entry', 'BTCUSDT', 'buy', 'market', 1",
    ),
    "fills": ("user_id, order_id, symbol, trade_id, price, quantity, filled_at", f"'{OWNER}', '{ORDER}', 'BTCUSDT', 't{{n}}', 1, 1, now()"),
    "risk_limits": ("user_id, trader_id, max_open_positions", f"'{OWNER}', nullif('{TRADER}', repeat('{TRADER}', {{n}}))::uuid, 1"),
    "trading_fences": ("user_id, trader_id, reason", f"'{OWNER}', nullif('{TRADER}', repeat('{TRADER}', {{n}}))::uuid, 'r'"),
}
IDS = {"traders": TRADER, "signals": SIGNAL, "cloud_trader_instances": INSTANCE, "exchange_accounts": ACCOUNT, "orders": ORDER}
"""Of the rows that others refer to."""
CHANGED = {"exchange_credentials": "key_id", "trader_versions": "created_at", "cloud_execution_logs": "errors", "signals": "symbol"}
OWNER_MAY = dict.fromkeys(ROWS, READ) | {
    "user_profiles": ALL,
    "user_preferences": ALL,
    "traders": ALL,
    "signals": ALL,
    "trades": ALL,
    "notification_channels": ALL,
    "exchange_accounts": ALL,
    "risk_limits": ALL,
    "trading_fences": ALL,
    "exchange_credentials": {"insert"},
}
FUNCTIONS = {
    "tier_limits": {"anon", "authenticated", "service_role"},
    "current_tier": {"authenticated", "service_role"},
    "configure_trader": {"authenticated", "service_role"},
    "keep_execution_log_days": {"service_role"},
    "append_evaluations": {"service_role"},
    "user_id_by_email": {"service_role"},
}
WITH_OWNER_RIGHTS = {"keep_execution_log_days", "user_id_by_email", "keep_version", "audit"}
CALLERS = {"owner": ("authenticated", OWNER), "other": ("authenticated", OTHER), "anonymous": ("anon", ""), "service": ("service_role", "")}


@pytest.fixture(scope="module", params=["a Supabase project's grants", "everything granted to everybody"])
def admin(postgres: PostgresServer, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    """A migrated database with one row of the owner's in every table; under both kinds of grants that servers make."""
    with postgres.database() as url:
        apply(url, MIGRATIONS)
        with psycopg.connect(url) as connection:
            if request.param == "everything granted to everybody":  # Supabase Lite, at every start
                connection.execute("grant all on all tables in schema public to anon, authenticated, service_role")
            for number, user in enumerate((OWNER, OTHER)):
                connection.execute("insert into auth.users (id, email) values (%s, %s)", [user, f"u{number}@example.com"])
            for table in ROWS:
                connection.execute(insertion(table, 1))
            connection.commit()
            yield connection


def insertion(table: str, number: int) -> bytes:
    columns, values = ROWS[table]
    own = IDS.get(table)
    if own is not None:
        columns, values = f"id, {columns}", f"{repr(own) if number == 1 else 'gen_random_uuid()'}, {values}"
    return f"insert into public.{table} ({columns}) values ({values.format(n=number)})".encode()


@contextmanager
def acting(connection: psycopg.Connection, caller: str) -> Iterator[None]:
    """Within the block, statements run as the API runs them for this caller; afterwards nothing has happened."""
    role, user = CALLERS[caller]
    with connection.transaction(force_rollback=True):
        connection.execute("select set_config('role', %s, true), set_config('request.jwt.claim.sub', %s, true)", [role, user])
        yield


def effect(connection: psycopg.Connection, caller: str, statement: bytes | LiteralString) -> int:
    """How many rows the caller reached; 0 as well when he was refused."""
    with acting(connection, caller):
        try:
            with connection.transaction():
                return connection.execute(statement).rowcount
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.RaiseException):
            return 0


def verbs_allowed(connection: psycopg.Connection, caller: str, table: str) -> set[str]:
    column = CHANGED.get(table, "user_id")
    attempts = {
        "select": f"select * from public.{table}".encode(),
        "insert": insertion(table, 2),
        "update": f"update public.{table} set {column} = {column}".encode(),
        "delete": f"delete from public.{table}".encode(),
    }
    return {verb for verb, statement in attempts.items() if effect(connection, caller, statement)}


def names(connection: psycopg.Connection, query: LiteralString) -> set[str]:
    return {row[0] for row in connection.execute(query)}


def test_every_table_has_an_expectation(admin: psycopg.Connection) -> None:
    tables = names(
        admin, "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'f', 'm', 'v')"
    )

    assert tables == set(ROWS)


@pytest.mark.parametrize("table", ROWS)
def test_the_owner_does_what_is_his(admin: psycopg.Connection, table: str) -> None:
    assert OWNER_MAY[table] == verbs_allowed(admin, "owner", table)


@pytest.mark.parametrize("table", ROWS)
@pytest.mark.parametrize("caller", ["other", "anonymous"])
def test_nobody_else_reaches_a_row(admin: psycopg.Connection, table: str, caller: str) -> None:
    assert verbs_allowed(admin, caller, table) == NONE


@pytest.mark.parametrize("table", ROWS)
def test_workers_reach_everything(admin: psycopg.Connection, table: str) -> None:
    assert verbs_allowed(admin, "service", table) == ALL


def test_days_of_the_execution_log_cannot_be_reached_around_their_table(admin: psycopg.Connection) -> None:
    parts = names(
        admin, "select relname from pg_class where relnamespace = 'partitions'::regnamespace and relkind = 'r' and relrowsecurity"
    )
    unprotected = names(
        admin, "select relname from pg_class where relnamespace = 'partitions'::regnamespace and relkind = 'r' and not relrowsecurity"
    )

    assert len(parts) > 7
    assert unprotected == set()
    for caller in ("owner", "other", "anonymous"):
        assert {0} == {effect(admin, caller, f"select * from partitions.{part}".encode()) for part in parts}


def test_every_function_is_open_to_whom_it_should_be(admin: psycopg.Connection) -> None:
    open_to = admin.execute(
        """select p.proname, r.rolname from pg_proc p, pg_roles r
           where p.pronamespace = 'public'::regnamespace and r.rolname in ('anon', 'authenticated', 'service_role')
             and has_function_privilege(r.oid, p.oid, 'execute')"""
    ).fetchall()

    assert {name: {role for function, role in open_to if function == name} for name, _ in open_to} == FUNCTIONS


def test_only_functions_that_say_why_run_with_owner_rights(admin: psycopg.Connection) -> None:
    where = "pronamespace in ('public'::regnamespace, 'private'::regnamespace)"

    assert names(admin, f"select proname from pg_proc where prosecdef and {where}") == WITH_OWNER_RIGHTS
    assert names(admin, f"select proname from pg_proc where prosecdef and {where} and proconfig is null") == set()


def test_no_policy_lets_everybody_write(admin: psycopg.Connection) -> None:
    assert (
        names(
            admin,
            "select tablename from pg_policies where schemaname = 'public' and 'true' in (btrim(qual, '() '), btrim(with_check, '() '))",
        )
        == set()
    )


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("traders", "is_built_in", "true"),
        ("traders", "version", "7"),
        ("traders", "cloud_status", "'running'"),
        ("traders", "user_id", f"'{OTHER}'"),
        ("signals", "source", "'cloud'"),
        ("signals", "user_id", f"'{OTHER}'"),
        ("exchange_accounts", "permissions", "'{}'"),
        ("notification_channels", "verified_at", "now()"),
        ("trading_fences", "engaged_by", "'operator'"),
    ],
)
def test_the_owner_cannot_make_a_row_more_than_it_is(admin: psycopg.Connection, table: str, column: str, value: str) -> None:
    change = f"update public.{table} set {column} = {value}".encode()
    with acting(admin, "owner"), pytest.raises(psycopg.Error, match=r"row-level security|written by the workers only"):
        admin.execute(change)


def test_the_owner_cannot_raise_his_own_tier(admin: psycopg.Connection) -> None:
    assert effect(admin, "owner", "update public.user_subscriptions set tier = 'elite'") == 0


def test_a_fence_an_operator_engaged_is_seen_but_not_lifted(admin: psycopg.Connection) -> None:
    with admin.transaction(force_rollback=True):
        admin.execute("delete from public.trading_fences")
        admin.execute("insert into public.trading_fences (user_id, reason, engaged_by) values (null, 'incident', 'operator')")

        assert verbs_allowed(admin, "owner", "trading_fences") - {"insert"} == READ
        assert verbs_allowed(admin, "other", "trading_fences") == READ


@pytest.mark.parametrize(
    ("access_tier", "tier", "seen"),
    [("free", "free", 1), ("pro", "free", 0), ("pro", "pro", 1), ("elite", "pro", 0), ("elite", "elite", 1)],
)
def test_built_in_traders_and_their_signals_are_seen_by_tier_and_changed_by_nobody(
    admin: psycopg.Connection, access_tier: str, tier: str, seen: int
) -> None:
    with admin.transaction(force_rollback=True):
        admin.execute("insert into public.user_subscriptions (user_id, tier) values (%s, %s)", [OTHER, tier])
        built_in = "99999999-0000-0000-0000-000000000000"
        admin.execute("insert into public.traders (id, name, is_built_in, access_tier) values (%s, 'B', true, %s)", [built_in, access_tier])
        admin.execute("insert into public.signals (trader_id, symbol, source) values (%s, 'BTCUSDT', 'cloud')", [built_in])

        assert seen == effect(admin, "other", "select * from public.traders where is_built_in")
        assert seen == effect(admin, "other", "select * from public.signals")
        assert seen == effect(admin, "other", "select * from public.trader_versions")
        assert effect(admin, "other", "update public.traders set name = 'mine'") == 0
        assert effect(admin, "other", "delete from public.traders") == 0


def test_what_an_owner_changes_is_in_the_audit_log_under_his_name(admin: psycopg.Connection) -> None:
    with acting(admin, "owner"):
        admin.execute("update public.traders set name = 'renamed'")
        newest = admin.execute(
            "select actor::text, actor_role, action, subject, subject_id, details from public.audit_log order by id desc"
        ).fetchone()

        assert newest == (OWNER, "authenticated", "update", "traders", TRADER, {"name": "renamed"})
