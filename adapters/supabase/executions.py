"""Evaluations, in `cloud_execution_logs`, and with them the failures of filters, in `trader_errors`, and what holds filters back now."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from supabase import AsyncClient

from adapters.supabase.requests import Row, send, send_to_one
from adapters.supabase.rows import from_duration, from_optional_time, from_time, to_duration, to_optional_time, to_time
from domain.filter_failures import FilterCondition, fingerprint
from domain.filters import FailureKind, FilterFailure
from domain.market import Interval, Market

EVALUATED = "evaluated"
ROWS_PER_CALL = 500
LONGEST_ERROR = 2_000
"""Characters kept of an evaluation's error."""


class Evaluation(Protocol):
    """What is written of `activities.ports.Evaluation`."""

    @property
    def instance_id(self) -> UUID: ...
    @property
    def trader_id(self) -> UUID: ...
    @property
    def trader_version(self) -> int: ...
    @property
    def interval(self) -> Interval: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def duration(self) -> timedelta: ...
    @property
    def outcome(self) -> str: ...
    @property
    def market(self) -> Market: ...
    @property
    def symbols_processed(self) -> int: ...
    @property
    def symbols_not_ready(self) -> int: ...
    @property
    def signals_generated(self) -> int: ...
    @property
    def candle_open_time(self) -> datetime | None: ...
    @property
    def candles(self) -> int: ...
    @property
    def snapshot_seq(self) -> int: ...
    @property
    def data_age(self) -> timedelta: ...
    @property
    def symbols_stale(self) -> int: ...
    @property
    def symbols_failed(self) -> int: ...
    @property
    def error(self) -> str: ...
    @property
    def failures(self) -> tuple[FilterFailure, ...]: ...
    @property
    def condition(self) -> FilterCondition | None: ...


@dataclass(frozen=True, kw_only=True)
class RecordedEvaluation:
    """An evaluation as stored."""

    trader_version: int
    started_at: datetime
    duration: timedelta
    outcome: str
    market: Market
    symbols_processed: int
    symbols_not_ready: int
    signals_generated: int
    candle_open_time: datetime | None
    candles: int
    data_age: timedelta
    error: str
    symbols_failed: int = 0
    symbols_stale: int = 0
    failures: tuple[FilterFailure, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LatestEvaluations:
    """A trader's newest evaluation, and what went wrong since then: the newest one that failed or found the market stale."""

    evaluated: RecordedEvaluation | None
    trouble: RecordedEvaluation | None


async def latest_evaluations(client: AsyncClient, trader_id: UUID) -> LatestEvaluations:
    """What the log last heard of a trader."""
    newest = await _newest(client, trader_id)
    if newest is None or newest.outcome == EVALUATED:
        return LatestEvaluations(evaluated=newest, trouble=None)
    return LatestEvaluations(evaluated=await _newest(client, trader_id, outcome=EVALUATED), trouble=newest)


async def _newest(client: AsyncClient, trader_id: UUID, **wanted: str) -> RecordedEvaluation | None:
    query = client.table("cloud_execution_logs").select("*").match({"trader_id": str(trader_id), **wanted})
    rows = await send(query.order("started_at", desc=True).limit(1), f"Reading the last evaluation of trader {trader_id}")
    return _to_recorded(rows[0]) if rows else None


class SupabaseExecutionLog:
    """Satisfies `activities.ports.ExecutionLog`."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def append(self, evaluations: Sequence[Evaluation]) -> None:
        """Return once every row is committed, with its failures and its condition.

        A row that is there already stays as it is and says nothing a second time; those of deleted traders have no place and go.
        """
        for start in range(0, len(evaluations), ROWS_PER_CALL):
            rows = [_from_evaluation(evaluation) for evaluation in evaluations[start : start + ROWS_PER_CALL]]
            await send(self._client.rpc("append_evaluations", {"evaluations": json.dumps(rows)}), f"Writing {len(rows)} evaluations")

    async def keep_days(self, ahead: int, kept: int) -> tuple[int, int]:
        """Make the days to come and drop those more than `kept` days old: how many were made, and dropped. Call it daily."""
        query = self._client.rpc("keep_execution_log_days", {"days_ahead": ahead, "days_kept": kept})
        row = await send_to_one(query, "Keeping the days of the execution log")
        return row["made"], row["dropped"]


def _from_evaluation(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "instance_id": str(evaluation.instance_id),
        "trader_id": str(evaluation.trader_id),
        "trader_version": evaluation.trader_version,
        "interval": evaluation.interval,
        "started_at": from_time(evaluation.started_at),
        "execution_time": from_duration(evaluation.duration),
        "outcome": evaluation.outcome,
        "market": evaluation.market,
        "symbols_processed": evaluation.symbols_processed,
        "symbols_not_ready": evaluation.symbols_not_ready,
        "symbols_stale": evaluation.symbols_stale,
        "symbols_failed": evaluation.symbols_failed,
        "signals_generated": evaluation.signals_generated,
        "candle_open_time": from_optional_time(evaluation.candle_open_time),
        "candles": evaluation.candles,
        "snapshot_seq": evaluation.snapshot_seq,
        "data_age_ms": from_duration(evaluation.data_age),
        "errors": _from_errors(evaluation),
        "failures": [
            {"hash": fingerprint(evaluation.trader_version, failure), **_from_failure(failure)} for failure in evaluation.failures
        ],
        "condition": evaluation.condition and {"code": evaluation.condition.code, "message": evaluation.condition.message},
    }


def _from_errors(evaluation: Evaluation) -> dict[str, Any] | None:
    if not evaluation.error and not evaluation.failures:
        return None
    return {"message": evaluation.error[:LONGEST_ERROR], "failures": [_from_failure(failure) for failure in evaluation.failures]}


def _from_failure(failure: FilterFailure) -> dict[str, Any]:
    return {
        "kind": failure.kind,
        "message": failure.message,
        "line": failure.line,
        "symbol": failure.symbol,
        "symbols": failure.symbols,
    }


def _to_recorded(row: Row) -> RecordedEvaluation:
    errors = row["errors"] or {}
    return RecordedEvaluation(
        trader_version=row["trader_version"],
        started_at=to_time(row["started_at"]),
        duration=to_duration(row["execution_time"]),
        outcome=row["outcome"],
        market=Market(row["market"]),
        symbols_processed=row["symbols_processed"],
        symbols_not_ready=row["symbols_not_ready"],
        signals_generated=row["signals_generated"],
        candle_open_time=to_optional_time(row["candle_open_time"]),
        candles=row["candles"],
        data_age=to_duration(row["data_age_ms"]),
        error=errors.get("message", ""),
        symbols_failed=row["symbols_failed"],
        symbols_stale=row["symbols_stale"],
        failures=tuple(_to_failure(failure) for failure in errors.get("failures", ())),
    )


def _to_failure(stored: Row) -> FilterFailure:
    return FilterFailure(
        kind=FailureKind(stored["kind"]),
        message=stored["message"],
        line=stored["line"],
        symbol=stored["symbol"],
        symbols=stored["symbols"],
    )
