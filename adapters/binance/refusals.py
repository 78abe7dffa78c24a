"""How long an exchange that refuses wants to be left alone."""

import math
import re
from http import HTTPStatus

import httpx

BANNED = 418
REFUSALS = (HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS, BANNED)
"""Statuses after which nobody behind this address may ask for a while; 403 is the firewall before the exchange."""
DEFAULT_PAUSE = 60.0
FIREWALL_PAUSE = 300.0
SHORTEST_PAUSE = 1.0
"""Seconds; an exchange that refuses and asks for no pause at all would be asked again at once."""
_BANNED_UNTIL = re.compile(r"banned until (\d{13})\b")


def pause_demanded(reply: httpx.Response, exchange_time: float) -> float:
    """Seconds from now, as its headers and its message say; `exchange_time` is epoch seconds."""
    default = FIREWALL_PAUSE if reply.status_code == HTTPStatus.FORBIDDEN else DEFAULT_PAUSE
    told = header_number(reply.headers.get("Retry-After"), default)
    ban = _BANNED_UNTIL.search(reply.text)
    until = int(ban[1]) / 1000 - exchange_time if ban else 0.0
    return max(SHORTEST_PAUSE, told, until)


def header_number(header: str | None, otherwise: float) -> float:
    """A header's number. `Retry-After` may be a date, too, and a proxy may say anything."""
    try:
        told = float(header or otherwise)
    except ValueError:
        return otherwise
    return told if math.isfinite(told) else otherwise
