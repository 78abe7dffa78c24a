"""One jailed process, as the worker sees it."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.sandbox import channel
from adapters.sandbox.host import GOOD
from adapters.sandbox.report import JailReport
from adapters.sandbox.sealed import SealedMemory

_DEATH_WITHIN = 5.0
"""Seconds in which a process whose connection is closed ends by itself, and again when it is killed."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LAST_WORDS = 64 * 2**10
"""Bytes of its standard error that a process may write before it is read."""
_SIGNS_OF_HUNGER = ("out of memory", "oom", "allocation failed", "invalid size error", "memoryerror")


class ProcessEndedError(Exception):
    """The process is gone, or does not speak as it should and must go."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """What one owner asks of a jailed process."""

    owner: str
    body: bytes
    memories: Sequence[SealedMemory] = ()
    read: Callable[[bytes], Any] = bytes
    """Makes of the answer what the owner asked for; a ValueError ends the process, which is not what it was."""


@dataclass(frozen=True, kw_only=True)
class Death:
    """How a process ended."""

    status: int
    """As waitpid gives it."""
    last_words: str

    @property
    def signal(self) -> int:
        """By which it was ended; 0 if it ended by itself."""
        return os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else 0

    @property
    def is_of_hunger(self) -> bool:
        """Whether it died because it got no more memory; by SIGKILL, when nobody here sent it, the kernel did for the same reason."""
        words = self.last_words.lower()
        return self.signal == signal.SIGKILL or any(sign in words for sign in _SIGNS_OF_HUNGER)

    def __str__(self) -> str:
        how = f"signal {signal.Signals(self.signal).name}" if self.signal else f"exit {os.waitstatus_to_exitcode(self.status)}"
        lines = [line.strip(" #") for line in self.last_words.splitlines()]
        telling = [line for line in lines if line.startswith("Fatal")] or [line for line in lines if line]
        return how + (f", {telling[-1][:200]}" if telling else "")


class JailedProcess:
    """Answers one request at a time."""

    def __init__(self, number: int, connection: socket.socket, errors: int, ended: asyncio.Future[int], kill: Callable[[], None]) -> None:
        """`errors` is where it writes its standard error; it and the connection belong to this object from now on."""
        self.number = number
        self.report = JailReport()
        self._connection = connection
        self._errors = errors
        self._said = bytearray()
        self._cpu = 0.0
        self._ended = ended
        self.kill = kill
        self._taken: weakref.WeakValueDictionary[int, SealedMemory] = weakref.WeakValueDictionary()
        self._mapped: set[int] = set()
        self.forget: set[str] = set()
        """Owners whose requests go elsewhere from now on; told with the next request."""
        self.is_spent = False
        """It should answer no other request; whoever asked last is to blame."""

    @property
    def is_alive(self) -> bool:
        """Whether its end has not been heard of."""
        return not self._ended.done()

    async def locked_in(self) -> None:
        """Return once it is held, with the report of how well. Raises ProcessEndedError."""
        self.report = JailReport.from_json(await self._receive())

    async def ask(self, request: Request) -> Any:
        """The answer, read. Raises ProcessEndedError; after that, or when this is cancelled, the process must be ended."""
        new = [memory for memory in request.memories if memory.number not in self._mapped]
        gone = self._mapped.difference(self._taken.keys())
        head = {
            "owner": request.owner,
            "memories": [memory.number for memory in request.memories],
            "take": [(memory.number, memory.size) for memory in new],
            "drop": sorted(gone),
            "forget": sorted(self.forget),
        }
        self.forget.clear()
        self._mapped = (self._mapped - gone) | {memory.number for memory in new}
        self._taken.update((memory.number, memory) for memory in new)
        message = json.dumps(head).encode() + b"\n" + request.body
        with _as_ended():
            await channel.send_soon(self._connection, message, [memory.descriptor for memory in new])
        answer = await self._receive()
        self.is_spent = answer[:1] != GOOD
        with _as_ended():
            return request.read(answer[1:])

    async def _receive(self) -> bytes:
        with _as_ended():
            answer = await channel.receive_soon(self._connection)
        self._listen()
        return answer

    def _listen(self) -> None:
        """Whoever writes to a full pipe stops."""
        with contextlib.suppress(OSError):
            self._said = (self._said + os.read(self._errors, _LAST_WORDS))[-_LAST_WORDS:]

    def cpu(self) -> float:
        """Seconds of processor time it has used; what it had used at the last look when it is gone."""
        per_process = 2
        with contextlib.suppress(OSError):
            self._cpu = time.clock_gettime(~self.number << 3 | per_process)
        return self._cpu

    def resident(self) -> int:
        """Bytes of memory of its own it really uses."""
        with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{self.number}/statm") as file:  # noqa: PTH123 - ten times a second
            fields = file.read().split()
            return (int(fields[1]) - int(fields[2])) * _PAGE
        return 0

    def close(self) -> None:
        """Let go of it; it ends as soon as it notices. May be called again."""
        self._connection.close()
        if self._errors >= 0:
            os.close(self._errors)
            self._errors = -1

    async def death(self) -> Death:
        """End it if it has not ended, and how it did. Raises TimeoutError."""
        self._connection.close()
        try:
            status = await asyncio.wait_for(asyncio.shield(self._ended), _DEATH_WITHIN)
        except TimeoutError:
            self.kill()
            status = await asyncio.wait_for(asyncio.shield(self._ended), _DEATH_WITHIN)
        self._listen()
        self.close()
        return Death(status=status, last_words=self._said.decode(errors="replace"))


@contextlib.contextmanager
def _as_ended() -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, ValueError, channel.BrokenMessageError) as error:
        raise ProcessEndedError(str(error) or type(error).__name__) from error
