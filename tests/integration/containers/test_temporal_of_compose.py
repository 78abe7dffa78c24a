"""Temporal as temporal-compose.yml runs it: its tables on PostgreSQL, its namespace, our search attributes."""

import asyncio
from contextlib import suppress
from pathlib import Path

from temporalio.client import Client
from temporalio.service import RPCError

from ops.supabase.make_keys import environment
from tests.integration.containers.engine import docker_marks, services_of_compose
from tests.integration.containers.registered import NAMES, registered
from tests.integration.servers import free_port

pytestmark = docker_marks


async def test_temporal_starts_on_postgresql_with_our_search_attributes(tmp_path: Path) -> None:
    port = free_port()
    settings = {**environment(), "TEMPORAL_PORT": str(port)}

    with services_of_compose(tmp_path, settings, ["temporal-initialise"], wait=False):
        assert await asyncio.wait_for(_until_registered(port), timeout=300) >= NAMES


async def _until_registered(port: int) -> set[str]:
    while True:
        with suppress(RPCError, RuntimeError):
            if (found := await registered(await Client.connect(f"127.0.0.1:{port}"))) >= NAMES:
                return found
        await asyncio.sleep(2)
