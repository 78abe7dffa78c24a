"""Sends kline frames as fast as a client takes them: the source of the throughput bench, in a process of its own.

It speaks just enough of the exchange's protocol to be subscribed to. Its market stands still until told to go; then every round sends
one frame of each stream and is two seconds of market time, with the closed frames of each boundary that is passed.
"""

import asyncio
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event

import orjson
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from domain.market import Interval

ROUND_MILLISECONDS = 2_000
IDLE_SECONDS = 1.0
_FIRST_TRADES = 1_000_000
_VALUES = b'"o":"1.00000000","c":"1.0%d0","h":"2.00000000","l":"1.00000000","v":"29537.00000000","n":%d'
_REST = b'"q":"25243.05602030","V":"0.03490000","Q":"2982.64125000","B":"0"}}}'


def _frame(stream: str, interval: Interval, *, closed: bool) -> bytes:
    """One WebSocket frame with places for event time, open and close time, price and trades, whose widths do not change."""
    symbol = stream.partition("@")[0].upper().encode()
    places = b'{"stream":"%b","data":{"e":"kline","E":%%d,"s":"%b","k":{"t":%%d,"T":%%d,"s":"%b","i":"%b","f":6734731469,"L":6734731522,'
    flag = b',"x":true,' if closed else b',"x":false,'
    text = places % (stream.encode(), symbol, symbol, interval.value.encode()) + _VALUES + flag + _REST
    length = len(text % (1_600_000_000_000, 1_600_000_000_000, 1_600_000_000_000, _FIRST_TRADES, _FIRST_TRADES))
    return b"\x81\x7e" + length.to_bytes(2).replace(b"%", b"%%") + text


@dataclass
class _Templates:
    """The frames of one connection's streams of one interval, in one piece."""

    count: int = 0
    forming: bytes = b""
    closed: bytes = b""

    def add(self, stream: str, interval: Interval) -> None:
        self.count += 1
        self.forming += _frame(stream, interval, closed=False)
        self.closed += _frame(stream, interval, closed=True)

    def filled(self, template: bytes, at: int, opened: int, interval: Interval, trades: int) -> bytes:
        return template % ((at, opened, opened + interval.milliseconds - 1, trades, trades) * self.count)


@dataclass(eq=False)
class _Client:
    """A connection and what it subscribed to."""

    connection: ServerConnection
    templates: dict[Interval, _Templates] = field(default_factory=lambda: {interval: _Templates() for interval in Interval})
    streams: list[str] = field(default_factory=list)

    def answer(self, text: bytes) -> bytes:
        message = orjson.loads(text)
        if message["method"] == "SUBSCRIBE":
            self.streams += message["params"]
            for symbol, interval in (name.split("@kline_") for name in message["params"] if "@kline_" in name):
                self.templates[Interval(interval)].add(f"{symbol}@kline_{interval}", Interval(interval))
        result = self.streams if message["method"] == "LIST_SUBSCRIPTIONS" else None
        return orjson.dumps({"result": result, "id": message["id"]})

    def round(self, at: int, trades: int) -> Iterator[bytes]:
        """The closed frames of the boundaries since the round before, then a forming frame of every stream."""
        for interval, templates in self.templates.items():
            opened = at // interval.milliseconds * interval.milliseconds
            if at - opened < ROUND_MILLISECONDS and templates.count:
                yield templates.filled(templates.closed, at, opened - interval.milliseconds, interval, trades)
        for interval, templates in self.templates.items():
            yield templates.filled(templates.forming, at, at // interval.milliseconds * interval.milliseconds, interval, trades)


class Blaster:
    """Serves on a port of 127.0.0.1; `starts_at` is its market time until it goes."""

    def __init__(self, starts_at: int, listening: Event, going: Event) -> None:
        self._now = starts_at
        self._listening = listening
        self._going = going
        self._clients: set[_Client] = set()

    async def run(self, port: int) -> None:
        """Serve and send until cancelled."""
        async with serve(self._serve, "127.0.0.1", port, compression=None, ping_interval=None, write_limit=2**20):
            self._listening.set()
            for trades in itertools.count(_FIRST_TRADES):
                if self._going.is_set():
                    self._now += ROUND_MILLISECONDS
                else:
                    await asyncio.sleep(IDLE_SECONDS)
                    self._now += 1
                for client in tuple(self._clients):
                    await self._send_round(client, trades)
                await asyncio.sleep(0)

    async def _serve(self, connection: ServerConnection) -> None:
        client = _Client(connection)
        self._clients.add(client)
        try:
            async for message in connection:
                await connection.send(client.answer(message if isinstance(message, bytes) else message.encode()), text=True)
        finally:
            self._clients.discard(client)

    async def _send_round(self, client: _Client, trades: int) -> None:
        try:
            for data in client.round(self._now, trades):
                client.connection.transport.write(data)
                await client.connection.drain()
        except (ConnectionClosed, ConnectionError, RuntimeError):  # a transport that is closing raises the last
            self._clients.discard(client)


def run(port: int, starts_at: int, listening: Event, going: Event, core: int) -> None:
    """Be a blaster until killed; `listening` is set once it can be connected to."""
    os.sched_setaffinity(0, {core})
    asyncio.run(Blaster(starts_at, listening, going).run(port))
