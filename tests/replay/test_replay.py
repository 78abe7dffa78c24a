"""Workflows that are running now must go on under the new code: what was recorded is replayed, under its own workflow ID.

A recording that no longer replays means that a command sequence changed: use `workflow.patched`, then add a new
recording with `python -m tests.replay.record`.
"""

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from adapters.temporal import data_converter
from tests.replay.changed import HesitatingTrader
from workers.registry import WORKFLOWS
from workers.runner import sandbox

RECORDED = sorted((Path(__file__).parent / "histories").glob("*.json"))


def history_in(path: Path) -> WorkflowHistory:
    kept = json.loads(path.read_text())
    return WorkflowHistory.from_json(kept.pop("workflow_id"), kept)


def replayer(workflows: list[type]) -> Replayer:
    return Replayer(workflows=workflows, workflow_runner=sandbox(), data_converter=data_converter)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_recorded_runs_go_on_under_this_code(path: Path) -> None:
    result = await replayer(WORKFLOWS).replay_workflow(history_in(path), raise_on_replay_failure=False)

    assert result.replay_failure is None


def test_every_workflow_is_recorded_and_the_trader_across_runs() -> None:
    recorded = {path.stem for path in RECORDED}

    assert {"instance-1", "signal-monitor-1", "trader-1", "trader-2"} <= recorded


def test_the_recorded_trader_did_all_that_a_trader_does() -> None:
    text = "".join(path.read_text() for path in RECORDED if path.stem.startswith("trader-"))
    messages = ("pause", "resume", "stop", "monitor_closed", "update_config", "run_now", "set_limits", "screening.watch", "signals.record")

    assert [name for name in messages if f'"{name}"' not in text] == []


async def test_a_command_more_than_was_recorded_is_noticed() -> None:
    others = [kind for kind in WORKFLOWS if not issubclass(HesitatingTrader, kind)]
    (path,) = (path for path in RECORDED if path.stem == "trader-1")
    result = await replayer([*others, HesitatingTrader]).replay_workflow(history_in(path), raise_on_replay_failure=False)

    assert isinstance(result.replay_failure, NondeterminismError)
