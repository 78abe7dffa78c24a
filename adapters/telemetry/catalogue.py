"""Every metric of ours: its name, kind, unit, labels and buckets. docs/telemetry.md describes the same list; a test compares the two."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a metric behaves."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric. Durations are seconds. A scrape shows it under `exposed_name`."""

    name: str
    kind: Kind
    description: str
    unit: str = ""
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def exposed_name(self) -> str:
        """The name as Prometheus sees it, with its unit and, for counters, `_total`."""
        unit = "_seconds" if self.unit == "s" else ""
        return f"{self.name}{unit}{'_total' if self.kind is Kind.COUNTER else ''}"


LATENESS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
DURATION_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)

EXECUTION_DURATION = Metric(
    name="cloudtrader_execution_duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    buckets=DURATION_BUCKETS,
    description="Time one evaluation of a trader's filter over all its symbols took; skipped and stale ticks do not count.",
)
TICKS = Metric(
    name="cloudtrader_ticks",
    kind=Kind.COUNTER,
    labels=("outcome",),
    description="Ticks by outcome: evaluated, skipped (nothing newly closed), stale or failed.",
)
TICK_LATENESS = Metric(
    name="cloudtrader_tick_lateness",
    kind=Kind.HISTOGRAM,
    unit="s",
    buckets=LATENESS_BUCKETS,
    description="How long after it was due a tick began.",
)
EVALUATION_ERRORS = Metric(
    name="cloudtrader_evaluation_errors", kind=Kind.COUNTER, description="Evaluations in which the trader's filter failed."
)
SIGNALS = Metric(
    name="cloudtrader_signals", kind=Kind.COUNTER, labels=("market",), description="Signals recorded that were not there before."
)
ACTIVE_TRADERS = Metric(
    name="cloudtrader_active_traders", kind=Kind.GAUGE, description="Traders whose screening window this process holds now."
)
ACTIVE_INSTANCES = Metric(
    name="cloudtrader_active_instances", kind=Kind.GAUGE, description="Users' instances with at least one screening window in this process."
)
DATA_AGE = Metric(
    name="cloudtrader_data_age",
    kind=Kind.GAUGE,
    unit="s",
    description="Time since market data last arrived in this process; absent before any did.",
)
REPLICA_DELAY = Metric(
    name="cloudtrader_replica_delay",
    kind=Kind.HISTOGRAM,
    unit="s",
    labels=("kind",),
    buckets=LATENESS_BUCKETS,
    description="From the oldest frame of a message reaching the feeder to its candles being here, closed and forming ones apart.",
)
REPLICA_SYNCHRONISATIONS = Metric(
    name="cloudtrader_replica_synchronisations",
    kind=Kind.COUNTER,
    description="Snapshots taken over from a feeder: the first, and one for each connection lost or changed.",
)
EXECUTION_ROWS_WAITING = Metric(
    name="cloudtrader_execution_rows_waiting", kind=Kind.GAUGE, description="Rows of cloud_execution_logs not committed yet."
)
FEEDER_FRAMES = Metric(name="cloudtrader_feeder_frames", kind=Kind.COUNTER, description="Frames received from the exchange.")
FEEDER_RECONNECTS = Metric(
    name="cloudtrader_feeder_reconnects", kind=Kind.COUNTER, description="Connections to the exchange that had to be replaced."
)
FEEDER_QUEUE_DEPTH = Metric(
    name="cloudtrader_feeder_queue_depth", kind=Kind.GAUGE, description="Messages waiting to be sent, over all clients of the feeder."
)
FEEDER_CLIENTS = Metric(name="cloudtrader_feeder_clients", kind=Kind.GAUGE, description="Workers connected to the feeder.")
FEEDER_HISTORIES_BEHIND = Metric(
    name="cloudtrader_feeder_histories_behind",
    kind=Kind.GAUGE,
    description="Histories (a symbol's candles of one interval) that lack a candle that has closed.",
)

METRICS = (
    EXECUTION_DURATION,
    TICKS,
    TICK_LATENESS,
    EVALUATION_ERRORS,
    SIGNALS,
    ACTIVE_TRADERS,
    ACTIVE_INSTANCES,
    DATA_AGE,
    REPLICA_DELAY,
    REPLICA_SYNCHRONISATIONS,
    EXECUTION_ROWS_WAITING,
    FEEDER_FRAMES,
    FEEDER_RECONNECTS,
    FEEDER_QUEUE_DEPTH,
    FEEDER_CLIENTS,
    FEEDER_HISTORIES_BEHIND,
)
