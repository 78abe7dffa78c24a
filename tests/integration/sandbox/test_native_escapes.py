"""What a filter could do that broke out of V8: whatever it asks of the kernel fails, and nobody else notices."""

import asyncio
import itertools
import os
import platform
import sys
from pathlib import Path

import pytest

from adapters.sandbox.pool import Pool
from adapters.sandbox.process import Request
from adapters.sandbox.sealed import SealedMemory
from adapters.sandbox.watch import Ending
from tests.integration.sandbox.conftest import python

_OWNERS = itertools.count()

REFUSED = {
    "a TCP socket": "import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM)",
    "a UDP socket": "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "an IPv6 socket": "import socket; socket.socket(socket.AF_INET6, socket.SOCK_STREAM)",
    "a local socket": "import socket; socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)",
    "a netlink socket": "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "a raw socket": "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "a datagram pair, which could send to any address": "import socket; socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "sending to an address": "import socket; socket.socketpair()[0].sendto(b'x', '/dev/log')",
    "passing a descriptor on": "import socket; socket.send_fds(socket.socketpair()[0], [b'x'], [0])",
    "reading a file": "open('/etc/passwd')",
    "reading the program": "open(__import__('sys').executable, 'rb')",
    "writing a file": "open('/tmp/out', 'w')",
    "a temporary file": "import os; os.open('/tmp', os.O_TMPFILE | os.O_RDWR)",
    "listing a directory": "import os; os.listdir('/')",
    "asking whether a file exists": "import os; os.stat('/etc/passwd')",
    "a link": "import os; os.symlink('/etc/passwd', '/tmp/link')",
    "removing a file": "import os; os.unlink('/tmp/x')",
    "making a directory": "import os; os.mkdir('/tmp/x')",
    "changing a mode": "import os; os.chmod('/etc/passwd', 0o777)",
    "its own maps": "open('/proc/self/maps')",
    "the environment of the first process": "open('/proc/1/environ', 'rb')",
    "the memory of the first process": "open('/proc/1/mem', 'r+b')",
    "a fork": "import os; os.fork()",
    "a program": "import os; os.execv('/bin/sh', ['sh'])",
    "a program beside it": "import os; os.posix_spawn('/bin/sh', ['sh'], {})",
    "a shell": "import subprocess; subprocess.run(['id'])",
    "killing everything": "import os; os.kill(-1, 9)",
    "killing the first process": "import os; os.kill(1, 9)",
    "killing its group": "import os; os.killpg(0, 9)",
    "shared memory": "import multiprocessing.shared_memory as m; m.SharedMemory(create=True, size=4096)",
    "memory that counts as nobody's": "import mmap; mmap.mmap(-1, 2**20)",
    "an anonymous file": "import os; os.memfd_create('x')",
    "root": "import os; os.setuid(0)",
    "a root directory": "import os; os.chroot('/')",
    "the host's name": "import socket; socket.sethostname('x')",
    "more processor time": (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "if libc.setrlimit(0, (ctypes.c_ulong * 2)(2**40, 2**40)) < 0: raise OSError(ctypes.get_errno(), 'setrlimit')"
    ),
    "the limits of another process": "import resource; resource.prlimit(1, resource.RLIMIT_NOFILE)",
    "a better priority": "import os; os.nice(-20)",
    "another processor": "import os; os.sched_setaffinity(0, {0})",
    "the processor time of another process": "import time; time.clock_gettime(~1 << 3 | 2)",
}
"""By what is tried."""

CALLS = {
    "ptrace": 101,
    "syslog": 103,
    "setns": 308,
    "unshare": 272,
    "mount": 165,
    "umount2": 166,
    "pivot_root": 155,
    "bpf": 321,
    "perf_event_open": 298,
    "io_uring_setup": 425,
    "keyctl": 250,
    "add_key": 248,
    "request_key": 249,
    "userfaultfd": 323,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "pidfd_open": 434,
    "pidfd_getfd": 438,
    "kcmp": 312,
    "shmget": 29,
    "msgget": 68,
    "semget": 64,
    "inotify_init1": 294,
    "fanotify_init": 300,
    "init_module": 175,
    "finit_module": 313,
    "kexec_load": 246,
    "reboot": 169,
    "swapon": 167,
    "settimeofday": 164,
    "clock_settime": 227,
    "personality": 135,
    "iopl": 172,
    "modify_ldt": 154,
    "open_by_handle_at": 304,
    "name_to_handle_at": 303,
    "move_mount": 429,
    "open_tree": 428,
    "mount_setattr": 442,
    "memfd_secret": 447,
    "landlock_create_ruleset": 444,
    "seccomp": 317,
    "capset": 126,
    "setresuid": 117,
    "splice": 275,
    "vmsplice": 278,
    "tkill": 200,
    "rt_sigqueueinfo": 129,
    "execveat": 322,
    "openat2": 437,
    "vfork": 58,
}
"""Numbers of x86_64."""

ENDED = {
    "a loop": ("while True: pass", Ending.TIMEOUT),
    "a loop in many threads": (
        "import threading\ndef burn():\n    while True: pass\nfor _ in range(8): threading.Thread(target=burn).start()\nburn()",
        Ending.TIMEOUT,
    ),
    "a loop deaf to signals": (
        "import signal\nfor number in set(range(1, 65)) - {9, 19, 32, 33}: signal.signal(number, signal.SIG_IGN)\nwhile True: pass",
        Ending.TIMEOUT,
    ),
    "sleep": ("import time; time.sleep(1e6)", Ending.TIMEOUT),
    "memory that is used": ("held = []\nwhile True: held.append(b'x' * 2**24)", Ending.MEMORY),
    "its own end": ("import os; os._exit(0)", Ending.CRASHED),
    "a wild read": ("import ctypes; ctypes.string_at(1)", Ending.CRASHED),
    "an abort": ("import os; os.abort()", Ending.CRASHED),
    "an endless answer": ("'x' * 2**24", Ending.CRASHED),
    "an answer that is none": (
        "import os, contextlib\nfor fd in range(3, 64):\n    with contextlib.suppress(OSError): os.write(fd, b'\\xff' * 64)",
        Ending.CRASHED,
    ),
    "closed connections": ("import os; os.closerange(0, 64)", Ending.CRASHED),
}
"""By what is tried: the program, and how its request ends."""

SPENT = {
    "descriptors": ("import socket; [socket.socketpair() for _ in range(10_000)]", "OSError: [Errno 24] Too many open files"),
    "threads": (
        "import threading, time\nfor _ in range(10_000): threading.Thread(target=time.sleep, args=(5,), daemon=True).start()",
        "RuntimeError: can't start new thread",
    ),
    "memory at once": ("bytearray(2**31)", "MemoryError: "),
    "its own errors": (
        "import os; os.set_blocking(2, False); [os.write(2, b'x' * 4096) for _ in range(1000)]",
        "BlockingIOError: [Errno 11] ",
    ),
}
"""By what is used up: the program, and where it ends."""


@pytest.mark.parametrize("deed", REFUSED)
async def test_what_the_kernel_refuses(jailed: Pool, deed: str) -> None:
    answer = await jailed.ask(python(REFUSED[deed], owner=f"attacker {next(_OWNERS)}"))

    assert (Ending.ANSWERED, b"PermissionError: [Errno 1] ") == (answer.ending, answer.content[:27])


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers of the calls are those of x86_64")
@pytest.mark.parametrize("call", CALLS)
async def test_calls_that_no_filter_needs(jailed: Pool, call: str) -> None:
    answer = await jailed.ask(python(f"syscall({CALLS[call]}, 0, 0, 0, 0, 0, 0)", owner=f"attacker {next(_OWNERS)}"))

    assert b"PermissionError: [Errno 1] Operation not permitted" == answer.content


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86_64 has a second table of calls")
async def test_the_second_table_of_calls_is_closed(jailed: Pool) -> None:
    answer = await jailed.ask(python(f"syscall({0x40000000 | 2}, b'/etc/passwd', 0)"))

    assert b"PermissionError: [Errno 1] Operation not permitted" == answer.content


@pytest.mark.parametrize("deed", ENDED)
async def test_what_ends_a_process_has_one_victim(jailed: Pool, deed: str) -> None:
    code, ending = ENDED[deed]

    answer = await jailed.ask(python(code, owner=f"attacker {next(_OWNERS)}"))

    assert ending == answer.ending
    assert b"42" == (await jailed.ask(python("6 * 7", owner="bystander"))).content


@pytest.mark.parametrize("what", SPENT)
async def test_what_can_be_used_up_is_bounded(jailed: Pool, what: str) -> None:
    code, end = SPENT[what]

    answer = await jailed.ask(python(code, owner=f"attacker {next(_OWNERS)}"))

    assert (Ending.ANSWERED, end) == (answer.ending, answer.content.decode()[: len(end)])
    assert b"42" == (await jailed.ask(python("6 * 7", owner="bystander"))).content


async def test_memory_given_to_many_can_be_changed_by_none(jailed: Pool) -> None:
    memory = SealedMemory([b"candles"])
    address = f"import ctypes\nview = memories[{memory.number}]\nat = ctypes.addressof(view.obj)\n"

    async def attack(code: str) -> tuple[Ending, bytes]:
        request = Request(owner=f"attacker {next(_OWNERS)}", body=(address + code).encode(), memories=(memory,))
        answer = await jailed.ask(request)
        return answer.ending, answer.content

    written = await attack("view[0] = 120")
    forced = await attack("ctypes.memmove(at, b'x', 1)")
    unlocked = await attack("syscall(10, ctypes.c_void_p(at), ctypes.c_size_t(4096), 3)" if platform.machine() == "x86_64" else "1/0")
    read = await attack("bytes(view)")

    assert (Ending.ANSWERED, b"TypeError: cannot modify read-only memory") == written
    assert (Ending.CRASHED, None) == forced
    assert unlocked[1].startswith((b"PermissionError: [Errno 13]", b"ZeroDivisionError"))
    assert (Ending.ANSWERED, b"b'candles'") == read


async def test_it_finds_no_secret(jailed: Pool) -> None:
    """Neither in its environment nor in descriptors that were open."""
    answer = await jailed.ask(
        python("import os; dict(os.environ), [fd for fd in range(3, 64) if not __import__('fcntl').fcntl(fd, 1) < 0]")
    )

    assert answer.content.startswith(b"OSError: [Errno 9]")
    assert b"{}" == (await jailed.ask(python("import os; dict(os.environ)"))).content


async def test_its_environment_was_empty_from_the_start() -> None:
    """Not merely emptied: the kernel still shows what a program was started with."""
    code = (
        "import asyncio, os, pathlib\n"
        "from tests.integration.sandbox.conftest import python, python_pool\n"
        "async def main():\n"
        "    async with python_pool() as pool:\n"
        "        await pool.ask(python('1'))\n"
        "        nursery = pool._supply._nursery._program.pid\n"
        "        print(pathlib.Path(f'/proc/{nursery}/environ').read_bytes())\n"
        "asyncio.run(main())\n"
    )
    environment = dict(os.environ) | {"CLOUDTRADER_SUPABASE_SECRET_KEY": "secret"}
    root = Path(__file__).parents[3]

    program = await asyncio.create_subprocess_exec(sys.executable, "-c", code, env=environment, cwd=root, stdout=asyncio.subprocess.PIPE)
    said, _ = await asyncio.wait_for(program.communicate(), 60)

    assert "b'OPENBLAS_NUM_THREADS=1\\x00'" == said.decode().strip()
