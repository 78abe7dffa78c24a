"""The jail tried from within: each deed must fail."""

import contextlib
import os
import signal
import socket
from collections.abc import Callable


def possible_deeds(outside: int) -> tuple[str, ...]:
    """What this process can do that a jailed one must not be able to; `outside` is a process that is not jailed."""
    return tuple(deed for deed, attempt in _deeds(outside).items() if _succeeds(attempt))


def _deeds(outside: int) -> dict[str, Callable[[], object]]:
    return {
        "open a file": lambda: os.close(os.open("/etc/passwd", os.O_RDONLY)),
        "list a directory": lambda: os.scandir("/etc").close(),
        "write a file": _write,
        "read another process's environment": lambda: os.close(os.open(f"/proc/{outside}/environ", os.O_RDONLY)),
        "signal another process": lambda: _signal(outside),
        "start a process": _fork,
        "reach the network": _connect,
        "reach a local socket": lambda: _local("/dev/log"),
        "become root": _become_root,
    }


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _write() -> None:
    descriptor = os.open("/tmp", os.O_TMPFILE | os.O_RDWR)  # noqa: S108 - the attempt is the point
    with contextlib.closing(os.fdopen(descriptor, "wb", buffering=0)) as file:
        file.write(b"x")


def _signal(outside: int) -> None:
    if outside == os.getpid():
        raise ProcessLookupError("the only process of this number is this one")
    os.kill(outside, 0)


def _fork() -> None:
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def _connect() -> None:
    """A refused connection came through to the other side."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
        attempt.settimeout(1)
        with contextlib.suppress(ConnectionRefusedError):
            attempt.connect(("127.0.0.1", 9))


def _local(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as attempt:
        attempt.connect(path)


def _become_root() -> None:
    os.setuid(0)
    if os.geteuid() != 0:
        raise PermissionError
