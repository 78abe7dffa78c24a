"""Each layer of the jail alone stops what it is said to stop; and what happens where layers cannot be had."""

import asyncio
import json
import logging
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.sandbox import attempts, kernel, landlock, namespaces, seccomp
from adapters.sandbox.jail import Jail
from adapters.sandbox.limits import Limits
from adapters.sandbox.pool import Pool
from adapters.sandbox.report import JailReport, Layer
from adapters.sandbox.watch import Ending
from domain.errors import UnavailableError
from tests.integration.sandbox.conftest import CPU_PER_REQUEST, LIMITS, python

WEAK_HOST = (str(Path(__file__).parent / "weak_host.py"),)
NOBODY = 65_534
FILES = {"open a file", "list a directory", "write a file", "read another process's environment"}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def in_a_child(work: Callable[[], bytes], fork: Callable[[], int] = os.fork) -> bytes:
    """What `work` returns in a forked process, in which it may give up whatever it likes."""
    reader, writer = os.pipe()
    child = fork()
    if child == 0:
        try:
            os.write(writer, work())
        except BaseException:  # noqa: BLE001 - the child must not go on as the test
            traceback.print_exc(file=sys.stderr)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


def deeds_after(lock: Callable[[], object], fork: Callable[[], int] = os.fork) -> set[str]:
    """What a process can still do that has put on this one layer."""
    outside = os.getpid()

    def work() -> bytes:
        lock()
        return json.dumps(attempts.possible_deeds(outside)).encode()

    return set(json.loads(in_a_child(work, fork)))


def enter_jail(user: int, group: int) -> bytes:
    """The report of a process that enters the whole jail as this user."""
    outside = os.getpid()

    def report() -> bytes:
        if user != os.geteuid():
            os.setgroups([])
            os.setresgid(group, group, group)
            os.setresuid(user, user, user)
        reader, writer = os.pipe()
        child, apart = namespaces.fork_into()
        if child == 0:
            try:
                os.write(writer, Jail(Limits(), (writer,), user, group, outside, apart).enter().to_json())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        return os.read(reader, 2**16)

    return in_a_child(report)


def test_without_any_layer_the_deeds_are_possible() -> None:
    """Otherwise their failing would show nothing."""
    possible = deeds_after(lambda: None)

    assert {*FILES, "signal another process", "start a process", "reach the network"} <= possible


def test_seccomp_alone_stops_everything() -> None:
    def lock() -> None:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        seccomp.restrict()

    assert set() == deeds_after(lock)


def test_landlock_alone_stops_files_tcp_and_signals() -> None:
    def lock() -> None:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        landlock.restrict()

    possible = deeds_after(lock)

    assert set() == possible & {*FILES, "reach the network", "signal another process"}


def test_namespaces_and_the_empty_root_alone_stop_files_network_and_signals() -> None:
    user, group = os.geteuid(), os.getegid()
    told = []

    def fork() -> int:
        child, apart = namespaces.fork_into()
        told.append(apart)
        return child

    def lock() -> None:
        if user != 0:
            namespaces.map_own_user(user, group)
        namespaces.enter_empty_root()

    possible = deeds_after(lock, fork)

    if told[0]:
        pytest.skip(f"this machine permits no namespaces: {told[0]}")
    assert set() == possible & {*FILES, "reach the network", "signal another process"}


@as_root
def test_root_gives_itself_up() -> None:
    report = JailReport.from_json(enter_jail(0, 0))

    assert Layer.PRIVILEGES in report.held
    assert () == report.possible


@as_root
def test_an_unprivileged_user_gets_the_same_jail() -> None:
    report = JailReport.from_json(enter_jail(NOBODY, NOBODY))

    assert {layer for layer in Layer if layer not in {Layer.NAMESPACES, Layer.EMPTY_ROOT}} <= set(report.held)
    assert () == report.possible
    assert report.is_sufficient


async def test_it_is_held_well_enough_here(jailed: Pool) -> None:
    await jailed.ask(python("1", owner="a"))

    assert jailed.report is not None
    assert jailed.report.is_sufficient
    assert () == jailed.report.possible


async def test_without_the_strong_layers_nothing_is_run_and_it_says_why(caplog: pytest.LogCaptureFixture) -> None:
    async with Pool(WEAK_HOST, LIMITS, cpu_per_request=CPU_PER_REQUEST) as pool:
        with caplog.at_level(logging.WARNING), pytest.raises(UnavailableError, match="cannot hold their processes") as refused:
            await pool.ask(python("1"))

    assert "The seccomp layer is missing (left out): it would stop any system call" in str(refused.value)
    assert any("The namespaces layer is missing" in line for line in caplog.messages)


async def test_without_the_strong_layers_it_runs_where_that_was_asked_for() -> None:
    async with Pool(WEAK_HOST, LIMITS, cpu_per_request=CPU_PER_REQUEST, allow_weak=True) as pool:
        answer = await pool.ask(python("6 * 7"))

        assert (Ending.ANSWERED, b"42") == (answer.ending, answer.content)
        assert pool.report is not None
        assert not pool.report.is_sufficient


@as_root
async def test_root_without_the_right_to_make_namespaces_still_has_a_jail() -> None:
    """As in most containers: the program of the worker runs as root without CAP_SYS_ADMIN."""
    code = (
        "import asyncio\n"
        "from tests.integration.sandbox.conftest import python, python_pool\n"
        "async def main():\n"
        "    async with python_pool() as pool:\n"
        "        answer = await pool.ask(python('6 * 7'))\n"
        "        print(answer.content.decode(), pool.report.is_sufficient, *sorted(pool.report.missing), sep=',')\n"
        "asyncio.run(main())\n"
    )
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv, which takes the right away, is not installed")
    command = ["setpriv", "--bounding-set", "-sys_admin", sys.executable, "-c", code]

    program = await python_program(command)

    assert "42,True,empty root,namespaces" == program


async def python_program(command: list[str]) -> str:
    program = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[3], stdout=asyncio.subprocess.PIPE)
    said, _ = await asyncio.wait_for(program.communicate(), 60)
    return said.decode().strip()
