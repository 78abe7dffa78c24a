"""A process as ours are, with its own telemetry: a request that starts a workflow, which runs an activity. Run by test_process.py."""

import asyncio
import logging
import os
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from opentelemetry import trace
from temporalio import activity, workflow
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from adapters.telemetry import setup
    from adapters.telemetry.temporal import setup_temporal
    from adapters.temporal import connect


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whom the activity works for."""

    trader_id: UUID
    user_id: UUID
    instance_id: UUID


@activity.defn(name="screening.watch")
async def watch(subject: Subject) -> None:
    """Log as any code below an activity does."""
    logging.getLogger("adapters.supabase").info("inside", extra={"tick": 3})
    activity.logger.info("by the activity's logger")


@workflow.defn(name="trader")
class Trader:
    """Calls the activity."""

    @workflow.run
    async def run(self, subject: Subject) -> None:
        """Once."""
        workflow.logger.info("in the workflow")
        await workflow.execute_activity(watch, subject, start_to_close_timeout=timedelta(seconds=10))


async def main() -> None:
    """Everything once, then the end."""
    telemetry = setup("worker", metrics_port=int(os.environ["METRICS_PORT"]))
    temporal = setup_temporal(telemetry, metrics_port=int(os.environ["TEMPORAL_METRICS_PORT"]))
    client = await connect(os.environ, runtime=temporal.runtime, interceptors=temporal.interceptors, plugins=temporal.plugins)
    subject = Subject(trader_id=uuid4(), user_id=uuid4(), instance_id=uuid4())
    async with Worker(client, task_queue="traders", workflows=[Trader], activities=[watch], max_cached_workflows=0):
        with trace.get_tracer("api").start_as_current_span("deploy"):
            await client.execute_workflow(Trader.run, subject, id=f"trader:{subject.trader_id}", task_queue="traders")
        telemetry.instruments.tick(timedelta(milliseconds=1), "evaluated", timedelta(milliseconds=1))
        print(os.getpid(), flush=True)  # noqa: T201 - tells the test that it can scrape
        await asyncio.to_thread(input)
    telemetry.close()


if __name__ == "__main__":
    asyncio.run(main())
