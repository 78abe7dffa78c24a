"""One thread for all that touches the market: what the market sends goes first, then users by turns, whoever used it least first."""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from threading import Condition, Thread
from typing import Any, Generic, ParamSpec, TypeVar

TURN = 0.01
"""Seconds of CPU time after which work should let others go on."""
HALF_LIFE = 10.0
"""Seconds after which what a user has used counts half."""
_REBASED_AFTER = 64
"""Half-lives after which usage is scaled down, so that the numbers stay finite."""
_FORGOTTEN = 1e-6
"""Seconds of usage that are worth remembering."""

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")
Turns = Generator[None, None, Result]
"""Work for a user. It yields where others may go first, and then finds a market that has moved on; what it returns is the result."""


@dataclass(eq=False)
class _Work(Generic[Result]):
    """Something to do until its future is done."""

    future: "Future[Result]"
    turns: Turns[Result]

    def go_on(self) -> bool:
        """One turn; whether there is more to do."""
        if self.future.cancelled():
            self.turns.close()
            return False
        try:
            next(self.turns)
        except StopIteration as end:
            self._settle(Future.set_result, end.value)
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for the work
            self._settle(Future.set_exception, error)
        else:
            return True
        return False

    def _settle(self, settle: Callable[["Future[Result]", Any], None], with_what: object) -> None:
        if self.future.set_running_or_notify_cancel():
            settle(self.future, with_what)


@dataclass(eq=False)
class _User:
    """A user's work in its order, and the CPU time used, in the units of Shares."""

    used: float = 0.0
    works: deque[_Work[Any]] = field(default_factory=deque)


class Shares:
    """Who goes next: the user with work who has used least. What was used counts half after each HALF_LIFE.

    Instead of every user's usage being halved, what is used later counts more: the order is the same.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._base = clock()
        self._users: dict[Hashable, _User] = {}
        self._waiting: list[tuple[float, int, _User]] = []
        self._order = itertools.count()

    def __bool__(self) -> bool:
        """Whether anyone waits."""
        return bool(self._waiting)

    def add(self, user: Hashable, work: _Work[Any]) -> None:
        """Put the work behind the user's other work. Whoever is being served is not waiting, see `put_back`."""
        known = self._users.setdefault(user, _User())
        known.works.append(work)
        if len(known.works) == 1:
            self._wait(known)

    def take(self) -> _User:
        """The user to be served now."""
        return heappop(self._waiting)[2]

    def put_back(self, user: _User, seconds: float, *, is_done: bool) -> None:
        """The user was served for so long; work that is not done stays his first."""
        user.used += seconds * 2.0 ** self._age()
        if is_done:
            user.works.popleft()
        if user.works:
            self._wait(user)
        if self._age() > _REBASED_AFTER:
            self._rebase()

    def drain(self) -> list[_Work[Any]]:
        """Take all work away."""
        works = [work for user in self._users.values() for work in user.works]
        self._users.clear()
        self._waiting.clear()
        return works

    def _wait(self, user: _User) -> None:
        heappush(self._waiting, (user.used, next(self._order), user))

    def _age(self) -> float:
        return (self._clock() - self._base) / HALF_LIFE

    def _rebase(self) -> None:
        scale = 2.0 ** -self._age()
        self._base = self._clock()
        for user in self._users.values():
            user.used *= scale
        self._users = {key: user for key, user in self._users.items() if user.works or user.used > _FORGOTTEN}
        self._waiting = [(used * scale, order, user) for used, order, user in self._waiting]
        heapify(self._waiting)


class FairThread(Executor):
    """Runs one thing at a time in one thread.

    `submit` is for the market's own updates: they go before everything else, in their order. `submit_for` is for a user's work, which is
    served in turns: one user's load, however great, delays the others by one turn of his and not by more. A user's own works are done
    one after the other, so that he has one unfinished at most.
    """

    def __init__(self, name: str, *, clock: Callable[[], float] = time.monotonic, cpu_time: Callable[[], float] = time.thread_time) -> None:
        self._cpu_time = cpu_time
        self._wakeup = Condition()
        self._updates: deque[_Work[Any]] = deque()
        self._shares = Shares(clock)
        self._began = 0.0
        self._is_closed = False
        self._thread = Thread(target=self._serve, name=name, daemon=True)

    def submit(self, fn: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> "Future[Result]":
        """The function is called before any user's next turn."""
        work = _Work(Future[Result](), _at_once(fn, *args, **kwargs))
        with self._open():
            self._updates.append(work)
        return work.future

    def submit_for(self, user: Hashable, turns: Turns[Result]) -> "Future[Result]":
        """The user's work is done in turns."""
        work = _Work(Future[Result](), turns)
        with self._open():
            self._shares.add(user, work)
        return work.future

    async def run(self, user: Hashable, turns: Turns[Result]) -> Result:
        """What the user's work brings. Cancelled, it ends before its next turn."""
        return await asyncio.wrap_future(self.submit_for(user, turns))

    async def call(self, user: Hashable, function: Callable[[], Result]) -> Result:
        """As `run`, for work that is short."""
        return await self.run(user, _at_once(function))

    def turn_is_over(self) -> bool:
        """Whether the work that asks, in this thread, should yield: it had its turn, and others wait."""
        return self._cpu_time() - self._began >= TURN and bool(self._updates or self._shares)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - Executor's
        """End once all work is done, or with `cancel_futures` once the present turn is over."""
        with self._wakeup:
            self._is_closed = True
            if cancel_futures:
                for work in (*self._updates, *self._shares.drain()):
                    work.future.cancel()
                self._updates.clear()
            self._wakeup.notify()
        if wait and self._thread.ident is not None:
            self._thread.join()

    @contextmanager
    def _open(self) -> Iterator[None]:
        with self._wakeup:
            if self._is_closed:
                raise RuntimeError(f"{self._thread.name} has ended")
            if self._thread.ident is None:
                self._thread.start()
            yield
            self._wakeup.notify()

    def _serve(self) -> None:
        while True:
            with self._wakeup:
                self._wakeup.wait_for(lambda: self._updates or self._shares or self._is_closed)
                if not (self._updates or self._shares):
                    return
                update, user = (self._updates.popleft(), None) if self._updates else (None, self._shares.take())
            self._began = self._cpu_time()
            if update is not None:
                update.go_on()
            elif user is not None:
                is_done = not user.works[0].go_on()
                with self._wakeup:
                    self._shares.put_back(user, self._cpu_time() - self._began, is_done=is_done)


def _at_once(function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs) -> Turns[Result]:
    """Work of a single turn."""
    yield from ()
    return function(*args, **kwargs)
