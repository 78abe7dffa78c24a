"""Waiting for a process that we started to become ready."""

import subprocess
import time
from collections.abc import Callable
from datetime import timedelta

from local.foreground import StartError

PAUSE = timedelta(milliseconds=50)


def wait_until(is_ready: Callable[[], bool], process: subprocess.Popen[bytes], within: timedelta) -> None:
    """Return once `is_ready()`. Raises StartError when the process ended before, or after the time allowed."""
    deadline = time.monotonic() + within.total_seconds()
    while not is_ready():
        if process.poll() is not None:
            raise StartError(f"{process.args!r} ended with status {process.returncode} before it was ready.")
        if time.monotonic() > deadline:
            raise StartError(f"{process.args!r} was not ready within {within}.")
        time.sleep(PAUSE.total_seconds())
