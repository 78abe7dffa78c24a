"""What the feeder counts, and the text Prometheus reads."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass
class FeederStatistics:
    """Counters since the process started."""

    frames: int = 0
    malformed_frames: int = 0
    ignored_frames: int = 0
    closed_candles: int = 0
    connections_opened: int = 0
    connections_lost: int = 0
    subscriptions_refused: int = 0
    rest_repairs: int = 0
    rest_failures: int = 0
    task_restarts: int = 0
    messages_published: int = 0
    bytes_published: int = 0
    snapshots_sent: int = 0
    clients_cut: int = 0


def exposition(statistics: FeederStatistics, gauges: Mapping[str, float]) -> str:
    """The counters and gauges in Prometheus' text format."""
    counters = {f"cloudtrader_feeder_{name}_total": ("counter", value) for name, value in asdict(statistics).items()}
    values = {f"cloudtrader_feeder_{name}": ("gauge", value) for name, value in gauges.items()}
    return "".join(f"# TYPE {name} {kind}\n{name} {value}\n" for name, (kind, value) in {**counters, **values}.items())
