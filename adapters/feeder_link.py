"""Where a feeder is and how it is reached; and the light connection that brings nothing but its heartbeats."""

import asyncio
import logging
import random
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import NoReturn
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from adapters.feeder_choice import Heartbeats
from adapters.feeder_protocol import HEARTBEATS_PATH, Heartbeat, Hello, ProtocolError, decode
from domain.errors import RefusedError
from domain.market import Market

logger = logging.getLogger(__name__)

OPEN_TIMEOUT = 10.0
SILENCE_LIMIT = 10.0
"""Seconds without a message after which a connection is given up; a feeder sends a heartbeat each second."""
LONGEST_MESSAGE = 64 * 2**20
BUFFERED_MESSAGES = 4
FIRST_RETRY, LONGEST_RETRY = 0.5, 15.0
LONGEST_LIGHT_RETRY = 4.0
"""A light connection costs next to nothing, and a feeder that is back should be known soon."""
FAILURES = (OSError, TimeoutError, WebSocketException, ProtocolError, RefusedError)
"""What ends a connection and is worth another try."""


@dataclass(frozen=True, kw_only=True)
class FeederAddress:
    """One feeder: its URL (ws:// or wss://), the token it wants to see, and which certificates are believed."""

    url: str
    token: str
    tls: ssl.SSLContext | None

    @asynccontextmanager
    async def dialled(self, path: str) -> AsyncIterator[ClientConnection]:
        """A connection for the time of the block. Raises one of FAILURES; RefusedError where token or certificate are no good."""
        try:
            connection = await connect(
                self.url + path,
                additional_headers={"Authorization": f"Bearer {self.token}"},
                ssl=self.tls,
                compression=None,
                max_size=LONGEST_MESSAGE,
                max_queue=BUFFERED_MESSAGES,
                open_timeout=OPEN_TIMEOUT,
                close_timeout=1,
                proxy=None,
            )
        except InvalidStatus as refusal:
            if refusal.response.status_code != HTTPStatus.UNAUTHORIZED:
                raise
            raise RefusedError("it refuses the token: CLOUDTRADER_FEEDER_TOKEN must be what its FEEDER_TOKEN is") from refusal
        except ssl.SSLCertVerificationError as problem:
            told = f"its certificate is not believed ({problem.verify_message}): CLOUDTRADER_FEEDER_CA names a file of those to believe"
            raise RefusedError(told) from problem
        try:
            yield connection
        finally:
            # One that hangs would hold up a polite close.
            connection.transport.abort()


def feeder_addresses(urls: str, token: str, ca: str = "") -> tuple[FeederAddress, ...]:
    """The feeders named in a comma-separated list, in its order. `ca` is a PEM file of certificates to believe for wss://; without it
    the system's. Raises RefusedError for what makes no sense.
    """
    named = tuple(dict.fromkeys(part for url in urls.split(",") if (part := url.strip().rstrip("/"))))
    wrong = next((url for url in named if urlsplit(url).scheme not in {"ws", "wss"} or not urlsplit(url).hostname), None)
    if wrong is not None or not named:
        raise RefusedError(
            f"CLOUDTRADER_FEEDER_URL names {wrong or 'no feeder'}: it is one or more of ws://HOST:PORT, separated by commas."
        )
    tls = _tls(ca) if any(url.startswith("wss:") for url in named) else None
    return tuple(FeederAddress(url=url, token=token, tls=tls if url.startswith("wss:") else None) for url in named)


def retry_delay(failures: int, longest: float, error: BaseException | None = None) -> float:
    """Seconds until the next try after so many failures: random, doubling up to `longest`; slow where somebody must set something."""
    if isinstance(error, RefusedError):
        return longest
    return random.uniform(0, min(longest, FIRST_RETRY * 2 ** min(failures, 10)))


async def next_message(connection: ClientConnection) -> bytes:
    """The next message. Raises TimeoutError when none comes within SILENCE_LIMIT."""
    async with asyncio.timeout(SILENCE_LIMIT):
        return await connection.recv(decode=False)


class HeartbeatLink:
    """Hears one feeder's heartbeats, for ever."""

    def __init__(self, address: FeederAddress) -> None:
        self.address = address
        self.heartbeats = Heartbeats()
        self.market: Market | None = None
        """Which market it serves; `None` before it was reached."""
        self._failures = 0

    async def run(self) -> NoReturn:
        """Listen until cancelled, and connect again whenever the connection is lost."""
        while True:
            try:
                await self._listen()
            except FAILURES as error:
                # Said once: a feeder that is away, one of a pair, is normal.
                level = logging.INFO if self._failures == 0 else logging.DEBUG
                logger.log(level, "No heartbeats from the feeder at %s: %s: %s", self.address.url, type(error).__name__, error)
                await self._pause(error)
            except Exception as error:
                logger.exception("The heartbeats of the feeder at %s could not be heard", self.address.url)
                await self._pause(error)

    async def _pause(self, error: Exception) -> None:
        self._failures += 1
        self.heartbeats.end()
        await asyncio.sleep(retry_delay(self._failures, LONGEST_LIGHT_RETRY, error))

    async def _listen(self) -> NoReturn:
        async with self.address.dialled(HEARTBEATS_PATH) as connection:
            while True:
                message = decode(await next_message(connection))
                match message:
                    case Hello(market=market):
                        self.market = market
                    case Heartbeat(status=status):
                        self._failures = 0
                        self.heartbeats.note(status, time.monotonic())


def _tls(ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca or None)
    except OSError as problem:  # ssl.SSLError, for what is no certificate, is one
        raise RefusedError(f"CLOUDTRADER_FEEDER_CA: {ca} is not a readable PEM file of certificates ({problem}).") from problem
