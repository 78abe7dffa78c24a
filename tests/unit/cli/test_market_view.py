"""What people read of the market: that all is well, or which symbols are not."""

from typing import Any

from cli.market import MarketStatus, status_view
from tests.unit.cli.test_trader_views import text_of

WHOLE = {"rows": 400, "complete": 400, "behind": 0}
DETAILS: dict[str, Any] = {
    "market": "binance",
    "symbols": 400,
    "as_of": "2026-11-22T15:42:01Z",
    "age_seconds": 0.2,
    "connections": 3,
    "connections_open": 3,
    "clients": 2,
    "repairs_waiting": 0,
    "coverage": {"1m": WHOLE, "1h": WHOLE},
    "worst": [],
}


def shown(healthy: bool = True, **changes: object) -> str:
    return text_of(status_view(MarketStatus(healthy=healthy, url="http://127.0.0.1:9800", details=DETAILS | changes)))


def test_a_whole_market_is_healthy_and_names_no_symbol() -> None:
    assert shown().startswith("healthy: binance market, 400 symbols, data 0.2 s old")
    assert "furthest behind" not in shown()


def test_symbols_that_lack_candles_are_named_with_how_long_they_have() -> None:
    coverage = {"1m": {"rows": 400, "complete": 400, "behind": 2}, "1h": {"rows": 400, "complete": 399, "behind": 1}}
    worst = [
        {"symbol": "NEWUSDT", "interval": "1h", "closed_through": None, "behind": None},
        {"symbol": "ETHUSDT", "interval": "1m", "closed_through": "2026-11-22T15:38:00Z", "behind": 121.0},
    ]
    lines = shown(coverage=coverage, worst=worst).splitlines()

    assert lines[0].startswith("3 histories lack candles: ")
    assert ["1m", "400", "400", "2"] in [line.split() for line in lines]
    assert ["NEWUSDT", "1h", "—", "its", "whole", "past"] in [line.split() for line in lines]
    assert "ETHUSDT 1m 2026-11-22 15:38:00 2 min 1 s" in [" ".join(line.split()) for line in lines]


def test_a_market_that_is_silent_is_not_called_healthy() -> None:
    assert shown(healthy=False).startswith("no market data: ")
