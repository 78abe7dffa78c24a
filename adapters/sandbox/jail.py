"""A process locks itself in, layer by layer, and tells which hold."""

import os
import signal
import threading
from collections.abc import Callable, Collection
from pathlib import Path

from adapters.sandbox import attempts, kernel, landlock, namespaces, seccomp
from adapters.sandbox.limits import Limits, counts_own_user_only
from adapters.sandbox.report import JailReport, Layer

_USERS = range(2_000_000_000, 2_001_000_000)
"""Ids that no account has: each jailed process gets its own where it was started as root."""
_NOBODY = 65_534
_FIRST_TO_GO = "1000"
"""When the machine runs out of memory the kernel ends jailed processes before any other."""


class Jail:
    """Locks the calling process in. It must have one thread; threads it starts later are locked in with it."""

    def __init__(self, limits: Limits, keep: Collection[int], user: int, group: int, outside: int, apart: str) -> None:
        """`keep`: descriptors to stay open; `user`, `group`, `outside`: the ids of whoever started this process, and its process;
        `apart`: why it has no namespaces of its own, empty where it has."""
        self._limits = limits
        self._keep = keep
        self._user, self._group, self._outside = user, group, outside
        self._apart = apart
        # in a process namespace of its own every process is number 1; the old /proc still tells them apart
        self._number = int(Path("/proc/self").readlink().name)
        self._held: list[Layer] = []
        self._missing: dict[Layer, str] = {}

    def enter(self) -> JailReport:
        """For good. What holds, and what was still possible when tried."""
        assert threading.active_count() == 1, "a layer holds for the threads started after it"
        self._apply(Layer.ENVIRONMENT, self._leave_environment)
        self._apply(Layer.NAMESPACES, self._settle_namespaces)
        self._apply(Layer.EMPTY_ROOT, self._leave_files)
        self._apply(Layer.PRIVILEGES, self._drop_privileges)
        self._apply(Layer.LIMITS, self._limit)
        self._apply(Layer.LANDLOCK, landlock.restrict)
        self._apply(Layer.SECCOMP, seccomp.restrict)
        return JailReport(held=tuple(self._held), missing=self._missing, possible=attempts.possible_deeds(self._outside))

    def _apply(self, layer: Layer, lock: Callable[[], object]) -> None:
        try:
            lock()
        except OSError as error:
            self._missing[layer] = error.strerror or str(error)
        else:
            self._held.append(layer)

    def _leave_environment(self) -> None:
        os.environ.clear()
        os.setsid()
        before = 2
        for descriptor in (*sorted(self._keep), os.sysconf("SC_OPEN_MAX")):
            os.closerange(before + 1, descriptor)
            before = descriptor

    def _settle_namespaces(self) -> None:
        if self._apart:
            raise PermissionError(1, self._apart)
        if self._user != 0:
            namespaces.map_own_user(self._user, self._group)

    def _leave_files(self) -> None:
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)
        if self._apart:
            raise PermissionError(1, "needs a mount namespace")
        namespaces.enter_empty_root()

    def _drop_privileges(self) -> None:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        try:
            if self._user == 0:
                _become_nobody(self._number)
        finally:
            kernel.drop_capabilities()
            kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
            # the kernel forgets this one whenever the user changes
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)

    def _limit(self) -> None:
        self._limits.apply(own_user=self._user == 0 or (not self._apart and counts_own_user_only()))


def _become_nobody(number: int) -> None:
    """Where ids this high are not mapped, the id that is nobody's everywhere."""
    os.setgroups([])
    for user in (_USERS[number % len(_USERS)], _NOBODY):
        try:
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
        except OSError:
            if user == _NOBODY:
                raise
        else:
            return
