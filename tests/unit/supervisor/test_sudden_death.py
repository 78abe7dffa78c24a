"""kill -9 of the supervisor: nothing runs on, and the next start finds a clean machine."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from local.supervisor.leftovers import end_leftovers
from local.supervisor.running import SUPERVISED_BY

SUPERVISE = """
import asyncio, sys
from pathlib import Path
from rich.console import Console
from local.supervisor.display import PlainDisplay
from local.supervisor.specs import ProcessSpec
from local.supervisor.supervisor import Supervisor
from tests.unit.supervisor.conftest import FileThere

folder = Path(sys.argv[1])
specs = [
    ProcessSpec(name=name, argv=(sys.executable, "-c", sys.argv[2], str(folder / name)), health=FileThere(folder / name))
    for name in ("database", "feeder", "worker")
]
asyncio.run(Supervisor(specs, state=folder, environment={}, display=PlainDisplay(Console())).run())
"""
DEAF = """
import pathlib, os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1] + ".new").write_text(str(os.getpid()))
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(60)
"""


def test_children_die_with_a_killed_supervisor_even_when_deaf_to_sigterm(tmp_path):
    files = [tmp_path / name for name in ("database", "feeder", "worker")]
    supervisor = subprocess.Popen([sys.executable, "-c", SUPERVISE, str(tmp_path), DEAF], cwd=Path(__file__).parents[3])
    try:
        _until(lambda: all(file.exists() for file in files))
        children = [psutil.Process(int(file.read_text())) for file in files]
        supervisor.kill()
        supervisor.wait()

        _, alive = psutil.wait_procs(children, timeout=5)
        assert alive == []
    finally:
        supervisor.kill()


def test_what_an_earlier_supervisor_left_is_ended_and_nothing_else(tmp_path):
    ours = _sleeper(tmp_path / "ours")
    others = _sleeper(tmp_path / "others")
    try:
        assert [ours.pid] == end_leftovers(tmp_path / "ours")
        assert ours.poll() is not None
        assert others.poll() is None
    finally:
        others.kill()
        others.wait()


def _sleeper(state):
    return subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], env={**os.environ, SUPERVISED_BY: str(state)}, start_new_session=True
    )


def _until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
