"""Builds the Temporal workers of one process. The sandbox and every limit are set here and nowhere else."""

from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import PollerBehaviorAutoscaling, Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from workers.registry import WORKFLOWS, Activities
from workflows import ids

GRACE = timedelta(seconds=15)
"""Time for windows to commit their rows and hand over at shutdown."""
STORE_ACTIVITIES = 100
WORKFLOW_TASKS = 100


def sandbox() -> WorkflowRunner:
    """The strict sandbox. Workflow files pass their imports through one by one, so nothing else is let through here."""
    return SandboxedWorkflowRunner()


def traders_worker(client: Client, activities: Activities, *, max_cached_traders: int) -> Worker:
    """Workflow tasks and store activities."""
    return Worker(
        client,
        task_queue=ids.TRADERS_QUEUE,
        workflows=WORKFLOWS,
        activities=activities,
        workflow_runner=sandbox(),
        max_cached_workflows=max_cached_traders,
        max_concurrent_workflow_tasks=WORKFLOW_TASKS,
        max_concurrent_activities=STORE_ACTIVITIES,
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
        graceful_shutdown_timeout=GRACE,
    )


def market_worker(client: Client, activities: Activities, *, max_windows: int) -> Worker:
    """Screening windows: each holds a slot for as long as it lasts."""
    return Worker(
        client,
        task_queue=ids.MARKET_QUEUE,
        activities=activities,
        max_concurrent_activities=max_windows,
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
        graceful_shutdown_timeout=GRACE,
    )
