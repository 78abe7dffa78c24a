"""Messages over a connected pair of sockets: length, number of descriptors, body."""

import asyncio
import socket
import struct
from collections.abc import Sequence

LONGEST = 8 * 2**20
"""Bytes of one message."""
MOST_DESCRIPTORS = 16
_HEAD = struct.Struct("!IB")


class BrokenMessageError(Exception):
    """What came is not a message: the other side is not what it was."""


def send(to: socket.socket, body: bytes, descriptors: Sequence[int] = ()) -> None:
    """From the blocking side. Raises OSError when the other side is gone."""
    head = _HEAD.pack(len(body), len(descriptors))
    if descriptors:
        socket.send_fds(to, [head], list(descriptors))
    else:
        to.send(head)
    view = memoryview(body)
    while view:
        view = view[to.send(view) :]


def receive(source: socket.socket) -> tuple[bytes, list[int]]:
    """On the blocking side: body and descriptors. Raises EOFError when the other side is gone."""
    head, descriptors, _, _ = socket.recv_fds(source, _HEAD.size, MOST_DESCRIPTORS)
    if not head:
        raise EOFError
    length, _ = _HEAD.unpack(head)
    return _exactly(source, length), descriptors


def _exactly(source: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        part = source.recv(min(length - len(parts), 2**20))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


def send_now(to: socket.socket, body: bytes, descriptors: Sequence[int] = ()) -> None:
    """From the side that must not block: a short message. Raises OSError when the other side is gone or has not read for long."""
    message = _HEAD.pack(len(body), len(descriptors)) + body
    if socket.send_fds(to, [message], list(descriptors)) < len(message):
        raise BlockingIOError("the other side does not read")


async def send_soon(to: socket.socket, body: bytes, descriptors: Sequence[int] = ()) -> None:
    """From the side that must not block, one message at a time. Raises OSError when the other side is gone."""
    message = _HEAD.pack(len(body), len(descriptors)) + body
    sent = socket.send_fds(to, [message], list(descriptors))
    await asyncio.get_running_loop().sock_sendall(to, memoryview(message)[sent:])


async def receive_soon(source: socket.socket) -> bytes:
    """On the side that must not block, from a side that may be hostile. Raises EOFError, OSError, BrokenMessageError."""
    head = await _exactly_soon(source, _HEAD.size)
    length, descriptors = _HEAD.unpack(head)
    if length > LONGEST or descriptors:
        raise BrokenMessageError(f"a message of {length} bytes and {descriptors} descriptors")
    return await _exactly_soon(source, length)


async def _exactly_soon(source: socket.socket, length: int) -> bytes:
    loop = asyncio.get_running_loop()
    parts = bytearray()
    while len(parts) < length:
        part = await loop.sock_recv(source, min(length - len(parts), 2**18))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)
