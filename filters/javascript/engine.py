"""V8 in this process, started once: single-threaded, in UTC and English whatever the host is set to."""

import atexit
import os
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

from py_mini_racer import MiniRacer, init_mini_racer

MEMORY = 64 * 1024 * 1024
"""Bytes of heap beyond which code is ended."""
_FLAGS = ("--single-threaded", "--max-semi-space-size=1", "--optimize-for-size")
_SURROUNDINGS = {"TZ": "UTC", "LC_ALL": "en_US.UTF-8"}

_open: "weakref.WeakSet[MiniRacer]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    # An isolate that is still open when the interpreter ends waits for it for ever.
    for racer in list(_open):
        racer.close()


def new_racer() -> MiniRacer:
    """A new isolate, which may be used by any thread, one at a time; also by one that runs an event loop, which then waits."""
    _start()
    with ThreadPoolExecutor(max_workers=1) as thread:
        # Made where an event loop runs, it would depend on that loop and could not be timed.
        racer = thread.submit(MiniRacer).result()
    _open.add(racer)
    return racer


@cache
def _start() -> None:
    """V8 reads time zone and language once, when it first needs them."""
    init_mini_racer(flags=_FLAGS, ignore_duplicate_init=True)
    with _surroundings(), ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(_look_around).result()


def _look_around() -> None:
    with MiniRacer() as first:
        first.eval("new Date(0).toString() + (1.5).toLocaleString()")


@contextmanager
def _surroundings() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _SURROUNDINGS}
    os.environ.update(_SURROUNDINGS)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
