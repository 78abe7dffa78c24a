"""The connection to Supabase: built here and nowhere else, with a deadline for every call and no retries: Temporal retries."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
from supabase import AsyncClient, AsyncClientOptions

CONNECT_WITHIN = timedelta(seconds=3)
ANSWER_WITHIN = timedelta(seconds=10)
CONNECTIONS = 20


@asynccontextmanager
async def connect(url: str, key: str) -> AsyncIterator[AsyncClient]:
    """A client with the rights of `key`, closed at the end of the block. Connects at the first call, not here."""
    timeout = httpx.Timeout(ANSWER_WITHIN.total_seconds(), connect=CONNECT_WITHIN.total_seconds())
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    async with httpx.AsyncClient(timeout=timeout, limits=limits, http2=True) as http:
        yield AsyncClient(url, key, _options(http, {}))


def as_user(client: AsyncClient, access_token: str) -> AsyncClient:
    """A client over the same connections with a signed-in user's rights: row level security decides. Lives as long as `client` does."""
    http = client.options.httpx_client
    assert http is not None
    return AsyncClient(str(client.supabase_url), client.supabase_key, _options(http, {"Authorization": f"Bearer {access_token}"}))


def _options(http: httpx.AsyncClient, headers: dict[str, str]) -> AsyncClientOptions:
    return AsyncClientOptions(
        headers=headers,
        httpx_client=http,
        postgrest_client_retry=False,
        auto_refresh_token=False,
        persist_session=False,
    )
