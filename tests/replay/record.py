"""Records what real runs of our workflows look like: `python -m tests.replay.record` writes tests/replay/histories/*.json.

Add recordings when a release changed a command sequence; never rewrite those of a release, which stand for workflows that still run.
"""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from activities.screening import WindowInput, WindowResult
from adapters.temporal import data_converter
from domain.market import Interval
from domain.tiers import LIMITS, Tier
from tests.workflows.conftest import real_server
from tests.workflows.world import INSTANCE, USER, World, brief, config_of, elapsed, eventually, forever, match_at, monitor_id, trader_of
from workers.launcher import TemporalTraderLauncher
from workflows import ids
from workflows.contracts import DeployInput, InstanceInput, SignalMonitorInput, WithdrawInput
from workflows.instance import InstanceWorkflow
from workflows.signal_monitor import SignalMonitorWorkflow
from workflows.trader import TraderWorkflow

HISTORIES = Path(__file__).parent / "histories"
TRADER = UUID("00000000-0000-0000-0000-0000000000cc")
SIGNAL = UUID("00000000-0000-0000-0000-0000000000dd")
STORED = replace(trader_of(Tier.ELITE), id=TRADER)


async def record() -> None:
    """Run each scenario on the real server and keep its histories."""
    HISTORIES.mkdir(exist_ok=True)
    async with real_server() as env:
        client = await client_without_a_name(env)
        await save("trader", client, await trader_life(client))
        await save("instance", client, await instance_life(client))
        await save("signal-monitor", client, await monitor_life(client))


async def client_without_a_name(env: WorkflowEnvironment) -> Client:
    """Histories name who wrote them; this machine and process are nobody's business."""
    return await Client.connect(env.client.service_client.config.target_host, data_converter=data_converter, identity="recorder")


async def trader_life(client: Client) -> WorkflowHandle:
    """Matches, a monitor that closes, pause, resume, updates, a tick asked for, several runs, stop."""

    async def watch(window: WindowInput) -> WindowResult:
        if not window.duration or window.number == 2:
            return elapsed(window, matches=(match_at(window.number),))
        return await (forever(window) if window.number in (4, 5, 6) else brief(window))

    world, config = World(watch), config_of(TRADER)
    async with world.workers(client):
        await TemporalTraderLauncher(client).start(STORED, INSTANCE, LIMITS[Tier.ELITE])
        handle = client.get_workflow_handle_for(TraderWorkflow.run, ids.trader_workflow_id(TRADER))
        await eventually(lambda: len(world.windows) == 4)
        await client.get_workflow_handle(monitor_id(handle.id, match_at(2))).signal("stop", "closed by hand")
        await handle.signal(TraderWorkflow.pause, "night")
        await eventually(lambda: world.statuses[-1] == ("paused", "night"))
        await handle.signal(TraderWorkflow.resume)
        await eventually(lambda: len(world.windows) == 5)
        await handle.execute_update(TraderWorkflow.update_config, replace(config, version=2))
        await eventually(lambda: len(world.windows) == 6)
        await handle.execute_update(TraderWorkflow.run_now)
        await handle.execute_update(TraderWorkflow.set_limits, replace(config.limits, max_open_monitors=7))
        await eventually(lambda: len(world.windows) > 24)
        await handle.signal(TraderWorkflow.stop, "enough")
        await handle.result()
    return handle


async def instance_life(client: Client) -> WorkflowHandle:
    """Deploy, deploy again, pause and resume all, withdraw."""
    world = World(forever, traders={TRADER: STORED})
    async with world.workers(client):
        handle = await client.start_workflow(
            InstanceWorkflow.run,
            InstanceInput(user_id=USER, instance_id=INSTANCE),
            id=ids.instance_workflow_id(USER),
            task_queue=ids.TRADERS_QUEUE,
        )
        for _ in range(2):
            await handle.execute_update(InstanceWorkflow.deploy, DeployInput(trader_id=TRADER))
        await handle.signal(InstanceWorkflow.trader_changed, args=[str(TRADER), "running"])
        await handle.signal(InstanceWorkflow.pause_all, "night")
        await handle.signal(InstanceWorkflow.resume_all)
        await eventually(lambda: len(world.sent) == 2)
        await handle.execute_update(InstanceWorkflow.withdraw, WithdrawInput(trader_id=TRADER))
        await eventually(lambda: world.saved[-1].traders == {"stopped": 1})
        await handle.terminate()
    return handle


async def monitor_life(client: Client) -> WorkflowHandle:
    """A signal that expires."""
    signal = SignalMonitorInput(
        signal_id=SIGNAL,
        trader_id=TRADER,
        user_id=USER,
        symbol="BTCUSDT",
        interval=Interval.M1,
        expires_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    async with World(forever).workers(client):
        workflow_id = ids.signal_monitor_workflow_id(SIGNAL)
        handle = await client.start_workflow(SignalMonitorWorkflow.run, signal, id=workflow_id, task_queue=ids.TRADERS_QUEUE)
        await handle.result()
    return handle


async def save(name: str, client: Client, handle: WorkflowHandle) -> None:
    """One file per run, oldest first."""
    run_id, number = handle.first_execution_run_id or await oldest_run(client, handle.id), 1
    while run_id:
        history = await client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()
        kept = {"workflow_id": handle.id, **history.to_json_dict()}
        (HISTORIES / f"{name}-{number}.json").write_text(json.dumps(kept, separators=(",", ":")) + "\n")
        ended = history.events[-1]
        run_id, number = ended.workflow_execution_continued_as_new_event_attributes.new_execution_run_id, number + 1


async def oldest_run(client: Client, workflow_id: str) -> str:
    """Where the chain of runs began, as its newest run remembers it."""
    return (await client.get_workflow_handle(workflow_id).describe()).raw_description.workflow_execution_info.first_run_id


if __name__ == "__main__":
    asyncio.run(record())
