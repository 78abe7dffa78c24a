"""Every call to Supabase passes through here: it ends within a deadline, and what goes wrong is said in the product's own errors."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol

import httpx
from postgrest.exceptions import APIError

from domain.errors import CloudtraderError, LimitReachedError, NotFoundError, RefusedError, UnavailableError

Row = Mapping[str, Any]
"""A row as JSON brought it."""

DEADLINE = timedelta(seconds=15)

LIMIT_CODES = frozenset({"PT402", "PT409", "PT413", "PT425"})
"""What our triggers raise when a tier's limit is reached; see migrations/*_tiers_and_versions.sql."""
UNKNOWN_SCHEMA = frozenset({"PGRST002", "PGRST202", "PGRST204", "PGRST205"})
"""The API has not read the database's schema, or read it before the migrations."""
TRANSIENT_CLASSES = ("08", "40", "53", "55", "57", "58", "XX", "PGRST0")
"""Beginnings of codes for what may pass: connection, deadlock, resources, shutdown. https://www.postgresql.org/docs/current/errcodes-appendix.html"""


class Query(Protocol):
    """Any query of the Supabase client."""

    async def execute(self) -> Any: ...


async def send(query: Query, doing: str) -> list[dict[str, Any]]:
    """The rows a query answers. Raises UnavailableError, RefusedError or LimitReachedError; `doing` begins the message."""
    with translated(doing):
        async with asyncio.timeout(DEADLINE.total_seconds()):
            data = (await query.execute()).data
    if data is None:
        return []
    return data if isinstance(data, list) else [data]


async def send_to_one(query: Query, doing: str) -> dict[str, Any]:
    """The one row a query answers. Raises NotFoundError when it answers none."""
    rows = await send(query, doing)
    if not rows:
        raise NotFoundError(f"{doing}: there is no such row, or it belongs to somebody else.")
    return rows[0]


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turns errors of the client, of HTTP and of the database into ours."""
    try:
        yield
    except APIError as problem:
        raise to_domain_error(problem, doing) from problem
    except (httpx.HTTPError, TimeoutError) as problem:
        raise UnavailableError(f"{doing}: Supabase does not answer ({type(problem).__name__}).") from problem


def to_domain_error(problem: APIError, doing: str) -> CloudtraderError:
    """What a refusal by the API means in the product's terms."""
    code, message = problem.code or "", problem.message or "no reason given"
    if code in UNKNOWN_SCHEMA:
        return UnavailableError(f"{doing}: {message} ({code}). If that lasts, apply the migrations and restart the API.")
    hint = f" {problem.hint}" if problem.hint else ""
    if code in LIMIT_CODES:
        return LimitReachedError(f"{message}.{hint}")
    if _is_transient(code, message):
        return UnavailableError(f"{doing}: {message} ({code}).")
    return RefusedError(f"{doing}: {message} ({code}).{hint}")


def _is_transient(code: str, message: str) -> bool:
    if code == "SUP":  # Supabase Lite's word for whatever it does not know, check constraints among them
        return "violates check constraint" not in message
    return code.startswith(TRANSIENT_CLASSES) or code == "429" or (code.isdigit() and code.startswith("5") and len(code) == len("500"))
