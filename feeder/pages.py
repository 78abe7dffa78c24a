"""What the feeder says of itself over HTTP."""

from dataclasses import asdict
from http import HTTPStatus
from urllib.parse import parse_qs

from pydantic_core import to_json

from domain.market import Interval, from_epoch_milliseconds
from feeder.coverage import coverage, not_trading, symbol_coverage, symbol_summaries, worst
from feeder.parts import Parts

HEALTHY_AGE = 30.0

Answer = tuple[HTTPStatus, str, bytes]


class Pages:
    """Reads the feeder's parts; changes nothing. Durations in documents are seconds, times ISO 8601 in UTC."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def health(self, _query: str) -> Answer:
        """200 while the exchange sends something: whether this process does its work, not whether the market is well."""
        works = len(self._parts.pool) > 0 and self._parts.intake.age() < HEALTHY_AGE
        return (HTTPStatus.OK, "text/plain", b"ok\n") if works else (HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"no market data\n")

    def status(self, _query: str) -> Answer:
        """Whether the market data is healthy, and everything that speaks for it or against it."""
        parts, as_of = self._parts, self._parts.intake.as_of
        return _document(
            {
                "healthy": parts.conditions.is_healthy and len(parts.store.symbols) > 0,
                "conditions": parts.conditions.holding,
                "market": parts.market.value,
                "epoch": parts.broadcast.epoch,
                "as_of": from_epoch_milliseconds(as_of) if as_of else None,
                **self._gauges(),
                "coverage": {interval.value: coverage(parts.store, interval, as_of) for interval in Interval},
                "backfill": parts.backfill.report(),
                "worst": worst(parts.store, as_of),
                "not_trading": not_trading(parts.store),
                "audit": {"last": parts.audit.last, "since_start": parts.audit.totals},
                "connection_reports": parts.pool.reports(),
                "silent_streams": parts.pool.silent,
                "rest": parts.limiter.state(),
                "clock": {"offset": parts.clock.offset, "round_trip": parts.clock.round_trip},
                "snapshot_age": parts.persistence.age() if parts.persistence else None,
                "waiting_bytes": sorted(client.waiting_bytes for client in parts.broadcast.clients),
                "counters": asdict(parts.statistics),
            }
        )

    def symbols(self, query: str) -> Answer:
        """Every symbol in a line, or with `symbol=NAME` that symbol's six histories."""
        store, as_of = self._parts.store, self._parts.intake.as_of
        wanted = parse_qs(query).get("symbol")
        if wanted is None:
            return _document({"as_of": from_epoch_milliseconds(as_of) if as_of else None, "symbols": symbol_summaries(store, as_of)})
        if wanted[0] not in store.rows:
            return HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", f"There is no symbol {wanted[0]}.\n".encode()
        return _document(symbol_coverage(store, store.rows[wanted[0]], as_of))

    def _gauges(self) -> dict[str, float]:
        parts = self._parts
        return {
            "age_seconds": round(parts.intake.age(), 3),
            "seq": parts.store.seq,
            "symbols": len(parts.store.symbols),
            "connections": len(parts.pool),
            "connections_open": parts.pool.open,
            "clients": len(parts.broadcast.clients),
            "rows": len(Interval) * len(parts.store.symbols),
            "rows_complete": sum(int((frame.begin >= 0).sum()) for frame in parts.store.frames.values()),
            "repairs_waiting": len(parts.repairs),
            "corrections": sum(frame.corrections for frame in parts.store.frames.values()),
        }


def _document(content: object) -> Answer:
    return HTTPStatus.OK, "application/json", to_json(content, timedelta_mode="float")
