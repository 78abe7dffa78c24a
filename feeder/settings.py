"""How a feeder is configured."""

from dataclasses import dataclass

from domain.market import Market


@dataclass(frozen=True, kw_only=True)
class FeederSettings:
    """Where the market is, and where the feeder listens. `token` is the secret that clients show."""

    rest_url: str
    stream_url: str
    market: Market
    quote_asset: str
    host: str
    port: int
    token: str
