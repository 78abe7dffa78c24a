"""The first `make up` on a machine, as a newcomer sees it: from nothing to signals, and on from there at the next start."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from adapters import temporal
from cli.demo import DEPLOYED, TRADERS
from domain.tiers import Tier
from tests.acceptance.backend import eventually, measured
from tests.acceptance.commands import cloudtrader
from tests.acceptance.running_stack import RunningStack, running_stack

SPEED = "20"
SYMBOLS = "80"
SIGNAL_WITHIN = 120.0
RUNNING_TRADERS = "WorkflowType = 'trader' AND ExecutionStatus = 'Running'"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[RunningStack]:
    began = asyncio.get_running_loop().time()
    async with running_stack(MARKET="simulated", MARKET_SPEED=SPEED, MARKET_SYMBOLS=SYMBOLS) as stack:
        measured("first start", asyncio.get_running_loop().time() - began)
        yield stack


async def _answer(stack: RunningStack, *arguments: str) -> list[dict]:
    ended = await cloudtrader(stack, *arguments, "--json")
    assert (0, "") == (ended.status, ended.err), arguments
    return json.loads(ended.out)


async def _running_traders(client: Client) -> dict[str, str]:
    """The first run of the chain of each running trader, by workflow id."""
    found = {}
    async for workflow in client.list_workflows(RUNNING_TRADERS):
        description = await client.get_workflow_handle(workflow.id).describe()
        found[workflow.id] = description.raw_description.workflow_execution_info.first_run_id
    return found


async def test_demo_traders_run_per_tier_and_their_signals_can_be_seen(stack: RunningStack) -> None:
    for tier in Tier:
        listed = await _answer(stack, "trader", "list", "--user", f"demo-{tier}@cloudtrader.test")
        assert {example.name for example in (TRADERS if tier is not Tier.FREE else ())} == {trader["name"] for trader in listed}
        running = {trader["name"] for trader in listed if trader["enabled_in_cloud"]}
        assert {example.name for example in DEPLOYED[tier]} == running

    async def signals() -> bool:
        return bool((await cloudtrader(stack, "signals", "tail", "--no-follow")).out)

    measured("from ready to the first signal, at 20 times real speed", await eventually(signals, SIGNAL_WITHIN, "a signal"))
    lines = (await cloudtrader(stack, "signals", "tail", "--no-follow")).out.splitlines()
    assert all("USDT" in line and "simulated" in line for line in lines)


async def test_doctor_finds_everything_well(stack: RunningStack) -> None:
    findings = await _answer(stack, "doctor")
    assert [] == [finding for finding in findings if not finding["ok"]]


async def test_the_next_start_goes_on_with_the_same_traders_and_a_stop_leaves_nothing(stack: RunningStack) -> None:
    client = await temporal.connect(stack.settings)
    before = await _running_traders(client)
    await stack.stop()
    assert [] == stack.processes()
    taken = stack.port("feeder")
    with socket.create_server(("127.0.0.1", taken)):
        measured("second start", await stack.start())
    assert any(f"port {taken} is taken: feeder gets {stack.port('feeder')}" in line for line in stack.lines)
    assert 4 == len(before)
    assert before == await _running_traders(await temporal.connect(stack.settings))
