"""Clients of a feeder in a process of their own: they take every message, look at its header only, and note how late it is."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection

import orjson
from websockets.asyncio.client import connect

from adapters.feeder_protocol import PATH
from tests.integration.feeder.processes import OTHER_CORE, TOKEN

CLIENTS_PER_SECOND = 10


class Clients:
    """Many clients, as the bench sees them."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def delays(self) -> list[float]:
        """Seconds from the feeder receiving a frame to a client having it, one per message and client since the last call."""
        self._pipe.send(None)
        if not self._pipe.poll(30):
            raise TimeoutError("the clients do not answer")
        received: list[float] = self._pipe.recv()
        return received


@contextmanager
def connected(url: str, count: int) -> Iterator[Clients]:
    """That many clients of the feeder at `url` while the block lasts; they join ten a second."""
    ours, theirs = (context := get_context("spawn")).Pipe()
    process = context.Process(target=_run, args=(url, count, theirs), daemon=True)
    process.start()
    try:
        yield Clients(ours)
    finally:
        process.terminate()
        process.join()


def _run(url: str, count: int, pipe: Connection) -> None:
    os.sched_setaffinity(0, {OTHER_CORE})
    asyncio.run(_follow(url, count, pipe))


async def _follow(url: str, count: int, pipe: Connection) -> None:
    delays: list[float] = []

    def report() -> None:
        pipe.recv()
        pipe.send(delays[:])
        del delays[:]

    asyncio.get_running_loop().add_reader(pipe.fileno(), report)
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(_receive(url, delays))
            await asyncio.sleep(1 / CLIENTS_PER_SECOND)


async def _receive(url: str, delays: list[float]) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with connect(url + PATH, additional_headers=headers, compression=None, max_size=2**26, open_timeout=60, proxy=None) as connection:
        while True:
            message = await connection.recv(decode=False)
            header = orjson.loads(message[4 : 4 + int.from_bytes(message[:4], "little")])
            if at := header.get("received_at"):
                delays.append(time.time() - at)
