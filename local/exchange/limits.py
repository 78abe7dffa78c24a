"""What a client may ask for in a minute, and what happens to one that asks for more."""

import math
from dataclasses import dataclass
from http import HTTPStatus

import orjson

from local.exchange.http11 import Response

WEIGHT = 6_000
"""Per minute, on Binance."""
_PATIENCE = 20
"""Requests of a client that has been told to wait; with one more it is banned."""
_FIRST_BAN, _LONGEST_BAN = 120.0, 3 * 86_400.0


@dataclass
class _Client:
    minute: int = 0
    used: int = 0
    ignored: int = 0
    """Requests since it was told to wait."""
    ban: float = 0.0
    """Seconds of the latest ban."""
    banned_until: float = 0.0


class RequestLimits:
    """Request weight per address and minute of the wall clock: beyond the limit 429, and 418 for ever longer times to who goes on."""

    def __init__(self) -> None:
        self.most = 0
        """The most weight that any client has used within a minute."""
        self._clients: dict[str, _Client] = {}

    @staticmethod
    def weight(speed: float) -> int:
        """The limit: Binance's, times the speed of a market that is faster than real time."""
        return round(WEIGHT * max(1.0, speed))

    def charge(self, address: str, weight: int, limit: int, now: float) -> tuple[int, Response | None]:
        """Count a request: the weight used in this minute, and the refusal if it was too much."""
        client = self._clients.setdefault(address, _Client())
        if now < client.banned_until:
            return client.used, banned(client.banned_until, now)
        if client.minute != (minute := int(now // 60)):
            client.minute, client.used, client.ignored = minute, 0, 0
        client.used += weight
        self.most = max(self.most, client.used)
        if client.used <= limit:
            return client.used, None
        client.ignored += 1
        if client.ignored <= _PATIENCE:
            return client.used, too_much(limit, 60 - now % 60)
        client.ban = min(_LONGEST_BAN, 2 * client.ban or _FIRST_BAN)
        client.banned_until = now + client.ban
        return client.used, banned(client.banned_until, now)


def too_much(limit: int, wait: float) -> Response:
    """The reply to more weight than the limit: wait so many seconds."""
    message = (
        f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API."
    )
    return _refusal(HTTPStatus.TOO_MANY_REQUESTS, message, wait)


def banned(until: float, now: float) -> Response:
    """The reply during a ban; both in epoch seconds of the wall clock."""
    message = (
        f"Way too much request weight used; IP banned until {round(until * 1000)}. "
        "Please use WebSocket Streams for live updates to avoid bans."
    )
    return _refusal(HTTPStatus.IM_A_TEAPOT, message, until - now)


def _refusal(status: HTTPStatus, message: str, wait: float) -> Response:
    body = orjson.dumps({"code": -1003, "msg": message})
    return Response(status=status, body=body, headers={"Retry-After": str(math.ceil(max(1.0, wait)))})
