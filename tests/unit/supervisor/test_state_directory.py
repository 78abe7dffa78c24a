"""The folder that holds everything."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from local.foreground import StartError, hold
from local.supervisor import state_directory


def test_a_new_folder_is_made_with_its_parents(tmp_path):
    state_directory.prepare(tmp_path / "a" / "b")

    assert state_directory.is_ours(tmp_path / "a" / "b")


def test_a_folder_with_other_peoples_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")

    with pytest.raises(StartError, match="is not empty and was not made by `make up`"):
        state_directory.prepare(tmp_path)
    with pytest.raises(StartError, match="nothing was deleted"):
        state_directory.erase(tmp_path)
    assert [tmp_path / "thesis.txt"] == list(tmp_path.iterdir())


def test_a_disk_without_room_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(StartError, match=r"MB left, 1000000000000 MB are needed: make room or choose another with CLOUDTRADER_STATE"):
        state_directory.prepare(tmp_path, least_free_bytes=10**18)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a place that nobody can write to")
def test_a_folder_that_cannot_be_written_is_refused():
    with pytest.raises(StartError, match=r"The state directory /proc/cloudtrader cannot be used"):
        state_directory.prepare(Path("/proc/cloudtrader"))


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "state").write_text("")

    with pytest.raises(StartError, match=r"cannot be used \(File exists\)"):
        state_directory.prepare(tmp_path / "state")


def test_the_holder_is_known_while_it_lives_and_not_after(tmp_path):
    with hold(tmp_path):
        assert os.getpid() == state_directory.holder(tmp_path)

    assert state_directory.holder(tmp_path) is None


def test_a_lock_file_left_by_a_killed_process_holds_nobody_up(tmp_path):
    code = (
        "import sys, os, pathlib; from local.foreground import hold; hold(pathlib.Path(sys.argv[1])).__enter__(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)

    assert (tmp_path / "lock").read_text().isdecimal()
    assert state_directory.holder(tmp_path) is None


def test_stopping_waits_until_the_holder_has_let_go(tmp_path):
    code = """
import pathlib, signal, sys, time
from local.foreground import hold
with hold(pathlib.Path(sys.argv[1])):
    signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.3), sys.exit()))
    print("held", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    process.stdout.readline()

    assert process.pid == state_directory.stop_holder(tmp_path, timedelta(seconds=10))
    assert state_directory.holder(tmp_path) is None
    assert process.wait(5) == 0
    process.stdout.close()


def test_a_folder_in_use_is_not_erased(tmp_path):
    state_directory.prepare(tmp_path)

    with hold(tmp_path), pytest.raises(StartError, match="in use by process"):
        state_directory.erase(tmp_path)
    state_directory.erase(tmp_path)
    assert not tmp_path.exists()
