"""Applies the SQL files of a directory to a database, in the Supabase CLI's format and with its history table.

Files are named YYYYMMDDHHMMSS_name.sql. Each is applied once, in its own transaction, together with its row in
`supabase_migrations.schema_migrations`; so `supabase db push`, the local server and `apply` can be used in any mix.
"""

import hashlib
import logging
import re
from dataclasses import dataclass
from pathlib import Path

import psycopg

from domain.errors import RefusedError, UnavailableError

logger = logging.getLogger(__name__)

NAME = re.compile(r"(?P<version>\d{14})_(?P<name>[a-z0-9_]+)\.sql")
CONNECT_WITHIN_SECONDS = 10
LOCK_WITHIN = "60s"
LOCK_KEY = int.from_bytes(hashlib.sha256(b"cloudtrader migrations").digest()[:8], "big", signed=True)
HISTORY = """
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
alter table supabase_migrations.schema_migrations add column if not exists statements text[];
alter table supabase_migrations.schema_migrations add column if not exists name text;
"""


class MigrationError(RefusedError):
    """A migration cannot be applied; the message names the file."""


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One file."""

    version: str
    name: str
    sql: str


def read(directory: Path) -> list[Migration]:
    """The files of a directory in order. Raises MigrationError for a name that breaks the rule or a version used twice."""
    migrations: list[Migration] = []
    for file in sorted(directory.glob("*.sql")):
        parts = NAME.fullmatch(file.name)
        if parts is None:
            raise MigrationError(f"{file.name}: migrations are named YYYYMMDDHHMMSS_name.sql, in lower case.")
        if migrations and migrations[-1].version == parts["version"]:
            raise MigrationError(f"{file.name}: version {parts['version']} is that of {migrations[-1].name} too.")
        migrations.append(Migration(version=parts["version"], name=parts["name"], sql=file.read_text()))
    if not migrations:
        raise MigrationError(f"{directory} holds no migrations.")
    return migrations


def apply(database_url: str, directory: Path) -> list[str]:
    """Apply what is missing, in order; the names of what was applied. Waits for another run that is under way.

    Raises MigrationError, with everything before the file that failed applied; UnavailableError when the database cannot be reached.
    """
    migrations = read(directory)
    try:
        with psycopg.connect(database_url, autocommit=True, connect_timeout=CONNECT_WITHIN_SECONDS) as connection:
            connection.add_notice_handler(_report)
            _lock(connection)
            connection.execute(HISTORY)
            pending = _pending(migrations, _applied(connection))
            for migration in pending:
                _apply_one(connection, migration)
            return [f"{migration.version}_{migration.name}" for migration in pending]
    except psycopg.OperationalError as problem:
        raise UnavailableError(f"The database cannot be migrated now: {problem}") from problem


def _lock(connection: psycopg.Connection) -> None:
    connection.execute("select set_config('lock_timeout', %s, false), set_config('client_min_messages', 'notice', false)", [LOCK_WITHIN])
    connection.execute("select pg_advisory_lock(%s)", [LOCK_KEY])  # held until the connection closes


def _applied(connection: psycopg.Connection) -> dict[str, list[str] | None]:
    return dict(connection.execute("select version, statements from supabase_migrations.schema_migrations order by version").fetchall())


def _pending(migrations: list[Migration], applied: dict[str, list[str] | None]) -> list[Migration]:
    for migration in migrations:
        if migration.version in applied and _changed(migration, applied[migration.version]):
            raise MigrationError(
                f"{migration.version}_{migration.name} was changed after it had been applied: add a new migration instead."
            )
    pending = [migration for migration in migrations if migration.version not in applied]
    newest = max(applied.keys() & {migration.version for migration in migrations}, default="")
    if pending and pending[0].version < newest:
        raise MigrationError(f"{pending[0].version}_{pending[0].name} is older than {newest}, which is applied: give it a newer version.")
    return pending


def _changed(migration: Migration, statements: list[str] | None) -> bool:
    # The Supabase CLI keeps single statements without their semicolons and comments; only what they contain can be compared.
    return bool(statements) and _essence("".join(statements or [])) != _essence(migration.sql)


def _essence(sql: str) -> str:
    return re.sub(r"--[^\n]*|[\s;]+", "", sql)


def _apply_one(connection: psycopg.Connection, migration: Migration) -> None:
    try:
        with connection.transaction():
            connection.execute(migration.sql)
            connection.execute(
                "insert into supabase_migrations.schema_migrations (version, name, statements) values (%s, %s, %s)",
                [migration.version, migration.name, [migration.sql]],
            )
    except psycopg.OperationalError:
        raise
    except psycopg.Error as problem:
        where = f" ({problem.diag.context.splitlines()[0]})" if problem.diag.context else ""
        raise MigrationError(f"{migration.version}_{migration.name}: {problem}{where}") from problem


def _report(notice: psycopg.errors.Diagnostic) -> None:
    if notice.sqlstate == "00000" or notice.severity_nonlocalized == "WARNING":  # what migrations report themselves, not "already exists"
        logger.info("%s: %s", (notice.severity_nonlocalized or "NOTICE").lower(), notice.message_primary)
