"""How a feeder is configured."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from domain.market import Market
from feeder.selection import STABLE_BASES
from feeder.universe import REFRESH_EVERY


@dataclass(frozen=True, kw_only=True)
class FeederSettings:
    """Where the market is, and where the feeder listens. `token` is the secret that clients show.

    Symbols against `quote_asset` are followed, but for those with an excluded base. A client for which more than `client_queue_bytes`
    wait is cut. With a certificate and its key (PEM) it serves with TLS.
    """

    rest_url: str
    stream_url: str
    market: Market
    quote_asset: str
    host: str
    port: int
    token: str
    excluded_bases: frozenset[str] = STABLE_BASES
    universe_refresh: timedelta = REFRESH_EVERY
    client_queue_bytes: int = 64 * 2**20
    snapshot: str = ""
    """The file that keeps the market over a restart; empty: none does."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    rotate_after: timedelta = timedelta(hours=23)
    """Binance closes connections that are 24 hours old."""
    silent_after: timedelta = timedelta(seconds=90)
    """Wall-clock time after which a stream that says nothing while its symbol trades is subscribed to anew."""
