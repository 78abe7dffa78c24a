"""One PostgreSQL and one Supabase API for the whole session: the real servers, on free ports, gone afterwards."""

from collections.abc import AsyncIterator, Iterator
from uuid import UUID, uuid4

import psycopg
import pytest
from supabase import AsyncClient

from adapters.migrations import apply
from adapters.supabase.client import connect
from adapters.supabase.users import SupabaseUsers
from domain.tiers import Tier
from local import postgres as local_postgres
from local import supabase_lite
from tests.integration.servers import BARE, MIGRATIONS, PostgresServer, SupabaseServer, folder_for_postgres, free_port


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A running PostgreSQL with the database `bare`."""
    with folder_for_postgres() as folder, local_postgres.running(folder, port := free_port()) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"create database {BARE}")
        server = PostgresServer(folder, port)
        supabase_lite.bootstrap_local(tmp_path_factory.mktemp("bootstrap"), server.url(BARE))
        yield server


@pytest.fixture(scope="session")
def migrated(postgres: PostgresServer) -> str:
    """The URL of a database with every migration applied."""
    url = postgres.create("product")
    apply(url, MIGRATIONS)
    return url


@pytest.fixture(scope="session")
def supabase(migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SupabaseServer]:
    """A running Supabase API over the migrated database."""
    state = tmp_path_factory.mktemp("supabase")
    with supabase_lite.running(state, free_port(), migrated) as url:
        yield SupabaseServer(url=url, keys=supabase_lite.keys(state), database_url=migrated)


@pytest.fixture(scope="session")
async def service(supabase: SupabaseServer) -> AsyncIterator[AsyncClient]:
    """A client with the workers' rights."""
    async with connect(supabase.url, supabase.keys.secret) as client:
        yield client


@pytest.fixture
async def elite_user(service: AsyncClient) -> UUID:
    """A new user of the elite tier."""
    return await SupabaseUsers(service).create_user(f"{uuid4().hex}@example.com", uuid4().hex, Tier.ELITE)
