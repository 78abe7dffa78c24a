"""Between the feeder and the exchange's REST API: every request is written down and forwarded."""

import asyncio
import re
from contextlib import suppress
from urllib.parse import parse_qs, unquote, urlsplit

_REQUEST = re.compile(rb"^GET (\S+) HTTP/1\.1\r\n", re.MULTILINE)


class RequestLog:
    """Listens on a free port while it is entered. A request fits into one piece of what a client on this machine sends."""

    def __init__(self, address):
        parts = urlsplit(address)
        self._host, self._port = parts.hostname, parts.port
        self._server = None
        self._tasks = set()
        self.asked = []
        """Path and parameters of every request so far."""

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def histories(self, since=0):
        """(symbol, interval) of each request for candles after the first `since` requests of any kind."""
        return [(asked["symbol"], asked["interval"]) for path, asked in self.asked[since:] if path == "/api/v3/klines"]

    async def _forward(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        to_exchange = None
        try:
            from_exchange, to_exchange = await asyncio.open_connection(self._host, self._port)
            await asyncio.gather(self._pump(reader, to_exchange, note=True), self._pump(from_exchange, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(asyncio.current_task())
            for end in filter(None, (writer, to_exchange)):
                end.close()

    async def _pump(self, reader, writer, *, note=False):
        while data := await reader.read(65_536):
            if note:
                self.asked.extend(_requests(data))
            writer.write(data)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()


def _requests(data):
    for target in _REQUEST.findall(data):
        parts = urlsplit(target.decode())
        yield unquote(parts.path), {name: values[-1] for name, values in parse_qs(parts.query).items()}
