"""Temporal servers: one whose clock the tests move, and the real one."""

import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.testing import WorkflowEnvironment

from adapters.temporal import data_converter
from workflows import ids

BIN = str(Path(sys.executable).parent)
EVENTS_PER_RUN = 50
"""The real server suggests continue-as-new after this many events, so that tests reach it cheaply."""


@pytest.fixture(scope="session")
async def quick_server() -> AsyncIterator[WorkflowEnvironment]:
    """A server in memory, in real time; it never suggests continue-as-new."""
    async with time_skipping_server() as env:
        with env.auto_time_skipping_disabled():
            yield env


@pytest.fixture
async def own_time_skipping() -> AsyncIterator[WorkflowEnvironment]:
    """A server whose clock moves for this test alone: it skips while a result is awaited."""
    async with time_skipping_server() as env:
        yield env


@asynccontextmanager
async def time_skipping_server() -> AsyncIterator[WorkflowEnvironment]:
    env = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=shutil.which("temporal-test-server", path=BIN), data_converter=data_converter
    )
    async with env:
        keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
        await env.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=env.client.namespace, search_attributes={key.name: keyword for key in ids.SEARCH_ATTRIBUTES}
            )
        )
        yield env


@pytest.fixture(scope="session")
async def dev_server() -> AsyncIterator[WorkflowEnvironment]:
    """The real server, in real time."""
    async with real_server() as env:
        yield env


@asynccontextmanager
async def real_server() -> AsyncIterator[WorkflowEnvironment]:
    env = await WorkflowEnvironment.start_local(
        dev_server_existing_path=shutil.which("temporal", path=BIN),
        data_converter=data_converter,
        search_attributes=list(ids.SEARCH_ATTRIBUTES),
        dev_server_extra_args=["--dynamic-config-value", f"limit.historyCount.suggestContinueAsNew={EVENTS_PER_RUN}"],
    )
    async with env:
        yield env
