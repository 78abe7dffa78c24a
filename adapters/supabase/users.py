"""Users: Supabase Auth keeps who they are, `user_subscriptions` what they may."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

import httpx
from supabase import AsyncClient

from adapters.supabase.requests import send, translated
from domain.errors import NotFoundError, RefusedError, UnavailableError
from domain.tiers import Tier

NO_ADMIN_API = (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)


async def tier_of(client: AsyncClient, user_id: UUID) -> Tier:
    """The user's tier now, as the database sees it (status and expiry honoured)."""
    rows: list[Any] = await send(client.rpc("current_tier", {"of_user": str(user_id)}), f"Looking up the tier of user {user_id}")
    return Tier(rows[0])


class SupabaseUsers:
    """Creates and finds users. Needs the service key."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def create_user(self, email: str, password: str, tier: Tier) -> UUID:
        """A user who can sign in at once. Raises RefusedError when the address is taken or the password too weak."""
        user_id = await self._sign_up(email, password)
        await self.set_tier(user_id, tier)
        return user_id

    async def find_by_email(self, email: str) -> UUID:
        """The user with this address, whatever its case. Raises NotFoundError."""
        rows: list[Any] = await send(self._client.rpc("user_id_by_email", {"address": email}), f"Looking for user {email}")
        if not rows or rows[0] is None:
            raise NotFoundError(f"There is no user {email}.")
        return UUID(rows[0])

    async def tier_of(self, user_id: UUID) -> Tier:
        """The user's tier now."""
        return await tier_of(self._client, user_id)

    async def set_tier(self, user_id: UUID, tier: Tier) -> None:
        """Give a user this tier from now on, without an end."""
        doing = f"Setting the tier of user {user_id}"
        table = self._client.table("user_subscriptions")
        changes = {"tier": tier, "status": "active", "expires_at": None}
        if not await send(table.update(changes).eq("user_id", str(user_id)), doing):
            await send(table.insert({**changes, "user_id": str(user_id)}), doing)

    async def _sign_up(self, email: str, password: str) -> UUID:
        answer = await self._post("admin/users", {"email": email, "password": password, "email_confirm": True})
        if answer.status_code in NO_ADMIN_API:  # Supabase Lite has none; there anybody may sign up
            answer = await self._post("signup", {"email": email, "password": password})
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise UnavailableError(f"Creating user {email}: Supabase Auth answers {answer.status_code}.")
        body = answer.json()
        if answer.is_error:
            raise RefusedError(f"Creating user {email}: {body.get('msg') or body}")
        return UUID((body.get("user") or body)["id"])

    # The client's own methods would sign this client in as the new user, and cannot read Lite's timestamps.
    async def _post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        http = self._client.options.httpx_client
        assert http is not None
        headers = {"apikey": self._client.supabase_key, "Authorization": f"Bearer {self._client.supabase_key}"}
        with translated("Creating a user"):
            return await http.post(f"{self._client.auth_url}/{path}", json=body, headers=headers)
