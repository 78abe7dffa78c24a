"""What the feeder counts."""

from dataclasses import dataclass, field


@dataclass
class FeederStatistics:
    """Counters since the process started."""

    frames: int = 0
    malformed_frames: int = 0
    ignored_frames: int = 0
    closed_candles: int = 0
    connections_opened: int = 0
    connections_lost: int = 0
    dials: int = 0
    rotations: int = 0
    """Connections replaced because of their age."""
    replacements: dict[str, int] = field(default_factory=dict)
    """Connections that ended or had to be replaced, by reason; rotations included."""
    subscriptions_refused: int = 0
    subscriptions_split: int = 0
    """Requests that were refused or not acknowledged and tried again in halves."""
    subscriptions_amended: int = 0
    """Streams in which the exchange's list of subscriptions differed from ours."""
    resubscriptions: int = 0
    """Streams that were silent and subscribed to anew."""
    most_client_frames_per_second: int = 0
    """Most frames, pongs included, that any connection sent within a second."""
    rest_repairs: int = 0
    rest_failures: int = 0
    task_restarts: int = 0
    messages_published: int = 0
    bytes_published: int = 0
    snapshots_sent: int = 0
    clients_cut: int = 0
    market_saves: int = 0
    longest_save_pause: float = 0.0
    """Seconds that the event loop was held up at once while the market was saved."""
    longest_publish_delay: float = 0.0
    """Seconds from the oldest frame of a message coming in to the message being queued for every client, since it was last taken."""

    def note_publish_delay(self, seconds: float) -> None:
        """A message of candles was queued for every client so long after its oldest frame came in."""
        self.longest_publish_delay = max(self.longest_publish_delay, seconds)

    def take_publish_delay(self) -> float:
        """The longest delay, seconds, since this was last asked."""
        longest, self.longest_publish_delay = self.longest_publish_delay, 0.0
        return longest
