"""Migrations on an empty project, on the product's existing tables, twice, and side by side."""

import logging
import subprocess
import threading
from pathlib import Path

import psycopg
import pytest

from adapters.migrations import MigrationError, apply, read
from domain.errors import UnavailableError
from local.postgres import binaries
from tests.integration.servers import MIGRATIONS, PostgresServer, free_port

PRODUCT_SCHEMA = Path(__file__).parents[2] / "resources" / "product_schema.sql"
NAMES = [f"{migration.version}_{migration.name}" for migration in read(MIGRATIONS)]


def dump(url: str) -> str:
    command = [str(binaries() / "pg_dump"), "--schema-only", "--restrict-key=same", url]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def columns(url: str, table: str) -> dict[str, str]:
    with psycopg.connect(url) as connection:
        query = "select column_name, data_type from information_schema.columns where table_schema = 'public' and table_name = %s"
        return dict(connection.execute(query, [table]).fetchall())


@pytest.fixture
def product(postgres: PostgresServer):
    with postgres.database() as url:
        with psycopg.connect(url) as connection:
            connection.execute(PRODUCT_SCHEMA.read_text())
        yield url


def test_an_empty_project_gets_every_migration_once(postgres: PostgresServer) -> None:
    with postgres.database() as url:
        assert apply(url, MIGRATIONS) == NAMES
        once = dump(url)
        assert apply(url, MIGRATIONS) == []
        assert once == dump(url)


@pytest.mark.parametrize("existing", [False, True], ids=["empty project", "existing product"])
def test_running_the_files_again_without_a_history_changes_nothing(postgres: PostgresServer, product: str, existing: bool) -> None:
    with postgres.database() as empty:
        url = product if existing else empty
        apply(url, MIGRATIONS)
        once = dump(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("delete from supabase_migrations.schema_migrations")

        assert apply(url, MIGRATIONS) == NAMES
        assert once == dump(url)


def test_an_existing_product_keeps_what_it_has_and_gains_what_is_missing(product: str) -> None:
    before = {table: columns(product, table) for table in ("traders", "signals", "trades", "user_profiles", "user_subscriptions")}
    apply(product, MIGRATIONS)

    for table, present in before.items():
        assert present == {name: kind for name, kind in columns(product, table).items() if name in present}
    assert {"cloud_config", "cloud_status", "version", "runs_in"} <= columns(product, "traders").keys()
    assert {"candle_open_time", "interval", "market", "late", "initial"} <= columns(product, "signals").keys()


def test_differences_are_reported(product: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="adapters.migrations"):
        apply(product, MIGRATIONS)

    for expected in (
        "public.signals.symbol is character varying(20) here and text in our schema",
        "public.traders has rows that break traders_mode_check",
        "public.traders has rows that break traders_owner_check",
        "public.signals has rows that break signals_status_check",
        'policy "Users manage traders" on public.traders lets everybody all',
    ):
        assert any(expected in message for message in caplog.messages), expected


def test_a_too_generous_policy_of_the_product_lets_nobody_write_others_traders(product: str) -> None:
    apply(product, MIGRATIONS)
    with psycopg.connect(product) as connection:
        connection.execute("set local role authenticated")
        connection.execute("select set_config('request.jwt.claim.sub', '99999999-9999-9999-9999-999999999999', true)")

        assert connection.execute("update public.traders set name = 'mine'").rowcount == 0


def test_existing_traders_get_their_first_version(product: str) -> None:
    apply(product, MIGRATIONS)
    with psycopg.connect(product) as connection:
        assert connection.execute("select version from public.trader_versions").fetchall() == [(1,), (1,)]


def test_a_failing_file_is_named_and_leaves_nothing_behind(postgres: PostgresServer, tmp_path: Path) -> None:
    (tmp_path / "20260101000000_good.sql").write_text("create table good (id int);")
    (tmp_path / "20260102000000_bad.sql").write_text("create table half (id int); select nonsense;")
    with postgres.database() as url:
        with pytest.raises(MigrationError, match=r"20260102000000_bad.*nonsense"):
            apply(url, tmp_path)

        assert {"id"} == columns(url, "good").keys()
        assert columns(url, "half") == {}
        (tmp_path / "20260102000000_bad.sql").write_text("create table half (id int);")
        assert apply(url, tmp_path) == ["20260102000000_bad"]


def test_a_file_changed_after_it_was_applied_is_refused(postgres: PostgresServer, tmp_path: Path) -> None:
    file = tmp_path / "20260101000000_first.sql"
    file.write_text("create table first (id int);")
    with postgres.database() as url:
        apply(url, tmp_path)
        file.write_text("-- A comment may be added.\ncreate table first (id int);")
        assert apply(url, tmp_path) == []
        file.write_text("create table first (id bigint);")
        with pytest.raises(MigrationError, match="was changed"):
            apply(url, tmp_path)


def test_a_file_older_than_what_is_applied_is_refused(postgres: PostgresServer, tmp_path: Path) -> None:
    (tmp_path / "20260201000000_second.sql").write_text("select 1;")
    with postgres.database() as url:
        apply(url, tmp_path)
        (tmp_path / "20260101000000_first.sql").write_text("select 1;")
        with pytest.raises(MigrationError, match="older"):
            apply(url, tmp_path)


def test_what_the_supabase_command_line_applied_is_not_applied_again(postgres: PostgresServer, tmp_path: Path) -> None:
    (tmp_path / "20260101000000_first.sql").write_text("create table first (id int); -- twice would fail\n")
    with postgres.database() as url:
        apply(url, tmp_path)
        with psycopg.connect(url) as connection:  # it keeps statements apart
            connection.execute("update supabase_migrations.schema_migrations set statements = array['create table first (id int)']")
        assert apply(url, tmp_path) == []


def test_two_runs_at_once_apply_each_file_once(postgres: PostgresServer) -> None:
    results: list[list[str]] = []
    with postgres.database() as url:
        runs = [threading.Thread(target=lambda: results.append(apply(url, MIGRATIONS))) for _ in range(2)]
        for run in runs:
            run.start()
        for run in runs:
            run.join()

    assert sorted([NAMES, []]) == sorted(results)


def test_a_database_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(UnavailableError, match="cannot be migrated now"):
        apply(f"postgresql://postgres:x@127.0.0.1:{free_port()}/postgres", MIGRATIONS)
