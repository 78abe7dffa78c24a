"""What operators type: the real `temporal` command against the real server."""

import asyncio
import shutil
from uuid import uuid4

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from domain.traders import TraderStatus
from tests.workflows.conftest import BIN
from tests.workflows.world import World, eventually, forever, start_trader
from workflows.trader import TraderWorkflow

TEMPORAL = str(shutil.which("temporal", path=BIN))


async def temporal(env: WorkflowEnvironment, *arguments: str) -> str:
    """Run the command; what it printed."""
    address = env.client.service_client.config.target_host
    process = await asyncio.create_subprocess_exec(
        TEMPORAL, *arguments, "--address", address, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(30):
        printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed.decode()


async def says(trader: WorkflowHandle, status: TraderStatus) -> bool:
    return status == (await trader.query(TraderWorkflow.status)).status


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (["--name", "pause"], TraderStatus.PAUSED, ""),
        (["--name", "pause", "-i", '"maintenance"'], TraderStatus.PAUSED, "maintenance"),
        (["--name", "pause", "-i", '{"why": "tctl"}'], TraderStatus.PAUSED, ""),
        (["--name", "pause", "-i", "null", "-i", "7"], TraderStatus.PAUSED, ""),
        (["--name", "stop"], TraderStatus.STOPPED, ""),
        (["--name", "no-such-signal"], TraderStatus.RUNNING, ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
async def test_a_signal_takes_effect_while_a_window_runs_that_would_never_end(
    dev_server: WorkflowEnvironment, arguments: list[str], status: TraderStatus, reason: str
) -> None:
    world = World(forever)
    async with world.workers(dev_server.client):
        trader = await start_trader(dev_server.client)
        await eventually(lambda: bool(world.windows))
        await temporal(dev_server, "workflow", "signal", "--workflow-id", trader.id, *arguments)
        await eventually(lambda: says(trader, status))
        report = await trader.query(TraderWorkflow.status)
        await trader.signal(TraderWorkflow.stop)
        await trader.result()

    assert report.reason == reason


async def test_a_batch_pauses_all_traders_of_one_user_and_no_others(dev_server: WorkflowEnvironment) -> None:
    user, query = uuid4(), "UserId='{}' AND ExecutionStatus='Running'"
    world = World(forever)
    async with world.workers(dev_server.client):
        theirs = [await start_trader(dev_server.client, user_id=user) for _ in range(3)]
        other = await start_trader(dev_server.client, user_id=uuid4())
        await eventually(lambda: counts(dev_server, query.format(user), 3))
        await temporal(dev_server, "workflow", "signal", "--query", query.format(user), "--name", "pause", "--reason", "maintenance", "-y")
        for trader in theirs:
            await eventually(lambda trader=trader: says(trader, TraderStatus.PAUSED))
        others_status = (await other.query(TraderWorkflow.status)).status
        await eventually(lambda: counts(dev_server, f"UserId='{user}' AND TraderStatus='paused'", 3))
        for trader in [*theirs, other]:
            await trader.signal(TraderWorkflow.stop)
            await trader.result()

    assert others_status is TraderStatus.RUNNING


async def test_cancel_stops_the_trader_and_says_so(dev_server: WorkflowEnvironment) -> None:
    world = World(forever)
    async with world.workers(dev_server.client):
        trader = await start_trader(dev_server.client)
        await eventually(lambda: bool(world.windows))
        await temporal(dev_server, "workflow", "cancel", "--workflow-id", trader.id)
        await eventually(lambda: is_canceled(trader))

    assert world.statuses[-1] == ("stopped", "canceled by an operator")


async def test_the_web_ui_lists_what_may_be_sent(dev_server: WorkflowEnvironment) -> None:
    async with World(forever).workers(dev_server.client):
        trader = await start_trader(dev_server.client)
        printed = await temporal(dev_server, "workflow", "metadata", "--workflow-id", trader.id)
        await trader.signal(TraderWorkflow.stop)
        await trader.result()

    assert all(word in printed for word in ("pause", "resume", "stop", "update_config", "run_now", "Stop looking, keep everything."))


async def counts(env: WorkflowEnvironment, query: str, expected: int) -> bool:
    return expected == (await env.client.count_workflows(query)).count


async def is_canceled(trader: WorkflowHandle) -> bool:
    return (await trader.describe()).status is WorkflowExecutionStatus.CANCELED
