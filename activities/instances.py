"""A user's instance as the database knows it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from temporalio import activity

from activities.failures import as_activity_failure
from activities.ports import InstanceStore
from domain.traders import InstanceStatus

SAVE = "instances.save"


@dataclass(frozen=True, kw_only=True)
class SaveInstanceInput:
    """What the instance does now; `traders` counts its traders by status."""

    user_id: UUID
    instance_id: UUID
    status: InstanceStatus
    reason: str
    traders: dict[str, int]
    at: datetime


class InstanceActivities:
    """Shows what instances do."""

    def __init__(self, instances: InstanceStore) -> None:
        self._instances = instances

    @activity.defn(name=SAVE)
    async def save(self, request: SaveInstanceInput) -> None:
        """Create or update the user's one live row."""
        with as_activity_failure():
            await self._instances.save(request.user_id, request.instance_id, request.status, request.reason, request.traders, request.at)
