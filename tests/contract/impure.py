"""A workflow that does what no workflow may."""

import os
import random
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from temporalio import workflow

FORBIDDEN: dict[str, Callable[[], str]] = {
    "the clock": lambda: str(datetime.now()),  # noqa: DTZ005  (which is the point)
    "seconds": lambda: str(time.time()),
    "the environment": lambda: os.environ["HOME"],
    "chance": lambda: str(random.random()),
    "files": lambda: Path("anything").read_text(),
}


@workflow.defn(name="impure")
class ImpureWorkflow:
    """Does one forbidden thing."""

    @workflow.run
    async def run(self, what: str) -> str:
        """What came of it."""
        return FORBIDDEN[what]()
