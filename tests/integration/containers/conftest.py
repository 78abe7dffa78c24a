"""Supabase's own images in place of the one-machine stand-in, under the same fixture names."""

from collections.abc import AsyncIterator, Iterator

import pytest
from supabase import AsyncClient

from adapters.migrations import apply
from adapters.supabase.client import connect
from local.supabase_lite import Keys
from ops.supabase.make_keys import environment
from tests.integration.containers.engine import services_of_compose
from tests.integration.servers import MIGRATIONS, SupabaseServer, free_port

SERVICES = ("supabase-db", "supabase-auth", "supabase-rest", "supabase")


@pytest.fixture(scope="session")
def supabase(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SupabaseServer]:
    """Supabase's database, Auth and PostgREST as temporal-compose.yml runs them, with every migration applied."""
    made, port, database_port = environment(), free_port(), free_port()
    settings = {**made, "SUPABASE_PORT": str(port), "SUPABASE_DB_PORT": str(database_port), "SUPABASE_DISABLE_SIGNUP": "false"}
    database_url = made["CLOUDTRADER_DATABASE_URL"].replace("supabase-db:5432", f"127.0.0.1:{database_port}")
    with services_of_compose(tmp_path_factory.mktemp("compose"), settings, SERVICES, ["supabase"]):
        apply(database_url, MIGRATIONS)
        yield SupabaseServer(
            url=f"http://127.0.0.1:{port}",
            keys=Keys(
                publishable=made["CLOUDTRADER_SUPABASE_PUBLISHABLE_KEY"],
                secret=made["CLOUDTRADER_SUPABASE_SECRET_KEY"],
                jwt_secret=made["SUPABASE_JWT_SECRET"],
            ),
            database_url=database_url,
        )


@pytest.fixture(scope="session")
async def service(supabase: SupabaseServer) -> AsyncIterator[AsyncClient]:
    """A client with the workers' rights. A fixture of its own, because pytest would hand out the one kept for the other server."""
    async with connect(supabase.url, supabase.keys.secret) as client:
        yield client
