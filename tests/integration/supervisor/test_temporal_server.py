"""Temporal's development server under the supervisor: its search attributes are there, and its workflows outlive it."""

import asyncio
import os
import signal
import socket
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from local.foreground import StartError
from local.supervisor.display import PlainDisplay
from local.supervisor.health import HttpHealth
from local.supervisor.specs import ProcessSpec
from local.supervisor.status import State
from local.supervisor.supervisor import Supervisor
from local.temporal_server import RETENTION, health_url, require_sound, retention_argv, server_argv
from workflows.ids import SEARCH_ATTRIBUTES


@pytest.fixture
def ports() -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
    numbers = [listening.getsockname()[1] for listening in sockets]
    for listening in sockets:
        listening.close()
    return numbers


@asynccontextmanager
async def served(folder: Path, ports: list[int]):
    """The server under a supervisor, with its retention set; gives the process's status and a client."""
    port, ui, http, metrics = ports
    argv = server_argv(folder / "temporal.db", port=port, ui_port=ui, http_port=http, metrics_port=metrics)
    specs = (
        ProcessSpec(name="temporal", argv=argv, health=HttpHealth(url=health_url(http))),
        ProcessSpec(name="temporal-retention", argv=retention_argv(port), depends_on=("temporal",)),
    )
    supervisor = Supervisor(specs, state=folder, environment={}, display=PlainDisplay(Console()))
    run = asyncio.create_task(supervisor.run())
    try:
        async with asyncio.timeout(30):
            await supervisor.settled()
        yield supervisor.statuses[0], await Client.connect(f"127.0.0.1:{port}")
    finally:
        supervisor.stop()
        await run


async def test_search_attributes_and_retention_are_set(tmp_path, ports):
    async with served(tmp_path, ports) as (_, client):
        known = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace="default"))
        namespace = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="default"))

    keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    assert {key.name: keyword for key in SEARCH_ATTRIBUTES} == dict(known.custom_attributes)
    assert namespace.config.workflow_execution_retention_ttl.ToTimedelta() == RETENTION


async def test_workflows_outlive_a_stop_and_a_kill_of_the_server(tmp_path, ports):
    async with served(tmp_path, ports) as (_, client):
        await client.start_workflow("trader", id="trader:1", task_queue="traders", memo={"name": "oversold"})

    async with served(tmp_path, ports) as (temporal, client):
        await client.start_workflow("trader", id="trader:2", task_queue="traders")
        os.kill(temporal.pid, signal.SIGKILL)
        async with asyncio.timeout(30):
            while temporal.restarts == 0 or temporal.state is not State.READY:  # noqa: ASYNC110 - the supervisor restarts it
                await asyncio.sleep(0.05)
        first = await client.get_workflow_handle("trader:1").describe(rpc_timeout=timedelta(seconds=10))
        second = await client.get_workflow_handle("trader:2").describe(rpc_timeout=timedelta(seconds=10))

    assert await first.memo() == {"name": "oversold"}
    assert second.status is not None
    assert second.status.name == "RUNNING"


def test_a_damaged_database_is_refused_with_advice(tmp_path):
    (tmp_path / "temporal.db").write_bytes(b"not a database at all")

    with pytest.raises(StartError, match=r"temporal\.db is damaged: put a copy of it back, or move it away"):
        require_sound(tmp_path / "temporal.db")
