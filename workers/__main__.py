"""One worker process: `python -m workers`. It ends on SIGTERM or SIGINT after its windows were handed over."""

import asyncio
import gc
import logging
import signal
import sys
from contextlib import AsyncExitStack

from pydantic import ValidationError

from adapters import temporal
from adapters.settings import Settings, environment
from adapters.telemetry import Telemetry, setup
from adapters.telemetry.temporal import setup_temporal
from domain.errors import CloudtraderError
from workers.wiring import wired

logger = logging.getLogger("workers")

GIL_SWITCH_SECONDS = 0.001
"""Evaluations run in a thread of their own; the event loop gets its turn this often beside them."""


async def work(settings: Settings, telemetry: Telemetry) -> None:
    """Poll both task queues until told to stop."""
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    observed = setup_temporal(telemetry, metrics_port=settings.temporal_metrics_port, metrics_host=settings.metrics_host)
    client = await temporal.connect(environment(), runtime=observed.runtime, interceptors=observed.interceptors, plugins=observed.plugins)
    async with wired(settings, client, telemetry.instruments) as process, AsyncExitStack() as running:
        tasks = [asyncio.create_task(beside) for beside in process.beside]
        running.callback(lambda: [task.cancel() for task in tasks])
        for worker in process.workers:
            await running.enter_async_context(worker)
        logger.info("polling", extra={"queues": [worker.task_queue for worker in process.workers]})
        await asyncio.wait([asyncio.create_task(stop.wait()), *tasks], return_when=asyncio.FIRST_COMPLETED)
        logger.info("handing over")
    for task in tasks:
        if task.done() and not task.cancelled():
            task.result()  # none of them ends by itself: what it raised ends the process, and the supervisor starts another


def main() -> int:
    """Run until stopped; 1 when something this needs is down or refuses its settings."""
    try:
        settings = Settings()
        telemetry = setup("worker", metrics_port=settings.metrics_port, metrics_host=settings.metrics_host, log_level=settings.log_level)
    except (CloudtraderError, ValidationError) as error:
        print(f"worker: {error}", file=sys.stderr)  # noqa: T201  (there is no log yet)
        return 1
    sys.setswitchinterval(GIL_SWITCH_SECONDS)
    gc.freeze()  # what is loaded now stays; it need not be looked at again
    try:
        asyncio.run(work(settings, telemetry))
    except CloudtraderError as error:
        logger.error("%s", error)
        return 1
    finally:
        telemetry.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
