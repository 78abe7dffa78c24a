"""What the feeder says of itself over HTTP and to the metrics."""

from dataclasses import asdict
from http import HTTPStatus

from pydantic_core import to_json

from adapters.candle_store import CandleStore
from domain.market import Interval, Market, from_epoch_milliseconds
from feeder.broadcast import Broadcast
from feeder.coverage import coverage, worst
from feeder.intake import Intake
from feeder.pool import ConnectionPool
from feeder.repairs import RepairQueue
from feeder.statistics import FeederStatistics

HEALTHY_AGE = 30.0

Answer = tuple[HTTPStatus, str, bytes]


class Pages:
    """Reads the feeder's parts; changes nothing."""

    def __init__(
        self,
        market: Market,
        store: CandleStore,
        intake: Intake,
        broadcast: Broadcast,
        pool: ConnectionPool,
        repairs: RepairQueue,
        statistics: FeederStatistics,
    ) -> None:
        self._market = market
        self._store = store
        self._intake = intake
        self._broadcast = broadcast
        self._pool = pool
        self._repairs = repairs
        self._statistics = statistics

    def levels(self) -> dict[str, float]:
        """What `Instruments.observe_feeder` shows. May be called from another thread."""
        clients = tuple(self._broadcast.clients)
        return {
            "frames": self._statistics.frames,
            "reconnects": self._statistics.connections_lost,
            "queue_depth": sum(client.waiting_messages for client in clients),
            "clients": len(clients),
            "histories_behind": self._repairs.behind,
        }

    def health(self) -> Answer:
        """200 while market data flows."""
        healthy = len(self._pool) > 0 and self._intake.age() < HEALTHY_AGE
        return (HTTPStatus.OK, "text/plain", b"ok\n") if healthy else (HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"no market data\n")

    def status(self) -> Answer:
        """Everything an operator may ask."""
        status = {
            "market": self._market.value,
            "epoch": self._broadcast.epoch,
            "as_of": from_epoch_milliseconds(self._intake.as_of) if self._intake.as_of else None,
            **self._gauges(),
            "coverage": {interval.value: coverage(frame, self._intake.as_of) for interval, frame in self._store.frames.items()},
            "worst": worst(self._store, self._intake.as_of),
            "waiting_bytes": sorted(client.waiting_bytes for client in self._broadcast.clients),
            "counters": asdict(self._statistics),
        }
        return HTTPStatus.OK, "application/json", to_json(status, indent=2, timedelta_mode="float")

    def _gauges(self) -> dict[str, float]:
        return {
            "age_seconds": round(self._intake.age(), 3),
            "seq": self._store.seq,
            "symbols": len(self._store.symbols),
            "connections": len(self._pool),
            "connections_open": self._pool.open,
            "clients": len(self._broadcast.clients),
            "rows": len(Interval) * len(self._store.symbols),
            "rows_complete": sum(int((frame.begin >= 0).sum()) for frame in self._store.frames.values()),
            "repairs_waiting": len(self._repairs),
            "corrections": sum(frame.corrections for frame in self._store.frames.values()),
        }
