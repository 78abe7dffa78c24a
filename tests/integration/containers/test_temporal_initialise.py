"""The step of temporal-compose.yml that makes the namespace, run against a real server."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from local.temporal_server import binary
from tests.integration.containers.engine import ROOT
from tests.integration.containers.registered import NAMES, registered


@pytest.fixture
async def dev_server() -> AsyncIterator[WorkflowEnvironment]:
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=binary(), dev_server_log_level="error") as server:
        yield server


async def test_the_namespace_and_its_search_attributes_are_made_once_however_often_they_are_asked_for(
    dev_server: WorkflowEnvironment,
) -> None:
    address = dev_server.client.service_client.config.target_host
    path = f"{Path(binary()).parent}{os.pathsep}{os.environ['PATH']}"
    for _ in range(2):
        made = await asyncio.to_thread(
            subprocess.run,
            ["sh", str(ROOT / "ops/temporal/initialise.sh")],
            env={"PATH": path, "HOME": "/nonexistent", "TEMPORAL_ADDRESS": address, "TEMPORAL_NAMESPACE": "crypto"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert made.returncode == 0, made.stderr

    assert await registered(await Client.connect(address, namespace="crypto")) == NAMES
