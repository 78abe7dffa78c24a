"""The folder that holds everything the machine's processes must not lose. It belongs to one supervisor at a time."""

import fcntl
import os
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from local.foreground import StartError

MARK = "cloudtrader-state"
LEAST_FREE_BYTES = 500_000_000
PAUSE = timedelta(milliseconds=50)


def prepare(directory: Path, least_free_bytes: int = LEAST_FREE_BYTES) -> None:
    """Make the folder, or see that it is ours, writable and has room. Raises StartError and changes nothing else."""
    advice = "choose another with CLOUDTRADER_STATE=DIR"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not is_ours(directory) and any(directory.iterdir()):
            raise StartError(f"{directory} is not empty and was not made by `make up`: empty it or {advice}.")
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(b"room?")
        free = shutil.disk_usage(directory).free
        if free < least_free_bytes:
            raise StartError(
                f"The disk of {directory} has {free / 1e6:.0f} MB left, {least_free_bytes / 1e6:.0f} MB are needed: make room or {advice}."
            )
        (directory / MARK).touch()
    except OSError as problem:
        raise StartError(f"The state directory {directory} cannot be used ({problem.strerror}): make it writable or {advice}.") from problem


def is_ours(directory: Path) -> bool:
    """Whether `prepare` made it."""
    return (directory / MARK).exists()


def holder(directory: Path) -> int | None:
    """The process that holds the folder with `local.foreground.hold`; None when nobody does."""
    try:
        with (directory / "lock").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read())
    except FileNotFoundError:
        pass
    return None


def stop_holder(directory: Path, within: timedelta) -> int | None:
    """Ask the supervisor of the folder to stop and wait until it has; its process id, None when none ran. Raises StartError in the end."""
    pid = holder(directory)
    if pid is None:
        return None
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + within.total_seconds()
    while holder(directory) == pid:
        if time.monotonic() > deadline:
            raise StartError(f"Process {pid} has not stopped within {within.total_seconds():.0f} s; a second `make down` makes it hurry.")
        time.sleep(PAUSE.total_seconds())
    return pid


def erase(directory: Path) -> None:
    """Delete the folder and all in it. Raises StartError when `prepare` did not make it or a supervisor uses it."""
    if not is_ours(directory):
        raise StartError(f"{directory} was not made by `make up`; nothing was deleted.")
    if (pid := holder(directory)) is not None:
        raise StartError(f"{directory} is in use by process {pid}; nothing was deleted.")
    shutil.rmtree(directory)
