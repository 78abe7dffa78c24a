"""One server as the child of a foreground process: it ends when we are told to, when our parent dies, and when we die ourselves.

`hold` makes a directory ours while we live; `serve` runs the server. Only Linux tells a process that its parent died; elsewhere a
killed parent leaves the server to be stopped by the next start.
"""

import contextlib
import ctypes
import fcntl
import os
import pwd
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
STOP_WITHIN = timedelta(seconds=20)
"""How long a server may take to shut down before it is killed."""


class StartError(Exception):
    """The server cannot be started; the message says what to do."""


@contextlib.contextmanager
def hold(directory: Path) -> Iterator[None]:
    """Keep every other foreground process out of `directory`. The kernel gives it up when we die. Raises StartError when it is taken."""
    with (directory / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise StartError(
                f"{directory} is in use by process {file.read().strip()}: stop it first or choose another directory."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def secret_in(file: Path, make: Callable[[], str] = lambda: secrets.token_urlsafe(32)) -> str:
    """The secret kept in `file`, which only its owner may read; made at the first call."""
    with contextlib.suppress(FileExistsError):
        draft = file.with_suffix(f".{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(make())
        try:
            os.link(draft, file)
        finally:
            draft.unlink()
    return file.read_text()


def end_with_parent(with_signal: signal.Signals) -> None:
    """Have the kernel send us `with_signal` when the process that started us ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(with_signal))


def require_free_port(port: int) -> None:
    """Raise StartError when something listens on 127.0.0.1:port already."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise StartError(f"Port {port} of 127.0.0.1 is in use: stop what listens there or choose another port.")


def identity(user: pwd.struct_passwd | None) -> Mapping[str, Any]:
    """The arguments with which `subprocess` runs a program as this user and nothing more; none for ourselves."""
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def serve(
    command: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    stop_signal: signal.Signals,
    user: pwd.struct_passwd | None = None,
    output: int | None = None,
) -> int:
    """Run the server until it ends or we get SIGTERM or SIGINT, which becomes `stop_signal` for it. Its exit status;
    0 when we stopped it."""
    parent = os.getppid()
    stopping = False
    server: subprocess.Popen[bytes] | None = None

    def stop(_signal: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True
        signal.setitimer(signal.ITIMER_REAL, STOP_WITHIN.total_seconds())
        if server is not None:
            server.send_signal(stop_signal)

    def kill(_signal: int, _frame: object) -> None:
        if server is not None:
            server.kill()

    for received, handler in ((signal.SIGTERM, stop), (signal.SIGINT, stop), (signal.SIGALRM, kill)):
        signal.signal(received, handler)
    end_with_parent(signal.SIGTERM)
    if os.getppid() != parent:  # it died before we asked to be told
        return 0
    server = subprocess.Popen(
        list(command),
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        start_new_session=True,  # Ctrl-C reaches us alone, and we decide
        **identity(user),
        preexec_fn=lambda: end_with_parent(stop_signal),  # noqa: PLW1509 - this process has one thread
    )
    if stopping:
        server.send_signal(stop_signal)
    status = server.wait()
    return 0 if stopping else status or 1
