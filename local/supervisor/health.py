"""Ways to see from outside whether a process does its work."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

import httpx
import psycopg

CHECK_WITHIN = timedelta(seconds=5)
"""A check that takes longer counts as unhealthy."""


class UnhealthyError(Exception):
    """The process answers that it does not do its work now; the message says what was seen."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is wrong with a process."""

    text: str
    answered: bool
    """It says so itself; otherwise it cannot be reached."""


class HealthCheck(Protocol):
    """One way to look."""

    async def check(self) -> None:
        """Return when the process is healthy. Raises UnhealthyError, or OSError when it cannot be reached."""


async def look(health: HealthCheck) -> Problem | None:
    """What is wrong, if anything. Never takes longer than CHECK_WITHIN."""
    try:
        async with asyncio.timeout(CHECK_WITHIN.total_seconds()):
            await health.check()
    except TimeoutError:
        return Problem(text=f"no answer within {CHECK_WITHIN.total_seconds():.0f} s", answered=False)
    except (UnhealthyError, OSError) as problem:
        return Problem(text=str(problem) or type(problem).__name__, answered=isinstance(problem, UnhealthyError))
    return None


@dataclass(frozen=True, kw_only=True)
class HttpHealth:
    """A GET of the URL answers with success."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    async def check(self) -> None:
        """Ask once, on a connection of its own."""
        # Local and plain: a context without certificates spares loading the machine's at every check.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            async with httpx.AsyncClient(verify=context, trust_env=False, timeout=CHECK_WITHIN.total_seconds()) as client:
                answer = await client.get(self.url, headers=dict(self.headers))
        except httpx.HTTPError as problem:
            raise ConnectionError(str(problem) or type(problem).__name__) from problem
        if not answer.is_success:
            raise UnhealthyError(f"HTTP {answer.status_code}: {answer.text[:200]}")


@dataclass(frozen=True, kw_only=True)
class PostgresHealth:
    """The database answers a query. A server that still recovers accepts connections, but does not answer."""

    database_url: str

    async def check(self) -> None:
        """Connect and ask for 1."""
        try:
            async with await psycopg.AsyncConnection.connect(self.database_url) as connection:
                await connection.execute("select 1")
        except psycopg.Error as problem:
            raise ConnectionError(str(problem)) from problem
