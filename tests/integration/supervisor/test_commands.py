"""`python -m local` as a person meets it: what it refuses, and how a second one behaves."""

import fcntl
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def _read_until(keyboard: int, text: str | None) -> str:
    """What the terminal shows until the text appears, or with None until its program has ended."""
    shown, deadline = "", time.monotonic() + 40
    while text is None or text not in shown:
        assert time.monotonic() < deadline, shown
        if not select.select([keyboard], [], [], 1)[0]:
            continue
        try:
            shown += os.read(keyboard, 65536).decode(errors="replace")
        except OSError:  # Linux says so when the last program has left the terminal
            assert text is None, shown
            return shown
    return shown


def _local(command: str, state: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CLOUDTRADER_STATE": str(state), **settings}
    return subprocess.run(
        [sys.executable, "-m", "local", command],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"MARKET": "nonsense"}, "MARKET=nonsense is not a market"),
        ({"MARKET": "replay:/no/such/file.csv"}, "there is no such file"),
        ({"MARKET": "simulated", "WORKERS": "many"}, "WORKERS=many is not a number"),
    ],
)
def test_a_start_that_makes_no_sense_leaves_no_trace(tmp_path, settings, message):
    done = _local("up", tmp_path / "state", **settings)

    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "state").exists()


def test_a_damaged_workflow_database_stops_the_start_before_anything_runs(tmp_path):
    (tmp_path / "cloudtrader-state").touch()
    (tmp_path / "temporal.db").write_bytes(b"damaged, damaged, damaged")
    done = _local("up", tmp_path, MARKET="simulated")

    assert done.returncode == 1
    assert "temporal.db is damaged" in done.stderr
    assert not (tmp_path / "logs").exists()


def test_a_full_disk_is_refused(tmp_path):
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", tmp_path], check=False).returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        done = _local("up", tmp_path / "state", MARKET="simulated")
    finally:
        subprocess.run(["umount", tmp_path], check=True)

    assert done.returncode == 1
    assert "MB left, 500 MB are needed: make room or choose another with CLOUDTRADER_STATE=DIR" in done.stderr


def test_down_and_reset_are_content_with_nothing(tmp_path):
    assert _local("down", tmp_path).returncode == 0
    assert _local("reset", tmp_path / "state").returncode == 0


def test_reset_without_a_terminal_wants_to_be_told(tmp_path):
    (tmp_path / "cloudtrader-state").touch()
    refused = _local("reset", tmp_path)
    assert "Say so with FORCE=1" in refused.stderr
    assert tmp_path.exists()

    _local("reset", tmp_path, FORCE="1")
    assert not tmp_path.exists()


def test_a_second_start_says_who_runs_and_down_stops_it(tmp_path):
    state = tmp_path / "state"
    environment = {**os.environ, "CLOUDTRADER_STATE": str(state), "MARKET": "simulated"}
    with (tmp_path / "up.log").open("wb") as output:
        first = subprocess.Popen([sys.executable, "-m", "local"], cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 30
        while "temporal ready" not in (tmp_path / "up.log").read_text():
            assert time.monotonic() < deadline, (tmp_path / "up.log").read_text()
            time.sleep(0.05)
        second = _local("up", state, MARKET="simulated")
        assert second.returncode == 1
        assert f"It runs already: process {first.pid} in {state}, Temporal at http://127.0.0.1:" in second.stderr

        stopped = _local("down", state)
        assert f"Process {first.pid} has stopped everything." in stopped.stdout
        assert first.wait(10) == 0
        assert "postgres stopped" in (tmp_path / "up.log").read_text().splitlines()[-1]
    finally:
        first.kill()
        first.wait()


def test_on_a_terminal_a_table_is_shown_and_ctrl_c_stops_everything(tmp_path):
    environment = {**os.environ, "CLOUDTRADER_STATE": str(tmp_path / "state"), "MARKET": "simulated", "TERM": "xterm", "COLUMNS": "120"}
    keyboard, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "local"],
        cwd=ROOT,
        env=environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - Ctrl-C reaches those whose terminal it is
    )
    os.close(terminal)
    shown = _read_until(keyboard, "ready")
    os.write(keyboard, b"\x03")
    shown += _read_until(keyboard, None)
    os.close(keyboard)

    assert process.wait(10) == 0
    assert "restarts" in shown
    assert re.search(r"postgres +stopped", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown))
