"""Traders and their versions, in `traders` and `trader_versions`."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import JsonValue
from supabase import AsyncClient

from adapters.supabase.executions import LatestEvaluations, latest_evaluations
from adapters.supabase.filter_failures import RecordedFailure, recorded_failures
from adapters.supabase.requests import Row, send, send_to_one
from adapters.supabase.rows import from_time, to_optional_time, to_time
from adapters.supabase.settings import from_filter, from_settings, to_settings
from adapters.supabase.users import tier_of
from domain.errors import FilterRefusedError, NotFoundError, RefusedError
from domain.tiers import Tier
from domain.traders import Mode, Trader, TraderSettings, TraderStatus

COLUMNS = "id,user_id,name,description,version,mode,filter,cloud_config,cloud_status,cloud_status_reason,cloud_status_since"
LISTED_COLUMNS = f"{COLUMNS},trader_conditions(stage,symbol,code,message,since)"


@dataclass(frozen=True, kw_only=True)
class TraderCondition:
    """What keeps a trader from signalling or trading now, for one symbol or (empty) altogether."""

    stage: str
    symbol: str
    code: str
    message: str
    since: datetime


@dataclass(frozen=True, kw_only=True)
class StoredTrader:
    """A trader as a list shows it, also one whose stored filter makes no sense."""

    id: UUID
    user_id: UUID
    tier: Tier
    """The owner's tier now."""
    name: str
    description: str
    version: int
    mode: Mode
    enabled_in_cloud: bool
    status: TraderStatus | None
    """`None`: never deployed."""
    status_reason: str
    status_since: datetime | None
    settings: TraderSettings | None
    """`None`: see `problem`."""
    problem: str = ""
    conditions: tuple[TraderCondition, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TraderVersion:
    """One version of a trader's configuration, also one that makes no sense."""

    version: int
    settings: TraderSettings | None
    created_at: datetime
    deployed_at: datetime | None
    """`None`: never ran in the cloud."""
    problem: str = ""


class SupabaseTraders:
    """Satisfies `activities.ports.TraderStore`; with a user's client, row level security limits it to that user's traders."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def load(self, trader_id: UUID) -> Trader:
        """The trader with its owner's tier. Raises NotFoundError; FilterRefusedError where the stored filter makes no sense."""
        query = self._client.table("traders").select(COLUMNS).eq("id", str(trader_id)).not_.is_("user_id", "null")
        row = await send_to_one(query, f"Loading trader {trader_id}")
        return _to_trader(row, await tier_of(self._client, UUID(row["user_id"])))

    async def create(
        self, user_id: UUID, name: str, description: str, settings: TraderSettings, mode: Mode, strategy: JsonValue = None
    ) -> Trader:
        """Store a new trader, not yet switched to the cloud. Its strategy is kept word for word."""
        row = {
            "user_id": str(user_id),
            "name": name,
            "description": description,
            "mode": mode,
            "filter": from_filter(settings.filter),
            "cloud_config": {**from_settings(settings), "enabledInCloud": False},
            "strategy": strategy or {},
        }
        stored = await send_to_one(self._client.table("traders").insert(row), f"Creating trader {name!r}")
        return _to_trader(stored, await tier_of(self._client, user_id))

    async def update_settings(self, trader_id: UUID, settings: TraderSettings) -> Trader:
        """Store new settings; the version grows when they differ. Raises NotFoundError, LimitReachedError."""
        row = await self._configure(trader_id, from_filter(settings.filter), from_settings(settings))
        return _to_trader(row, await tier_of(self._client, UUID(row["user_id"])))

    async def enable_in_cloud(self, trader_id: UUID, *, enabled: bool) -> None:
        """Switch a trader to the cloud or away from it. Raises NotFoundError; LimitReachedError for what the tier does not allow."""
        await self._configure(trader_id, {}, {"enabledInCloud": enabled})

    async def _configure(self, trader_id: UUID, filter_changes: dict[str, Any], config_changes: dict[str, Any]) -> dict[str, Any]:
        changes = {"trader": str(trader_id), "filter_changes": json.dumps(filter_changes), "config_changes": json.dumps(config_changes)}
        return await send_to_one(self._client.rpc("configure_trader", changes), f"Changing trader {trader_id}")

    async def list_for(self, user_id: UUID) -> list[StoredTrader]:
        """A user's traders, oldest first."""
        query = self._client.table("traders").select(LISTED_COLUMNS).eq("user_id", str(user_id)).order("created_at").order("id")
        tier = await tier_of(self._client, user_id)
        return [_to_stored(row, tier) for row in await send(query, f"Listing the traders of user {user_id}")]

    async def find(self, user_id: UUID, id_or_name: str) -> StoredTrader:
        """A user's trader by its id or its exact name. Raises NotFoundError; RefusedError when several have that name."""
        found = [trader for trader in await self.list_for(user_id) if id_or_name in (str(trader.id), trader.name)]
        if not found:
            raise NotFoundError(f"This user has no trader {id_or_name!r}.")
        if len(found) > 1:
            raise RefusedError(
                f"{len(found)} traders are named {id_or_name!r}: use an id, {' or '.join(str(trader.id) for trader in found)}."
            )
        return found[0]

    async def versions(self, trader_id: UUID) -> list[TraderVersion]:
        """All versions, newest first. Raises NotFoundError for an unknown trader."""
        doing = f"Listing the versions of trader {trader_id}"
        query = self._client.table("trader_versions").select("*").eq("trader_id", str(trader_id)).order("version", desc=True)
        rows = await send(query, doing)
        if not rows:
            raise NotFoundError(f"{doing}: there is no such trader, or it belongs to somebody else.")
        return [_to_version(row) for row in rows]

    async def latest_evaluations(self, trader_id: UUID) -> LatestEvaluations:
        """What its evaluations last told."""
        return await latest_evaluations(self._client, trader_id)

    async def failures(self, trader_id: UUID, limit: int = 50) -> list[RecordedFailure]:
        """How its filter failed, the last seen first."""
        return await recorded_failures(self._client, trader_id, limit)

    async def record_version(self, trader_id: UUID, version: int, deployed_at: datetime) -> None:
        """Note when this version, which the database keeps for ever, first ran. Repeating it changes nothing. Raises NotFoundError."""
        table = self._client.table("trader_versions")
        mine = {"trader_id": str(trader_id), "version": str(version)}
        doing = f"Recording version {version} of trader {trader_id}"
        if await send(table.update({"deployed_at": from_time(deployed_at)}).match(mine).is_("deployed_at", "null"), doing):
            return
        await send_to_one(table.select("version").match(mine), doing)

    async def set_status(self, trader_id: UUID, status: TraderStatus, reason: str, since: datetime) -> None:
        """What the trader is doing, for the user to see. Nothing holds back a stopped one. Raises NotFoundError when no row was changed."""
        changes = {"cloud_status": status, "cloud_status_reason": reason, "cloud_status_since": from_time(since)}
        query = self._client.table("traders").update(changes).eq("id", str(trader_id)).select("id")
        await send_to_one(query, f"Setting the status of trader {trader_id}")
        if status is TraderStatus.STOPPED:
            conditions = self._client.table("trader_conditions").delete().eq("trader_id", str(trader_id))
            await send(conditions, f"Clearing the conditions of trader {trader_id}")


def _to_trader(row: Row, tier: Tier) -> Trader:
    return Trader(
        id=UUID(row["id"]),
        user_id=UUID(row["user_id"]),
        name=row["name"],
        version=row["version"],
        mode=Mode(row["mode"]),
        tier=tier,
        settings=to_settings(row, tier),
    )


def _to_stored(row: Row, tier: Tier) -> StoredTrader:
    settings, problem = _settings_or_problem(row, tier)
    return StoredTrader(
        id=UUID(row["id"]),
        user_id=UUID(row["user_id"]),
        tier=tier,
        name=row["name"],
        description=row["description"] or "",
        version=row["version"],
        mode=Mode(row["mode"]),
        enabled_in_cloud=_is_enabled(row["cloud_config"]),
        status=None if row["cloud_status"] is None else TraderStatus(row["cloud_status"]),
        status_reason=row["cloud_status_reason"] or "",
        status_since=to_optional_time(row["cloud_status_since"]),
        settings=settings,
        problem=problem,
        conditions=tuple(_to_condition(condition) for condition in row["trader_conditions"]),
    )


def _is_enabled(config: Any) -> bool:
    return isinstance(config, dict) and bool(config.get("enabledInCloud", False))


def _to_condition(row: Row) -> TraderCondition:
    return TraderCondition(stage=row["stage"], symbol=row["symbol"], code=row["code"], message=row["message"], since=to_time(row["since"]))


def _to_version(row: Row) -> TraderVersion:
    settings, problem = _settings_or_problem(row, Tier.FREE)
    return TraderVersion(
        version=row["version"],
        settings=settings,
        created_at=to_time(row["created_at"]),
        deployed_at=to_optional_time(row["deployed_at"]),
        problem=problem,
    )


def _settings_or_problem(row: Row, tier: Tier) -> tuple[TraderSettings | None, str]:
    try:
        return to_settings(row, tier), ""
    except FilterRefusedError as problem:
        return None, str(problem)
