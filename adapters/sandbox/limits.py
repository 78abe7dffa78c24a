"""What one jailed process may use of the machine, held by the kernel."""

import os
import resource
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Of one process. Data are counted as the kernel does: private memory that can be written, used or not."""

    data_bytes: int = 1280 * 2**20
    """V8 alone reserves 512 MiB for the code it makes, without using them."""
    resident_bytes: int = 384 * 2**20
    """Memory really used, above which the process is ended while it runs a request."""
    lifetime_cpu: timedelta = timedelta(minutes=30)
    threads: int = 64
    descriptors: int = 64

    def apply(self, *, own_user: bool) -> None:
        """To this process; for good. The number of threads only where its user has no other processes. Raises OSError."""
        seconds = int(self.lifetime_cpu.total_seconds())
        values = {
            resource.RLIMIT_DATA: self.data_bytes,
            resource.RLIMIT_CPU: seconds,
            resource.RLIMIT_NOFILE: self.descriptors,
            resource.RLIMIT_FSIZE: 0,
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_MEMLOCK: 0,
            resource.RLIMIT_MSGQUEUE: 0,
        }
        if own_user:
            values[resource.RLIMIT_NPROC] = self.threads
        for which, value in values.items():
            _lower(which, value)


def counts_own_user_only() -> bool:
    """Whether the kernel counts the processes of a user namespace apart (since 5.14)."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int("".join(filter(str.isdigit, minor)) or 0)) >= (5, 14)


def _lower(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (allowed, allowed))
