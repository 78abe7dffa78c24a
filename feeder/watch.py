"""Looks at the feeder each second: what is wrong with it, which candles are missing, and what its metrics show."""

from collections import Counter, deque
from dataclasses import asdict
from datetime import timedelta

import numpy as np

from adapters.binance.weight import LimiterState
from adapters.candle_store import STATUS_CODES
from adapters.telemetry.instruments import Levels
from domain.market import SYMBOL_STATUSES, Interval, Market, SymbolStatus
from feeder.audit import Tally
from feeder.conditions import Condition, Facts
from feeder.connection import ConnectionReport
from feeder.coverage import coverage
from feeder.parts import Parts
from feeder.repairs import trading_rows_behind

SECONDS_OF_DELAYS = 60
"""Scrapes come less often than a delay passes."""


class Watch:
    """Judges the conditions, audits closed candles and gathers the levels of the metrics, which a scrape from another thread only reads."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._shard_frames = Counter[str]()
        self._frames_seen: dict[int, int] = {}
        self._delays = deque[float](maxlen=SECONDS_OF_DELAYS)
        self._levels: Levels = {}

    def look(self) -> None:
        """To be called each second."""
        parts = self._parts
        parts.audit.look(parts.intake.as_of)
        parts.conditions.examine(facts_of(parts))
        self._count_frames(parts.pool.reports())
        self._delays.append(parts.statistics.take_publish_delay())
        self._levels = self._gather()

    def levels(self) -> Levels:
        """What `Instruments.observe_feeder` shows, as of the last look."""
        return self._levels

    def _count_frames(self, reports: list[ConnectionReport]) -> None:
        for report in reports:
            self._shard_frames[str(report.shard)] += report.frames - self._frames_seen.get(report.id, 0)
        self._frames_seen = {report.id: report.frames for report in reports}

    def _gather(self) -> Levels:
        own: Levels = {"shard_frames": dict(self._shard_frames), "publish_delay": max(self._delays)}
        return {**_connections(self._parts), **_candles(self._parts), **_clients(self._parts), **own}


def facts_of(parts: Parts) -> Facts:
    """What the conditions are judged by."""
    store, as_of, limiter, backfill = parts.store, parts.intake.as_of, parts.limiter.state(), parts.backfill.report()
    frame, behind = store.frame(Interval.M1), trading_rows_behind(store, Interval.M1, as_of)
    known = frame.begin >= 0
    open_shards = {report.shard for report in parts.pool.reports() if report.opened_at is not None}
    return Facts(
        silence=timedelta(seconds=parts.intake.age()),
        minutes=int(np.count_nonzero(known & (store.status == STATUS_CODES[SymbolStatus.TRADING]))),
        minutes_behind=int(np.count_nonzero(known[behind])),
        refusal=_refusal(limiter),
        connections=len(parts.pool),
        connections_open=len(open_shards),
        histories=backfill.of,
        histories_without_past=backfill.of - backfill.done,
        remaining=backfill.remaining,
        # A simulated or replayed market keeps a time of its own.
        clock_offset=parts.clock.offset if parts.market is Market.BINANCE else None,
    )


def _refusal(limiter: LimiterState) -> str:
    if limiter.paused_until is None or not limiter.is_refused:
        return ""
    return f"{limiter.reason}; nobody asks it before {limiter.paused_until:%H:%M:%S} UTC"


def _connections(parts: Parts) -> Levels:
    statistics, reports, limiter, offset = parts.statistics, parts.pool.reports(), parts.limiter.state(), parts.clock.offset
    return {
        "frames": statistics.frames,
        "malformed_frames": statistics.malformed_frames,
        "dials": statistics.dials,
        "reconnects": dict(statistics.replacements),
        "connections_open": parts.pool.open,
        "streams": {"wanted": sum(report.streams for report in reports), "confirmed": sum(report.confirmed for report in reports)},
        "streams_silent": len(parts.pool.silent),
        "resubscriptions": statistics.resubscriptions,
        "rest_weight": limiter.used,
        "rest_refused": limiter.is_refused,
        "rest_failures": statistics.rest_failures,
        "clock_offset": None if offset is None else offset.total_seconds(),
    }


def _candles(parts: Parts) -> Levels:
    store, remaining = parts.store, parts.backfill.report().remaining
    audited = sum(parts.audit.totals.values(), Tally())
    statuses = Counter(SYMBOL_STATUSES[code].value for code in store.status.tolist())
    return {
        "symbols": {status.value: statuses[status.value] for status in SymbolStatus},
        "histories": _histories(parts),
        "backfill_remaining": None if remaining is None else remaining.total_seconds(),
        "repairs": parts.statistics.rest_repairs,
        "audited_candles": {"stream": audited.streamed, "rest": audited.repaired, "missing": audited.missing},
        "corrections": sum(frame.corrections for frame in store.frames.values()),
        "market_condition": {condition.value: parts.conditions.holds(condition) for condition in Condition},
    }


def _histories(parts: Parts) -> dict[tuple[str, ...], float]:
    covered = {interval: asdict(coverage(parts.store, interval, parts.intake.as_of)) for interval in Interval}
    return {(interval.value, state): found[state] for interval, found in covered.items() for state in ("expected", "complete", "behind")}


def _clients(parts: Parts) -> Levels:
    clients, persistence = parts.broadcast.clients, parts.persistence
    saved = persistence.age() if persistence else None
    return {
        "clients": len(clients),
        "clients_cut": parts.statistics.clients_cut,
        "queue_depth": sum(client.waiting_messages for client in clients),
        "queue_bytes": max((client.waiting_bytes for client in clients), default=0),
        "published_bytes": parts.statistics.bytes_published,
        "snapshot_age": None if saved is None else saved.total_seconds(),
    }
