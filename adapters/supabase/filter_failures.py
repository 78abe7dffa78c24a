"""Failures of a trader's filter as its owner may see them, from `trader_errors`. They are written with the evaluations."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from supabase import AsyncClient

from adapters.supabase.requests import Row, send
from adapters.supabase.rows import to_time
from domain.market import Interval


@dataclass(frozen=True, kw_only=True)
class RecordedFailure:
    """One way in which a version of a filter failed."""

    version: int
    interval: Interval | None
    kind: str
    message: str
    line: int | None
    symbol: str
    """One of the symbols; empty where it failed as a whole."""
    symbols: int
    """How many symbols failed like this in one evaluation, at the most."""
    count: int
    """Evaluations that failed like this."""
    first_seen: datetime
    last_seen: datetime


async def recorded_failures(client: AsyncClient, trader_id: UUID, limit: int) -> list[RecordedFailure]:
    """Those seen last come first. A hosted project answers 1,000 at most."""
    query = client.table("trader_errors").select("*").eq("trader_id", str(trader_id))
    rows = await send(query.order("last_seen", desc=True).order("hash").limit(limit), f"Reading the failures of trader {trader_id}")
    return [_to_failure(row) for row in rows]


def _to_failure(row: Row) -> RecordedFailure:
    return RecordedFailure(
        version=row["trader_version"],
        interval=Interval(row["interval"]) if row["interval"] else None,
        kind=row["kind"],
        message=row["message"],
        line=row["line"],
        symbol=row["symbol_sample"] or "",
        symbols=row["symbols"],
        count=row["count"],
        first_seen=to_time(row["first_seen"]),
        last_seen=to_time(row["last_seen"]),
    )
