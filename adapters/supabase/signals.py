"""Signals, in `signals`."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from postgrest import AsyncSelectRequestBuilder
from supabase import AsyncClient

from adapters.supabase.requests import Row, send, send_to_one
from adapters.supabase.rows import (
    from_decimal,
    from_duration,
    from_float,
    from_floats,
    from_optional_time,
    from_time,
    to_decimal,
    to_duration,
    to_optional_time,
    to_time,
)
from domain.market import Interval, Market
from domain.screening import Match
from domain.signals import Signal, SignalStatus

ONCE = "trader_id,symbol,interval,candle_open_time"
ROWS_PER_CALL = 500
"""Below what a hosted project answers at most (1,000 rows); a page that is cut shorter is followed by another one."""
FIRST_ID = UUID(int=0)


@dataclass(frozen=True, kw_only=True)
class RecordedSignal:
    """A signal as stored."""

    signal: Signal
    status: SignalStatus
    recorded_at: datetime
    closed_at: datetime | None


class SupabaseSignals:
    """Satisfies `activities.ports.SignalStore`."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def record(self, signals: Sequence[Signal]) -> tuple[UUID, ...]:
        """Write signals once; the ids of those that were new. A signal already there, from whatever source, stays as it is."""
        new: list[UUID] = []
        for start in range(0, len(signals), ROWS_PER_CALL):
            rows = [_from_signal(signal) for signal in signals[start : start + ROWS_PER_CALL]]
            query = self._client.table("signals").upsert(rows, on_conflict=ONCE, ignore_duplicates=True).select("id")
            new += [UUID(row["id"]) for row in await send(query, f"Recording {len(rows)} signals")]
        return tuple(new)

    async def set_status(self, signal_id: UUID, status: SignalStatus, closed_at: datetime | None) -> None:
        """Move a signal on. Raises NotFoundError when no row was changed."""
        changes = {"status": status, "closed_at": from_optional_time(closed_at)}
        query = self._client.table("signals").update(changes).eq("id", str(signal_id)).select("id")
        await send_to_one(query, f"Setting the status of signal {signal_id}")

    async def recent(self, user_id: UUID | None = None, trader_id: UUID | None = None, limit: int = 50) -> list[RecordedSignal]:
        """The newest cloud signals, newest first. A hosted project answers 1,000 at most."""
        query = self._selected(user_id, trader_id).order("created_at", desc=True).order("id", desc=True).limit(limit)
        return [_to_recorded(row) for row in await send(query, "Reading recent signals")]

    async def since(
        self, moment: datetime, user_id: UUID | None = None, trader_id: UUID | None = None
    ) -> AsyncIterator[list[RecordedSignal]]:
        """Every cloud signal recorded at or after that moment, however many there are: page by page, oldest first."""
        after = (from_time(moment), FIRST_ID)
        while page := await self._page_after(*after, user_id, trader_id):
            yield page
            after = (from_time(page[-1].recorded_at), page[-1].signal.id)

    async def _page_after(self, moment: str, signal_id: UUID, user_id: UUID | None, trader_id: UUID | None) -> list[RecordedSignal]:
        # The signals of one call are recorded in one transaction, hence at one moment: their ids order them.
        later = f'created_at.gt."{moment}",and(created_at.eq."{moment}",id.gt.{signal_id})'
        query = self._selected(user_id, trader_id).or_(later).order("created_at").order("id").limit(ROWS_PER_CALL)
        return [_to_recorded(row) for row in await send(query, "Reading the signals that followed")]

    def _selected(self, user_id: UUID | None, trader_id: UUID | None) -> AsyncSelectRequestBuilder:
        query = self._client.table("signals").select("*").eq("source", "cloud")
        for column, wanted in (("user_id", user_id), ("trader_id", trader_id)):
            if wanted is not None:
                query = query.eq(column, str(wanted))
        return query


def _from_signal(signal: Signal) -> dict[str, Any]:
    match = signal.match
    return {
        "id": str(signal.id),
        "trader_id": str(signal.trader_id),
        "trader_version": signal.trader_version,
        "user_id": str(signal.user_id),
        "symbol": match.symbol,
        "interval": signal.interval,
        "candle_open_time": from_time(match.candle_open_time),
        "price": from_decimal(match.price),
        "change_percent": from_float(match.change_percent),
        "quote_volume": from_float(match.quote_volume),
        "matched_conditions": list(match.conditions),
        "values": from_floats(match.values),
        "source": "cloud",
        "market": signal.market,
        "initial": match.initial,
        "late": match.late,
        "snapshot_seq": match.snapshot_seq,
        "data_age_ms": from_duration(match.data_age),
    }


def _to_recorded(row: Row) -> RecordedSignal:
    return RecordedSignal(
        signal=_to_signal(row),
        status=SignalStatus(row["status"]),
        recorded_at=to_time(row["created_at"]),
        closed_at=to_optional_time(row["closed_at"]),
    )


def _to_signal(row: Row) -> Signal:
    interval, opened = Interval(row["interval"]), to_time(row["candle_open_time"])
    match = Match(
        symbol=row["symbol"],
        candle_index=interval.index_at(opened),
        candle_open_time=opened,
        price=to_decimal(row["price"]),
        change_percent=_to_float(row["change_percent"]),
        quote_volume=_to_float(row["quote_volume"]),
        conditions=tuple(row["matched_conditions"]),
        values={name: _to_float(number) for name, number in row["values"].items()},
        initial=row["initial"],
        late=row["late"],
        data_age=to_duration(row["data_age_ms"]),
        snapshot_seq=row["snapshot_seq"] or 0,
    )
    return Signal(
        id=UUID(row["id"]),
        trader_id=UUID(row["trader_id"]),
        trader_version=row["trader_version"],
        user_id=UUID(row["user_id"]),
        interval=interval,
        market=Market(row["market"]),
        match=match,
    )


def _to_float(number: float | None) -> float:
    return float("nan") if number is None else float(number)
