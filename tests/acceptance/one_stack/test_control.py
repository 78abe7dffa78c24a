"""Operators pause, resume and stop traders with Temporal's own tools: it takes effect at once, whatever the trader is doing."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.client import WorkflowExecutionStatus

from domain.tiers import Tier
from domain.traders import TraderStatus
from tests.acceptance.backend import Backend, eventually, measured
from tests.acceptance.commands import tell
from tests.acceptance.running_stack import RunningStack
from workflows import ids

RISING = "match = close > open"
"""Of a dozen symbols some newly match at every candle."""
AT_ONCE = 15.0
"""A window lasts up to 300 s: whatever waited for its end would take longer. `-s` shows the time it took."""
SILENCE = 6.0
"""Four candles at this speed."""
SOON = 30.0

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def trader(backend: Backend) -> AsyncIterator[UUID]:
    """A trader that has signals at every candle."""
    trader_id = await _signalling(backend)
    yield trader_id
    await backend.stop(trader_id)


async def _signalling(backend: Backend, user: UUID | None = None) -> UUID:
    trader_id = await backend.deploy("rising", RISING, "1m", user=user)
    await _signals_again(backend, trader_id, datetime.now(UTC))
    return trader_id


async def _signals_again(backend: Backend, trader_id: UUID, since: datetime) -> None:
    async def has_new() -> bool:
        return any(row["created_at"] > since for row in await backend.signals_of(trader_id))

    await eventually(has_new, SOON, "a signal is recorded")


async def _becomes(backend: Backend, trader_id: UUID, status: TraderStatus, within: float = AT_ONCE) -> float:
    async def holds() -> bool:
        return (await backend.status_of(trader_id)).status is status

    return await eventually(holds, within, f"the trader is {status}")


async def _database_says(backend: Backend, trader_id: UUID, status: TraderStatus) -> None:
    async def holds() -> bool:
        return await backend.shown_status(trader_id) is status

    await eventually(holds, SOON, f"the database says {status}")


async def _assert_silent(backend: Backend, trader_id: UUID, since: datetime) -> None:
    await asyncio.sleep(SILENCE)
    recorded = [row["created_at"] for row in await backend.signals_of(trader_id)]
    assert [] == [moment for moment in recorded if moment > since + timedelta(seconds=AT_ONCE)]


async def test_pause_and_resume_without_input_take_effect_within_a_second(stack: RunningStack, backend: Backend, trader: UUID) -> None:
    await tell(stack, "--workflow-id", ids.trader_workflow_id(trader), "--name", "pause")
    paused_at = datetime.now(UTC)
    measured("paused after", await _becomes(backend, trader, TraderStatus.PAUSED))
    await _assert_silent(backend, trader, paused_at)
    await _database_says(backend, trader, TraderStatus.PAUSED)

    await tell(stack, "--workflow-id", ids.trader_workflow_id(trader), "--name", "resume")
    resumed_at = datetime.now(UTC)
    measured("running after", await _becomes(backend, trader, TraderStatus.RUNNING))
    await _signals_again(backend, trader, resumed_at)
    await _database_says(backend, trader, TraderStatus.RUNNING)


async def test_a_signal_with_an_empty_input_as_tctl_sends_it_pauses(backend: Backend, trader: UUID) -> None:
    request = SignalWorkflowExecutionRequest(
        namespace=backend.temporal.namespace,
        workflow_execution=WorkflowExecution(workflow_id=ids.trader_workflow_id(trader)),
        signal_name="pause",
        input=Payloads(),
    )
    await backend.temporal.workflow_service.signal_workflow_execution(request)
    await _becomes(backend, trader, TraderStatus.PAUSED)


async def test_stop_ends_the_workflow_and_the_database_says_so(stack: RunningStack, backend: Backend) -> None:
    trader = await _signalling(backend)
    await tell(stack, "--workflow-id", ids.trader_workflow_id(trader), "--name", "stop", "--input", '"cleaning up"')
    await _becomes(backend, trader, TraderStatus.STOPPED)
    report = await asyncio.wait_for(backend.workflow(trader).result(), SOON)
    assert (TraderStatus.STOPPED, "cleaning up") == (report.status, report.reason)
    await _database_says(backend, trader, TraderStatus.STOPPED)
    await backend.stop(trader)


async def test_a_batch_reaches_the_traders_of_one_user_and_no_others(stack: RunningStack, backend: Backend) -> None:
    user, _ = await backend.new_user(Tier.ELITE)
    theirs = [await _signalling(backend, user), await _signalling(backend, user)]
    other = await _signalling(backend)
    batch = ("--query", f"WorkflowType='trader' AND ExecutionStatus='Running' AND UserId='{user}'", "--yes")

    await tell(stack, *batch, "--name", "pause")
    paused_at = datetime.now(UTC)
    for trader in theirs:
        measured("paused by a batch after", await _becomes(backend, trader, TraderStatus.PAUSED))
    assert TraderStatus.RUNNING is (await backend.status_of(other)).status
    await _assert_silent(backend, theirs[0], paused_at)
    await _signals_again(backend, other, paused_at)

    await tell(stack, *batch, "--name", "resume")
    for trader in theirs:
        await _becomes(backend, trader, TraderStatus.RUNNING)
    await tell(stack, *batch, "--name", "stop")
    for trader in theirs:
        await _becomes(backend, trader, TraderStatus.STOPPED)
        assert WorkflowExecutionStatus.COMPLETED is await _end_of(backend, trader)
    assert TraderStatus.RUNNING is (await backend.status_of(other)).status
    await backend.stop(other)


async def _end_of(backend: Backend, trader: UUID) -> WorkflowExecutionStatus | None:
    await asyncio.wait_for(backend.workflow(trader).result(), SOON)
    return (await backend.workflow(trader).describe()).status


async def test_pausing_takes_effect_while_the_database_does_not_answer(stack: RunningStack, backend: Backend, trader: UUID) -> None:
    with stack.frozen("postgres"):
        await asyncio.sleep(2)  # windows and records are held up now
        await tell(stack, "--workflow-id", ids.trader_workflow_id(trader), "--name", "pause")
        await _becomes(backend, trader, TraderStatus.PAUSED)
    answers_again = datetime.now(UTC)
    await _database_says(backend, trader, TraderStatus.PAUSED)
    await _assert_silent(backend, trader, answers_again)
