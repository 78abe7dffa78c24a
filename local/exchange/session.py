"""One WebSocket connection: the control messages, their limits, and the frames that go out."""

import asyncio
import logging
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import CLOSED
from websockets.server import ServerProtocol

from local.exchange.hub import FORMS, Hub

_log = logging.getLogger(__name__)

MOST_STREAMS = 1_024
_MESSAGES_PER_SECOND = 5
_LARGEST_BACKLOG = 32 * 2**20
"""Bytes that may wait for a slow client; at 400 symbols and normal speed that is more than a minute."""
_POLICY_VIOLATION, _GOING_AWAY = 1008, 1001
_INVALID_REQUEST, _INVALID_JSON = 2, 3


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """When connections are pinged and when they end; seconds of the wall clock."""

    ping_every: float = 20.0
    pong_within: float = 60.0
    connection: float = 24 * 3_600.0


_IDENTITY = re.compile(r"[\w-]{1,36}", re.ASCII)
"""Binance's own client sends UUIDs with their dashes."""


class ControlError(Exception):
    """A control message that is refused."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Session:
    """Speaks the market streams' protocol over a transport. The caller feeds it what arrives and calls `check` every second."""

    def __init__(self, transport: asyncio.Transport, hub: Hub, handshake: bytes, *, number: int, lifetime: Lifetime) -> None:
        """`handshake` is the whole head of the upgrade request; `number` tells the connection from others."""
        self.number = number
        self.form = FORMS[False, False]
        self.silenced = 0
        """While this is not 0, nothing is sent but pings and their answers."""
        self.most_client_frames = 0
        self.close_reason = ""
        self._opened_at = time.time()
        self._transport, self._hub, self._lifetime = transport, hub, lifetime
        self._protocol = ServerProtocol(max_size=2**20)
        self._streams: dict[str, None] = {}
        self._queued: list[bytes] = []
        self._message = bytearray()
        self._arrivals: deque[float] = deque()
        self._pinged_at = self._heard_at = time.monotonic()
        self._methods: dict[object, Callable[[list[Any]], object]] = {
            "SUBSCRIBE": self._subscribe,
            "UNSUBSCRIBE": self._unsubscribe,
            "LIST_SUBSCRIPTIONS": lambda _: list(self._streams),
            "SET_PROPERTY": self._set_property,
            "GET_PROPERTY": self._get_property,
        }
        self.receive(handshake)

    def receive(self, data: bytes) -> None:
        """Take bytes from the client."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._accept(event)
            elif isinstance(event, Frame):
                self._take(event)
        self._write()

    def enqueue(self, frame: bytes) -> None:
        """Take a frame for the next flush."""
        self._queued.append(frame)

    def flush(self) -> None:
        """Hand the queued frames to the transport; a client that lets too much wait is disconnected."""
        data, self._queued = b"".join(self._queued), []
        if self._protocol.close_sent is None and not self.silenced:
            self._transport.write(data)
        if (waiting := self._transport.get_write_buffer_size()) > _LARGEST_BACKLOG:
            _log.warning("disconnecting a slow client with %d bytes waiting", waiting)
            self.abort("it let too much wait")

    def check(self) -> None:
        """Ping when it is time; give up on a client that has not answered, and on any at the end of its time."""
        now = time.monotonic()
        if now - self._heard_at > self._lifetime.ping_every + self._lifetime.pong_within:
            self.abort("no pong")
        elif self._protocol.close_sent is not None:
            return
        elif time.time() - self._opened_at > self._lifetime.connection:
            self.close("its time was up")
        elif now - self._pinged_at >= self._lifetime.ping_every:
            self._pinged_at = now
            self._protocol.send_ping(str(int(time.time() * 1000)).encode())
            self._write()

    def announce_end(self, at: int) -> None:
        """Say that the server is about to shut down, as Binance does."""
        event = {"e": "serverShutdown", "E": at}
        self._send({"stream": "!serverShutdown", "data": event} if self.form.combined else event)
        self._write()

    def close(self, reason: str) -> None:
        """Close in the manner of the protocol."""
        self._fail(_GOING_AWAY, "", reason)
        self._write()

    def abort(self, reason: str) -> None:
        """Cut the connection, without a word."""
        self.close_reason = self.close_reason or reason
        self._transport.abort()

    def leave(self) -> None:
        """The connection is gone: listen to nothing any more."""
        self.close_reason = self.close_reason or "the client left"
        for stream in self._streams:
            self._hub.unsubscribe(stream, self)

    def described(self) -> dict[str, object]:
        """The connection for the status; once it is gone, with the streams that it had and why it ended."""
        told = {
            "id": self.number,
            "streams": len(self._streams),
            "opened_at": round(self._opened_at * 1000),
            "most_client_frames_per_second": self.most_client_frames,
        }
        return told | ({"close_reason": self.close_reason} if self.close_reason else {})

    def _accept(self, request: Request) -> None:
        parts = urlsplit(request.path)
        query, combined = parse_qs(parts.query), parts.path == "/stream"
        self.form = FORMS[combined, query.get("timeUnit", [""])[0].upper() == "MICROSECOND"]
        listed = query.get("streams", [""])[0] if combined else unquote(parts.path).rpartition("/ws")[2]
        self._protocol.send_response(self._protocol.accept(request))
        try:
            self._subscribe([stream for stream in listed.split("/") if stream])
        except ControlError as error:
            self._fail(_POLICY_VIOLATION, str(error), str(error))

    def _take(self, frame: Frame) -> None:
        now = time.monotonic()
        if frame.opcode is Opcode.CLOSE or self._protocol.close_sent is not None:
            return
        self._count(now)
        if len(self._arrivals) > _MESSAGES_PER_SECOND:
            self._fail(_POLICY_VIOLATION, "Too many requests", "too many requests")
            return
        if frame.opcode is Opcode.PONG:
            self._heard_at = now
        elif frame.opcode is not Opcode.PING:
            self._message += frame.data
            if frame.fin:
                text, self._message = bytes(self._message), bytearray()
                self._send(self._answer(text))

    def _count(self, now: float) -> None:
        while self._arrivals and now - self._arrivals[0] >= 1:
            self._arrivals.popleft()
        self._arrivals.append(now)
        self.most_client_frames = max(self.most_client_frames, len(self._arrivals))

    def _answer(self, text: bytes) -> dict[str, object]:
        identity: object = None
        try:
            message = _parsed(text)
            identity = _identity(message)
            method, parameters = message.get("method"), message.get("params", [])
            if method not in self._methods:
                raise ControlError(_INVALID_REQUEST, f"Invalid request: unknown variant `{method}`")
            if not isinstance(parameters, list):
                raise ControlError(_INVALID_REQUEST, "Invalid request: params must be an array")
            return {"result": self._methods[method](parameters), "id": identity}
        except ControlError as error:
            return {"error": {"code": error.code, "msg": str(error)}, "id": identity}

    def _subscribe(self, parameters: list[Any]) -> None:
        wanted = self._streams | dict.fromkeys(_names(parameters))
        if len(wanted) > MOST_STREAMS:
            raise ControlError(_INVALID_REQUEST, f"Invalid request: a connection can have at most {MOST_STREAMS} streams")
        for stream in parameters:  # those it has, too: the exchange may have forgotten one of them
            self._hub.subscribe(stream, self)
        self._streams = wanted

    def _unsubscribe(self, parameters: list[Any]) -> None:
        for stream in _names(parameters):
            if stream in self._streams:
                del self._streams[stream]
                self._hub.unsubscribe(stream, self)

    def _set_property(self, parameters: list[Any]) -> None:
        if len(parameters) != 2 or parameters[0] != "combined":
            raise ControlError(0, "Unknown property")
        if not isinstance(parameters[1], bool):
            raise ControlError(1, "Invalid value type: expected Boolean")
        self.form = FORMS[parameters[1], self.form.microseconds]

    def _get_property(self, parameters: list[Any]) -> bool:
        if parameters != ["combined"]:
            raise ControlError(0, "Unknown property")
        return self.form.combined

    def _send(self, message: dict[str, object]) -> None:
        if not self.silenced:
            self._protocol.send_text(orjson.dumps(message))

    def _fail(self, code: int, said: str, reason: str) -> None:
        self.close_reason = self.close_reason or reason
        self.leave()
        self._protocol.fail(code, said)

    def _write(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._transport.close()
        if self._protocol.state is CLOSED:
            self._transport.close()


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ControlError(_INVALID_JSON, f"Invalid JSON: {error}") from error
    if not isinstance(message, dict):
        raise ControlError(_INVALID_REQUEST, "Invalid request: expected an object")
    return message


def _identity(message: dict[str, Any]) -> object:
    identity = message.get("id")
    if identity is None or (isinstance(identity, int) and not isinstance(identity, bool)):
        return identity
    if isinstance(identity, str) and _IDENTITY.fullmatch(identity):
        return identity
    raise ControlError(_INVALID_REQUEST, "Invalid request: request ID must be an integer, an alphanumeric string of at most 36 or null")


def _names(parameters: list[Any]) -> list[str]:
    if not all(isinstance(parameter, str) for parameter in parameters):
        raise ControlError(_INVALID_REQUEST, "Invalid request: stream names must be strings")
    return parameters
