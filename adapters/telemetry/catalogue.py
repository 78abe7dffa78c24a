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
FILTER_FAILURES = Metric(
    name="cloudtrader_filter_failures",
    kind=Kind.COUNTER,
    labels=("kind",),
    description="Evaluations in which a filter failed for some or all symbols, by how: runtime, timeout, memory, contract, crashed, ...",
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


SANDBOX = {
    metric.name.removeprefix("cloudtrader_sandbox_"): metric
    for metric in (
        Metric(
            name="cloudtrader_sandbox_passes",
            kind=Kind.COUNTER,
            labels=("ending",),
            description="Passes of JavaScript filters by their ending: answered, timeout, memory, crashed, suspended.",
        ),
        Metric(
            name="cloudtrader_sandbox_busy",
            kind=Kind.COUNTER,
            unit="s",
            description="Processor time that JavaScript filters took.",
        ),
        Metric(name="cloudtrader_sandbox_running", kind=Kind.GAUGE, description="Passes of JavaScript filters under way."),
        Metric(name="cloudtrader_sandbox_waiting", kind=Kind.GAUGE, description="Passes of JavaScript filters that wait for their turn."),
        Metric(
            name="cloudtrader_sandbox_suspended",
            kind=Kind.GAUGE,
            description="Users whose JavaScript filters pause because they used too much.",
        ),
        Metric(
            name="cloudtrader_sandbox_replaced",
            kind=Kind.COUNTER,
            description="Filter processes that died, were ended or were worn and had to be replaced.",
        ),
        Metric(
            name="cloudtrader_sandbox_weak",
            kind=Kind.GAUGE,
            description="1 where this machine cannot hold filter processes well enough, else 0; absent before one was started.",
        ),
    )
}
"""What `Instruments.observe_sandbox` shows, by the name of the level."""


def _feeder(
    name: str, kind: Kind, description: str, *, unit: str = "", labels: tuple[str, ...] = (), prefix: str = "cloudtrader_feeder_"
) -> Metric:
    return Metric(name=f"{prefix}{name}", kind=kind, description=description, unit=unit, labels=labels)


FEEDER = {
    "frames": _feeder("frames", Kind.COUNTER, "Frames received from the exchange."),
    "shard_frames": _feeder(
        "shard_frames", Kind.COUNTER, "The same by shard: the streams of one connection and of those that replace it.", labels=("shard",)
    ),
    "malformed_frames": _feeder("malformed_frames", Kind.COUNTER, "Frames that could not be read."),
    "dials": _feeder("dials", Kind.COUNTER, "Connections to the exchange that were tried."),
    "reconnects": _feeder(
        "reconnects", Kind.COUNTER, "Connections to the exchange that ended or were replaced, by reason.", labels=("reason",)
    ),
    "connections_open": _feeder("connections_open", Kind.GAUGE, "Connections to the exchange that are open."),
    "streams": _feeder(
        "streams",
        Kind.GAUGE,
        "Streams that are wanted, and those that the exchange has confirmed.",
        labels=("state",),
    ),
    "streams_silent": _feeder("streams_silent", Kind.GAUGE, "Streams that are silent though their symbol trades."),
    "resubscriptions": _feeder("resubscriptions", Kind.COUNTER, "Streams subscribed to anew because they were silent."),
    "rest_weight": _feeder("rest_weight", Kind.GAUGE, "Request weight that this address has used in the exchange's minute, of 6,000."),
    "rest_refused": _feeder("rest_refused", Kind.GAUGE, "1 while the exchange does not want to be asked (429, 418, 403), else 0."),
    "rest_failures": _feeder("rest_failures", Kind.COUNTER, "Requests for candles that failed."),
    "clock_offset": _feeder("clock_offset", Kind.GAUGE, "The exchange's clock less ours; absent before it was measured.", unit="s"),
    "symbols": _feeder("symbols", Kind.GAUGE, "Symbols known, by the exchange's status.", labels=("status",)),
    "histories": _feeder(
        "histories",
        Kind.GAUGE,
        "Histories (a symbol's candles of one interval) of symbols that trade: expected, complete (their past is known) and behind.",
        labels=("interval", "state"),
    ),
    "backfill_remaining": _feeder(
        "backfill_remaining", Kind.GAUGE, "Time until all histories are complete at the present pace; absent while unknown.", unit="s"
    ),
    "repairs": _feeder("repairs", Kind.COUNTER, "Histories repaired from REST, the first backfill included."),
    "audited_candles": _feeder(
        "audited_candles",
        Kind.COUNTER,
        "Candles that should have closed, by what brought them: stream, rest, missing.",
        labels=("found",),
    ),
    "corrections": _feeder("corrections", Kind.COUNTER, "Closed candles that the exchange changed afterwards."),
    "market_condition": _feeder(
        "market_condition",
        Kind.GAUGE,
        "1 while the condition holds, else 0; docs/market-data.md says what each means.",
        labels=("condition",),
        prefix="cloudtrader_",
    ),
    "clients": _feeder("clients", Kind.GAUGE, "Workers connected to the feeder."),
    "clients_cut": _feeder("clients_cut", Kind.COUNTER, "Workers cut because too much waited for them."),
    "queue_depth": _feeder("queue_depth", Kind.GAUGE, "Messages waiting to be sent, over all clients of the feeder."),
    "queue_bytes": _feeder("queue_bytes", Kind.GAUGE, "Bytes waiting for the client that is furthest behind."),
    "published_bytes": _feeder("published_bytes", Kind.COUNTER, "Bytes queued for clients."),
    "publish_delay": _feeder(
        "publish_delay",
        Kind.GAUGE,
        "Longest time in the last minute from a frame to its candle being queued for clients.",
        unit="s",
    ),
    "snapshot_age": _feeder("snapshot_age", Kind.GAUGE, "Since the market was last saved to its file; absent before it was.", unit="s"),
}
"""What `Instruments.observe_feeder` shows, by the name of the level."""

METRICS = (
    EXECUTION_DURATION,
    TICKS,
    TICK_LATENESS,
    EVALUATION_ERRORS,
    FILTER_FAILURES,
    SIGNALS,
    ACTIVE_TRADERS,
    ACTIVE_INSTANCES,
    DATA_AGE,
    REPLICA_DELAY,
    REPLICA_SYNCHRONISATIONS,
    EXECUTION_ROWS_WAITING,
    *SANDBOX.values(),
    *FEEDER.values(),
)
