"""Ends what an earlier supervisor of the same state directory left running, so that nothing runs twice."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil

from local.supervisor.running import SUPERVISED_BY

GRACE = timedelta(seconds=20)


def end_leftovers(state: Path) -> list[int]:
    """Ask every descendant of an earlier supervisor to end, then kill what stays; the process ids there were."""
    left = list(_of(state))
    pids = [process.pid for process in left]
    for process in left:
        if process.is_running() and _parent_pid(process) not in pids:  # a wrapper stops its own child best
            process.terminate()
    _, stubborn = psutil.wait_procs(left, timeout=GRACE.total_seconds())
    for process in stubborn:
        if process.is_running():
            process.kill()
    psutil.wait_procs(stubborn, timeout=GRACE.total_seconds())
    return pids


def _of(state: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.environ().get(SUPERVISED_BY) == str(state):
                yield process
        except psutil.Error:
            continue


def _parent_pid(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.Error:
        return None
