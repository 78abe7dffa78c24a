"""Workflow code is deterministic: the sandbox says no, and nothing slips into it by import."""

import ast
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

import workflows
from tests.contract import impure
from tests.workflows.conftest import time_skipping_server
from workers.runner import sandbox

FILES = sorted(Path(workflows.__path__[0]).glob("*.py"))
DEFINING = [path for path in FILES if "@workflow.defn" in path.read_text()]


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    async with time_skipping_server() as env:
        yield env


@pytest.mark.parametrize("what", sorted(impure.FORBIDDEN))
async def test_what_is_not_deterministic_fails_in_the_sandbox(server: WorkflowEnvironment, what: str) -> None:
    async with Worker(
        server.client,
        task_queue="impure",
        workflows=[impure.ImpureWorkflow],
        workflow_runner=sandbox(),
        workflow_failure_exception_types=[Exception],  # else the task would be tried for ever
    ):
        with pytest.raises(WorkflowFailureError) as failed:
            await server.client.execute_workflow(impure.ImpureWorkflow.run, what, id=f"impure-{uuid4()}", task_queue="impure")

    assert "Cannot access" in str(failed.value.cause)


@pytest.mark.parametrize("path", DEFINING, ids=lambda path: path.stem)
def test_a_workflow_passes_all_its_own_imports_through_in_one_block(path: Path) -> None:
    tree = ast.parse(path.read_text())
    blocks = [node for node in tree.body if isinstance(node, ast.With)]
    outside = [name for node in tree.body if not isinstance(node, ast.With) for name in imported(node)]

    assert ["workflow.unsafe.imports_passed_through()"] == [ast.unparse(block.items[0].context_expr) for block in blocks]
    assert [name for name in outside if name != "temporalio" and name not in sys.stdlib_module_names] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_import_hides_inside_a_function(path: Path) -> None:
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    assert [name for function in functions for node in ast.walk(function) for name in imported(node)] == []


def imported(node: ast.AST) -> list[str]:
    """Top-level packages that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [(node.module or "").partition(".")[0]]
    return []
