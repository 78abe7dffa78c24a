"""A user's instance: who may deploy what, and what is told to whom."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities import screening
from activities import traders as trader_activities
from domain.tiers import LIMITS, Tier
from domain.traders import InstanceStatus, Trader, TraderStatus
from tests.workflows.conftest import EVENTS_PER_RUN
from tests.workflows.world import INSTANCE, World, eventually, forever, trader_of
from workflows import ids
from workflows.contracts import DeployInput, DeployResult, InstanceInput, WithdrawInput
from workflows.instance import InstanceWorkflow

Instance = WorkflowHandle[InstanceWorkflow, None]


async def start_instance(client: Client, user_id: UUID) -> Instance:
    return await client.start_workflow(
        InstanceWorkflow.run,
        InstanceInput(user_id=user_id, instance_id=INSTANCE),
        id=ids.instance_workflow_id(user_id),
        task_queue=ids.TRADERS_QUEUE,
    )


def world_with(*stored: Trader, errors: dict[str, Exception] | None = None) -> World:
    return World(forever, traders={trader.id: trader for trader in stored}, errors=errors or {})


async def deploy(instance: Instance, trader: Trader) -> DeployResult:
    return await instance.execute_update(InstanceWorkflow.deploy, DeployInput(trader_id=trader.id))


async def refusal(instance: Instance, trader: Trader) -> tuple[str, str]:
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await deploy(instance, trader)
    assert isinstance(refused.value.cause, ApplicationError)
    return str(refused.value.cause.type), refused.value.cause.message


def of_one_user(tier: Tier, count: int) -> list[Trader]:
    user_id = uuid4()
    return [trader_of(tier, user_id) for _ in range(count)]


async def test_a_deployed_trader_is_started_with_what_its_tier_allows_and_shown(quick_server: WorkflowEnvironment) -> None:
    (trader,) = of_one_user(Tier.PRO, 1)
    world = world_with(trader)
    async with world.workers(quick_server.client):
        instance = await start_instance(quick_server.client, trader.user_id)
        result = await deploy(instance, trader)
        await eventually(lambda: bool(world.saved) and world.saved[-1].traders == {"starting": 1})
        await instance.signal(InstanceWorkflow.trader_changed, args=[str(trader.id), "running"])
        await eventually(lambda: world.saved[-1].traders == {"running": 1})
        state = await instance.query(InstanceWorkflow.status)
        await instance.terminate()

    assert result == DeployResult(workflow_id=f"trader:{trader.id}", version=1)
    assert [(trader, LIMITS[Tier.PRO], INSTANCE)] == [(one.trader, one.limits, one.instance_id) for one in world.started]
    assert (InstanceStatus.RUNNING, {str(trader.id): "running"}) == (state.status, state.traders)
    assert (world.saved[-1].status, world.saved[-1].user_id) == (InstanceStatus.RUNNING, trader.user_id)


async def test_deploying_again_hands_over_the_newest_version_and_takes_no_second_place(quick_server: WorkflowEnvironment) -> None:
    (trader,) = of_one_user(Tier.PRO, 1)
    world = world_with(trader)
    async with world.workers(quick_server.client):
        instance = await start_instance(quick_server.client, trader.user_id)
        await deploy(instance, trader)
        await instance.signal(InstanceWorkflow.trader_changed, args=[str(trader.id), "paused"])
        world.traders[trader.id] = replace(trader, version=2)
        result = await deploy(instance, trader)
        state = await instance.query(InstanceWorkflow.status)
        await instance.terminate()

    assert result.version == 2
    assert [1, 2] == [one.trader.version for one in world.started]
    assert {str(trader.id): "paused"} == state.traders, "a new version does not resume a paused trader"


async def test_a_free_user_is_refused_and_nothing_is_started(quick_server: WorkflowEnvironment) -> None:
    (trader,) = of_one_user(Tier.FREE, 1)
    world = world_with(trader)
    async with world.workers(quick_server.client):
        instance = await start_instance(quick_server.client, trader.user_id)
        kind, message = await refusal(instance, trader)
        state = await instance.query(InstanceWorkflow.status)
        await instance.terminate()

    assert (kind, world.started, state.traders) == ("LimitReachedError", [], {})
    assert "Upgrade to pro or elite" in message


async def test_the_eleventh_trader_of_a_pro_user_is_refused_until_one_is_withdrawn(quick_server: WorkflowEnvironment) -> None:
    stored = of_one_user(Tier.PRO, 11)
    world = world_with(*stored)
    async with world.workers(quick_server.client):
        instance = await start_instance(quick_server.client, stored[0].user_id)
        for trader in stored[:10]:
            await deploy(instance, trader)
        kind, message = await refusal(instance, stored[10])
        started = len(world.started)
        delivered = await instance.execute_update(InstanceWorkflow.withdraw, WithdrawInput(trader_id=stored[0].id))
        await deploy(instance, stored[10])
        state = await instance.query(InstanceWorkflow.status)
        await instance.terminate()

    assert (kind, started, delivered) == ("LimitReachedError", 10, True)
    assert "allows 10 cloud traders" in message
    assert [(stored[0].id, "stop")] == world.sent
    assert TraderStatus.STOPPED == state.traders[str(stored[0].id)]


async def test_stopped_traders_that_are_deployed_again_at_once_do_not_slip_past_the_limit(quick_server: WorkflowEnvironment) -> None:
    stored = of_one_user(Tier.PRO, 12)
    world = world_with(*stored)
    async with world.workers(quick_server.client):
        instance = await start_instance(quick_server.client, stored[0].user_id)
        for trader in stored[:3]:
            await deploy(instance, trader)
            await instance.execute_update(InstanceWorkflow.withdraw, WithdrawInput(trader_id=trader.id))
        for trader in stored[3:]:
            await deploy(instance, trader)
        await deploy(instance, stored[0])
        kind, _ = await refusal(instance, stored[1])
        await instance.terminate()

    assert kind == "LimitReachedError"
    assert len(world.started) == 3 + 9 + 1


async def test_somebody_elses_trader_can_neither_be_deployed_nor_withdrawn(quick_server: WorkflowEnvironment) -> None:
    theirs = trader_of(Tier.ELITE, uuid4())
    world = world_with(theirs)
    async with world.workers(quick_server.client):
        instance = await start_instance(quick_server.client, uuid4())
        kind, _ = await refusal(instance, theirs)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await instance.execute_update(InstanceWorkflow.withdraw, WithdrawInput(trader_id=theirs.id))
        await instance.terminate()

    assert kind == refused.value.cause.type == "NotFoundError"
    assert (world.started, world.sent) == ([], [])


async def test_a_broken_filter_is_refused_word_for_word_and_nothing_is_started(quick_server: WorkflowEnvironment) -> None:
    (trader,) = of_one_user(Tier.ELITE, 1)
    broken = ApplicationError("line 2, column 5: there is no rsj", type="FilterRefusedError", non_retryable=True)
    world = world_with(trader, errors={screening.CHECK: broken})
    async with world.workers(quick_server.client):
        instance = await start_instance(quick_server.client, trader.user_id)
        refused = await refusal(instance, trader)
        state = await instance.query(InstanceWorkflow.status)
        await instance.terminate()

    assert refused == ("FilterRefusedError", "line 2, column 5: there is no rsj")
    assert (world.started, state.traders) == ([], {})


async def test_a_trader_that_cannot_be_started_gives_its_place_back(quick_server: WorkflowEnvironment) -> None:
    (trader,) = of_one_user(Tier.ELITE, 1)
    error = ApplicationError("An older version than the one that runs.", type="RefusedError", non_retryable=True)
    world = world_with(trader, errors={trader_activities.START: error})
    async with world.workers(quick_server.client):
        instance = await start_instance(quick_server.client, trader.user_id)
        refused = await refusal(instance, trader)
        state = await instance.query(InstanceWorkflow.status)
        await instance.terminate()

    assert (refused[0], state.traders) == ("RefusedError", {})


@pytest.mark.parametrize(("name", "told", "status"), [("pause_all", "pause", "paused"), ("resume_all", "resume", "running")])
async def test_all_traders_but_stopped_ones_are_told(quick_server: WorkflowEnvironment, name: str, told: str, status: str) -> None:
    stored = of_one_user(Tier.ELITE, 3)
    world = world_with(*stored)
    async with world.workers(quick_server.client):
        instance = await start_instance(quick_server.client, stored[0].user_id)
        for trader in stored:
            await deploy(instance, trader)
        await instance.execute_update(InstanceWorkflow.withdraw, WithdrawInput(trader_id=stored[2].id))
        world.sent.clear()
        await instance.signal(name)
        await eventually(lambda: len(world.sent) == 2 and world.saved[-1].status == status)
        await instance.terminate()

    assert {(trader.id, told) for trader in stored[:2]} == set(world.sent)


async def test_traders_that_cannot_be_told_are_named_in_the_reason_and_the_instance_lives_on(quick_server: WorkflowEnvironment) -> None:
    stored = of_one_user(Tier.ELITE, 2)
    world = world_with(*stored)
    async with world.workers(quick_server.client):
        instance = await start_instance(quick_server.client, stored[0].user_id)
        for trader in stored:
            await deploy(instance, trader)
        world.errors[trader_activities.SIGNAL] = ApplicationError("away", type="UnavailableError", non_retryable=True)
        await instance.signal(InstanceWorkflow.pause_all, "maintenance")
        await eventually(lambda: "2 of 2 traders could not be told" in world.saved[-1].reason)
        world.errors.clear()
        await instance.signal(InstanceWorkflow.pause_all, "maintenance")
        await eventually(lambda: len(world.sent) == 2)
        await instance.terminate()

    assert world.saved[-1].reason.startswith("maintenance")


@pytest.mark.parametrize("args", [["no uuid", "running"], [str(uuid4()), "flying"], [str(uuid4())], []])
async def test_nonsense_about_a_trader_is_ignored(quick_server: WorkflowEnvironment, args: list[str]) -> None:
    async with world_with().workers(quick_server.client):
        instance = await start_instance(quick_server.client, uuid4())
        await instance.signal("trader_changed", args=args)
        state = await instance.query(InstanceWorkflow.status)
        await instance.terminate()

    assert state.traders == {}


async def test_continue_as_new_keeps_the_state_and_waits_for_whoever_is_being_answered(dev_server: WorkflowEnvironment) -> None:
    stored = of_one_user(Tier.ELITE, 12)
    world = world_with(*stored)
    async with world.workers(dev_server.client):
        instance = await start_instance(dev_server.client, stored[0].user_id)
        answers = [await deploy(instance, trader) for trader in stored]
        for trader in stored:
            await instance.signal(InstanceWorkflow.trader_changed, args=[str(trader.id), "running"])
        await instance.signal(InstanceWorkflow.pause_all, "night")
        await eventually(lambda: world.saved[-1].status == "paused" and world.saved[-1].traders == {"running": 12})
        described = await instance.describe()
        runs = await runs_of(dev_server.client, instance.id)
        state = await instance.query(InstanceWorkflow.status)
        await instance.terminate()

    assert [f"trader:{trader.id}" for trader in stored] == [answer.workflow_id for answer in answers]
    assert len(runs) > 12 * 20 // EVENTS_PER_RUN > 1
    assert {"CONTINUED_AS_NEW"} == set(runs[1:])
    assert described.history_length < 3 * EVENTS_PER_RUN
    assert (state.status, state.reason, len(state.traders)) == (InstanceStatus.PAUSED, "night", 12)
    assert {(trader.id, "pause") for trader in stored} == set(world.sent)


async def runs_of(client: Client, workflow_id: str) -> list[str]:
    """How each run of a workflow stands, newest first, as the server lists them."""
    found: list[str] = []

    async def listed() -> bool:
        found[:] = [str(one.status.name) async for one in client.list_workflows(f"WorkflowId = '{workflow_id}'") if one.status]
        return "RUNNING" in found

    await eventually(listed)
    return found
