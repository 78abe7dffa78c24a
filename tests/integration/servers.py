"""What the fixtures of conftest.py hand to tests."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import psycopg

from local import postgres as local_postgres
from local import supabase_lite

MIGRATIONS = Path(__file__).parents[2] / "migrations"
BARE = "bare"
"""The database every other is copied from: what a new Supabase project has, and nothing of ours."""


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def folder_for_postgres() -> Iterator[Path]:
    """A folder for a server's data, removed afterwards. Outside pytest's: every new session of pytest closes those to other users again."""
    with TemporaryDirectory(prefix="cloudtrader-test-", ignore_cleanup_errors=True) as folder:
        yield Path(folder).resolve() / "data"


@dataclass(frozen=True)
class PostgresServer:
    """The session's PostgreSQL."""

    data: Path
    port: int

    def url(self, database: str) -> str:
        return local_postgres.url(self.data, self.port, database)

    def create(self, database: str) -> str:
        """A new database with Supabase's auth schema and roles; its URL."""
        self._administer(f'create database "{database}" template {BARE}')
        return self.url(database)

    @contextmanager
    def database(self) -> Iterator[str]:
        """A database for one test."""
        name = f"test_{uuid4().hex}"
        try:
            yield self.create(name)
        finally:
            self._administer(f'drop database if exists "{name}" with (force)')

    def _administer(self, command: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(command)


@dataclass(frozen=True)
class SupabaseServer:
    """The session's Supabase API, over a migrated database."""

    url: str
    keys: supabase_lite.Keys
    database_url: str
