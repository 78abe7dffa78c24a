"""How a feeder is configured."""

from dataclasses import dataclass
from pathlib import Path

from domain.market import Market


@dataclass(frozen=True, kw_only=True)
class FeederSettings:
    """Where the market is, and where the feeder listens. `token` is the secret that clients show.

    A client for which more than `client_queue_bytes` wait is cut. With a certificate and its key (PEM) it serves with TLS.
    """

    rest_url: str
    stream_url: str
    market: Market
    quote_asset: str
    host: str
    port: int
    token: str
    client_queue_bytes: int = 64 * 2**20
    tls_certificate: Path | None = None
    tls_key: Path | None = None
