"""Namespaces of one's own: no network, no other process in sight, no file system."""

import os
from pathlib import Path

from adapters.sandbox import kernel

_NEW = (
    kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
)  # fmt: skip
_EMPTY = "size=4k,nr_inodes=1,mode=555"


def fork_into() -> tuple[int, str]:
    """Fork into new namespaces, or without where that is not permitted: the process id, 0 in the child, and what stood in the way."""
    flags = _NEW if os.geteuid() == 0 else _NEW | kernel.CLONE_NEWUSER
    try:
        return kernel.clone(flags), ""
    except OSError as error:
        return os.fork(), f"clone: {error.strerror or error}"


def map_own_user(user: int, group: int) -> None:
    """In a new user namespace: keep the ids one had outside. Raises OSError."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def enter_empty_root() -> None:
    """Leave the file system for an empty one that cannot be written to. Raises OSError."""
    kernel.mount("none", "/", "none", kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("none", "/proc", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC | kernel.MS_RDONLY, _EMPTY)
    os.chdir("/proc")
    kernel.pivot_root_here()
    os.chdir("/")
