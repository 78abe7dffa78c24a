"""Starts the nursery, and jailed processes through it."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence

from adapters.sandbox import channel
from adapters.sandbox.nursery import KILL, SPAWN
from adapters.sandbox.process import JailedProcess, ProcessEndedError
from domain.errors import UnavailableError

START_TIMEOUT = 30.0
"""Seconds for the nursery to load everything, and for a process to lock itself in, on a busy machine."""
_END_TIMEOUT = 5.0


class Nursery:
    """A program that forks jailed processes. It ends with this process, however this process ends, and takes all of them along."""

    def __init__(self, program: Sequence[str]) -> None:
        """`program`: Python's arguments for a program that calls `adapters.sandbox.nursery.run`."""
        self._arguments = program
        self._program: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._listening: asyncio.Task[None] | None = None
        self._orders = itertools.count()
        self._spawned: dict[int, asyncio.Future[tuple[int, asyncio.Future[int]]]] = {}
        self._ends: dict[int, asyncio.Future[int]] = {}

    @property
    def is_alive(self) -> bool:
        return self._listening is not None and not self._listening.done()

    async def start(self) -> None:
        """Start the program. It says nothing until it is told to spawn."""
        mine, theirs = socket.socketpair()
        mine.setblocking(False)  # noqa: FBT003 - its only argument
        with theirs:
            self._program = _start(self._arguments, theirs.fileno())
        self._control = mine
        self._listening = asyncio.create_task(self._listen(mine))

    async def spawn(self) -> JailedProcess:
        """A process locked in, ready for requests. Raises UnavailableError."""
        try:
            async with asyncio.timeout(START_TIMEOUT):
                process = await self._born()
                try:
                    await process.locked_in()
                except BaseException:
                    process.kill()
                    process.close()
                    raise
                return process
        except (OSError, EOFError, TimeoutError, ProcessEndedError) as error:
            raise UnavailableError(f"No filter process can be started: {error or type(error).__name__}.") from error

    async def _born(self) -> JailedProcess:
        mine, theirs = socket.socketpair()
        mine.setblocking(False)  # noqa: FBT003 - its only argument
        said, says = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            number, ended = await self._spawn(theirs.fileno(), says)
        except BaseException:
            mine.close()
            os.close(said)
            raise
        finally:
            theirs.close()
            os.close(says)
        return JailedProcess(number, mine, said, ended, lambda: self.kill(number))

    async def _spawn(self, connection: int, errors: int) -> tuple[int, asyncio.Future[int]]:
        if not self.is_alive:
            raise EOFError("their nursery has ended")
        order = next(self._orders)
        spawned: asyncio.Future[tuple[int, asyncio.Future[int]]] = asyncio.get_running_loop().create_future()
        self._spawned[order] = spawned
        try:
            self._order({"do": SPAWN, "order": order}, connection, errors)
            return await spawned
        finally:
            del self._spawned[order]

    def kill(self, number: int) -> None:
        """End a jailed process at once, whatever it does. One that has ended already is left alone."""
        with contextlib.suppress(OSError):
            self._order({"do": KILL, "process": number})

    def _order(self, order: dict[str, object], *descriptors: int) -> None:
        assert self._control is not None, "the nursery has not been started"
        channel.send_now(self._control, json.dumps(order).encode(), descriptors)

    async def stop(self) -> None:
        """End the nursery and every process of it, and wait until they are gone."""
        if self._program is None or self._control is None or self._listening is None:
            return
        for number, ended in self._ends.items():
            if not ended.done():
                self.kill(number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_TIMEOUT):
                await asyncio.gather(*self._ends.values())
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._control.close()
        await asyncio.to_thread(_end, self._program)

    async def _listen(self, control: socket.socket) -> None:
        try:
            while True:
                self._take(json.loads(await channel.receive_soon(control)))
        except (EOFError, OSError):
            self._give_up()

    def _take(self, news: dict[str, int]) -> None:
        if "ended" in news:
            self._ends.pop(news["ended"]).set_result(news["status"])
            return
        number = news["spawned"]
        ended = self._ends[number] = asyncio.get_running_loop().create_future()
        order = self._spawned.get(news["order"])
        if order is None or order.done():
            self.kill(number)
        else:
            order.set_result((number, ended))

    def _give_up(self) -> None:
        """The kernel ends every jailed process with the nursery."""
        for order in self._spawned.values():
            order.set_exception(EOFError("their nursery has ended"))
        for ended in self._ends.values():
            ended.set_result(signal.SIGKILL)
        self._ends.clear()


def _start(arguments: Sequence[str], control: int) -> subprocess.Popen[bytes]:
    """With an empty environment, in a session of its own: no secret and no terminal goes along."""
    return subprocess.Popen(
        [sys.executable, "-I", *arguments, str(control)],
        env={"OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=(control,),
    )


def _end(program: subprocess.Popen[bytes]) -> None:
    try:
        program.wait(_END_TIMEOUT)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait(_END_TIMEOUT)
