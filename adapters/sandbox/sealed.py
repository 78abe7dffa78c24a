"""Memory that is written once, then sealed by the kernel: whoever maps it, nobody can change it any more."""

import fcntl
import itertools
import os
import weakref
from collections.abc import Sequence

_NUMBERS = itertools.count(1)


class SealedMemory:
    """Bytes that processes may share. Freed when nothing refers to it and no process maps it."""

    def __init__(self, parts: Sequence[memoryview | bytes]) -> None:
        """Copies the parts, one after the other."""
        self.number = next(_NUMBERS)
        self.descriptor = os.memfd_create(f"sealed-{self.number}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        weakref.finalize(self, os.close, self.descriptor)
        for part in parts:
            _write(self.descriptor, memoryview(part).cast("B"))
        self.size = os.lseek(self.descriptor, 0, os.SEEK_CUR)
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, seals)


def _write(descriptor: int, part: memoryview) -> None:
    while part:
        part = part[os.write(descriptor, part) :]
