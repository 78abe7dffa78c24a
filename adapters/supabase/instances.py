"""Users' cloud instances, in `cloud_trader_instances`."""

from datetime import datetime
from uuid import UUID

from supabase import AsyncClient

from adapters.supabase.requests import send
from adapters.supabase.rows import from_time
from domain.traders import InstanceStatus


class SupabaseInstances:
    """Satisfies `activities.ports.InstanceStore`."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def save(
        self, user_id: UUID, instance_id: UUID, status: InstanceStatus, reason: str, traders: dict[str, int], at: datetime
    ) -> None:
        """Create or update the user's one live row. Raises RefusedError when another instance of the user is live."""
        row = {
            "id": str(instance_id),
            "instance_id": str(instance_id),
            "user_id": str(user_id),
            "status": status,
            "status_reason": reason,
            "health_metrics": {"traders": traders},
            "last_health_check": from_time(at),
        }
        await send(self._client.table("cloud_trader_instances").upsert(row, on_conflict="id"), f"Saving the instance of user {user_id}")
