"""Every Temporal signal of every workflow, from the definitions, sent as an operator may send it: without input, or with nonsense."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from domain.market import Interval
from tests.workflows.world import INSTANCE, USER, World, config_of, forever
from workers.registry import WORKFLOWS
from workflows import ids
from workflows.contracts import InstanceInput, SignalMonitorInput, TraderInput
from workflows.instance import InstanceWorkflow
from workflows.signal_monitor import SignalMonitorWorkflow
from workflows.trader import TraderWorkflow

NONSENSE: list[list[Any]] = [[{"what": 1}], [None], [["pause"], 7], [2**63]]
AFTERWARDS = {
    ("trader", "pause"): "paused",
    ("trader", "stop"): "stopped",
    ("instance", "pause_all"): "paused",
    ("instance", "resume_all"): "running",
    ("signal-monitor", "stop"): "closed",
}
"""Where a signal without input leads; all others change nothing."""
BEFORE = {"trader": "running", "instance": "provisioning", "signal-monitor": "monitoring"}


def definition_of(kind: type) -> Any:
    return workflow._Definition.from_class(kind)


SIGNALS = [pytest.param(kind, name, id=f"{definition_of(kind).name}.{name}") for kind in WORKFLOWS for name in definition_of(kind).signals]


async def start(client: Client, kind: type) -> WorkflowHandle:
    trader_id = uuid4()
    inputs = {
        TraderWorkflow: TraderInput(config=config_of(trader_id)),
        InstanceWorkflow: InstanceInput(user_id=USER, instance_id=INSTANCE),
        SignalMonitorWorkflow: SignalMonitorInput(
            signal_id=uuid4(),
            trader_id=trader_id,
            user_id=USER,
            symbol="BTCUSDT",
            interval=Interval.M1,
            expires_at=datetime(2100, 1, 1, tzinfo=UTC),
        ),
    }
    return await client.start_workflow(
        definition_of(kind).name, inputs[kind], id=f"{definition_of(kind).name}:{trader_id}", task_queue=ids.TRADERS_QUEUE
    )


async def status_of(handle: WorkflowHandle) -> str:
    said = await handle.query("status")
    return said if isinstance(said, str) else said["status"]


@pytest.mark.parametrize(("kind", "name"), SIGNALS)
async def test_a_signal_without_input_does_what_it_says_and_once_more_the_same(
    quick_server: WorkflowEnvironment, kind: type, name: str
) -> None:
    workflow_type = definition_of(kind).name
    async with World(forever).workers(quick_server.client):
        handle = await start(quick_server.client, kind)
        before = await status_of(handle)
        await handle.signal(name)
        after = await status_of(handle)
        if after not in ("stopped", "closed"):
            await handle.signal(name)
            await handle.signal(name, "with a reason")
        again = await status_of(handle)
        await end(handle)

    assert before in (BEFORE[workflow_type], "running", "new")
    assert AFTERWARDS.get((workflow_type, name), before) == after == again or (before, after) == ("new", "monitoring")


@pytest.mark.parametrize("args", NONSENSE, ids=str)
@pytest.mark.parametrize(("kind", "name"), SIGNALS)
async def test_input_that_makes_no_sense_does_no_harm(quick_server: WorkflowEnvironment, kind: type, name: str, args: list[Any]) -> None:
    workflow_type = definition_of(kind).name
    async with World(forever).workers(quick_server.client):
        handle = await start(quick_server.client, kind)
        await handle.signal(name, args=args)
        after = await status_of(handle)
        await end(handle)

    assert after in {AFTERWARDS.get((workflow_type, name), BEFORE[workflow_type]), "new", "monitoring"}


async def end(handle: WorkflowHandle) -> None:
    with suppress(RPCError):  # it may have ended by what it was told
        await handle.terminate()
