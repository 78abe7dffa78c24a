"""Inside a jailed process: answers one request after the other."""

import json
import os
import socket
from collections.abc import Callable, Mapping
from typing import Protocol

from adapters.sandbox import channel
from adapters.sandbox.jail import Jail
from adapters.sandbox.kernel import map_read_only

GOOD, SPENT = b"g", b"s"
"""The first byte of an answer: whether the process is as good as before."""
Memories = Mapping[int, memoryview]
"""Memory given to this process, by its number. It cannot be written to by anybody."""


class Host(Protocol):
    """What runs in a jailed process. Whatever it raises ends the process."""

    def answer(self, owner: str, request: bytes, memories: Memories) -> bytes:
        """One request of one owner."""

    def forget(self, owner: str) -> None:
        """The owner's requests go elsewhere from now on."""

    @property
    def is_spent(self) -> bool:
        """Whether the last request left it in a state in which it should answer no other. Its owner is to blame."""


def serve(connection: int, jail: Jail, new_host: Callable[[], Host]) -> None:
    """Lock this process in, say how well it is held, and answer until the other side is gone."""
    with socket.socket(fileno=connection) as other_side:
        report = jail.enter()
        channel.send(other_side, report.to_json())
        service = _Service(new_host())
        while True:
            try:
                request, descriptors = channel.receive(other_side)
            except EOFError:
                return
            channel.send(other_side, service.answer(request, descriptors))


class _Service:
    def __init__(self, host: Host) -> None:
        self._host = host
        self._maps: dict[int, memoryview] = {}

    def answer(self, message: bytes, descriptors: list[int]) -> bytes:
        head, _, request = message.partition(b"\n")
        order = json.loads(head)
        for owner in order["forget"]:
            self._host.forget(owner)
        for number in order["drop"]:
            del self._maps[number]
        for (number, size), descriptor in zip(order["take"], descriptors, strict=True):
            self._maps[number] = map_read_only(descriptor, size)
            os.close(descriptor)
        memories = {number: self._maps[number] for number in order["memories"]}
        body = self._host.answer(order["owner"], request, memories)
        return (SPENT if self._host.is_spent else GOOD) + body
