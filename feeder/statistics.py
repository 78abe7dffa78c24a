"""What the feeder counts."""

from dataclasses import dataclass


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
