"""A small process that has loaded everything once and forks jailed processes from itself: each is there in milliseconds.

Runs in a program of its own, started by `adapters.sandbox.launch`. It has one thread; nothing of any user ever runs in it.
"""

import contextlib
import json
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable

from adapters.sandbox import channel, namespaces
from adapters.sandbox.host import Host, serve
from adapters.sandbox.jail import Jail
from adapters.sandbox.limits import Limits

SPAWN, KILL = "spawn", "kill"
_NICENESS = 2
"""The worker's own work comes before its users' filters."""


def run(new_host: Callable[[], Host], limits: Limits) -> None:
    """Fork when told to, until whoever started this program is gone. `new_host` is called in each new process, already locked in.

    The program's argument is the descriptor through which it is told.
    """
    os.nice(_NICENESS)
    with socket.socket(fileno=int(sys.argv[1])) as control, contextlib.suppress(EOFError, OSError):
        _Nursery(control, new_host, limits).obey()


class _Nursery:
    def __init__(self, control: socket.socket, new_host: Callable[[], Host], limits: Limits) -> None:
        self._control = control
        self._new_host = new_host
        self._limits = limits
        self._children: set[int] = set()
        self._ended, wakeup = socket.socketpair()
        wakeup.setblocking(False)  # noqa: FBT003 - its only argument
        self._wakeup = wakeup
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)

    def obey(self) -> None:
        while True:
            ready, _, _ = select.select([self._control, self._ended], [], [])
            if self._ended in ready:
                self._ended.recv(4096)
                self._reap()
            if self._control in ready:
                self._carry_out()

    def _carry_out(self) -> None:
        text, descriptors = channel.receive(self._control)
        order = json.loads(text)
        if order["do"] == SPAWN:
            self._tell(order=order["order"], spawned=self._spawn(*descriptors))
        elif order["do"] == KILL and order["process"] in self._children:
            # not reaped yet, so the number still is this process's
            os.kill(order["process"], signal.SIGKILL)

    def _spawn(self, connection: int, errors: int) -> int:
        user, group, outside = os.geteuid(), os.getegid(), os.getpid()
        child, apart = namespaces.fork_into()
        if child == 0:
            self._become_jailed(connection, errors, Jail(self._limits, (connection,), user, group, outside, apart))
        self._children.add(child)
        os.close(connection)
        os.close(errors)
        return child

    def _become_jailed(self, connection: int, errors: int, jail: Jail) -> None:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(errors, 2)
            serve(connection, jail, self._new_host)
            status = 0
        except BaseException:  # noqa: BLE001 - these are its last words; what it forks off must not go on as the nursery
            traceback.print_exc()
        finally:
            os._exit(status)

    def _reap(self) -> None:
        while self._children:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                return
            self._children.discard(child)
            self._tell(ended=child, status=status)

    def _tell(self, **news: int) -> None:
        channel.send(self._control, json.dumps(news).encode())
