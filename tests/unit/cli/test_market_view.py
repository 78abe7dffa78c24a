"""What people read of the market: that all is well, or what is not, since when, and which symbols it concerns."""

from typing import Any

import pytest

from adapters.candle_store import LAST_RANK
from cli.market import MarketStatus
from cli.market_views import status_view, symbol_view, symbols_view
from domain.market import Interval
from tests.unit.cli.test_trader_views import text_of

WHOLE = {"rows": 400, "expected": 398, "complete": 398, "behind": 0}
NONE = {"expected": 0, "streamed": 0, "repaired": 0, "missing": 0}
DETAILS: dict[str, Any] = {
    "healthy": True,
    "conditions": [],
    "market": "binance",
    "symbols": 400,
    "as_of": "2026-11-22T15:42:01Z",
    "age_seconds": 0.2,
    "connections": 3,
    "connections_open": 3,
    "clients": 2,
    "repairs_waiting": 0,
    "corrections": 0,
    "coverage": {"1m": WHOLE, "1h": WHOLE},
    "backfill": {"done": 2388, "of": 2388, "remaining": 0.0},
    "worst": [],
    "not_trading": {},
    "audit": {"last": None, "since_start": {"1m": {**NONE, "streamed": 31, "repaired": 7}, "1h": NONE}},
    "connection_reports": [],
    "silent_streams": [],
    "rest": {"limit": 6000, "used": 120, "paused_until": None, "reason": "", "is_refused": False},
    "clock": {"offset": -0.0123, "round_trip": 0.031},
}
STALLED = {"condition": "market_stalled", "since": "2026-11-22T15:41:00Z", "message": "the exchange has sent nothing for more than 15 s"}


def shown(**changes: object) -> list[str]:
    text = text_of(status_view("http://127.0.0.1:9800", DETAILS | changes))
    return [" ".join(line.split()) for line in text.splitlines()]


def history(interval: Interval, **changes: object) -> dict[str, Any]:
    moments = {"begins": "2026-11-21T15:41:00Z", "closed_through": "2026-11-22T15:41:00Z", "as_of": "2026-11-22T15:42:01Z"}
    counts = {"behind": 0, "streamed": 18, "repaired": 2, "corrected": 0}
    return {"interval": interval.value, **moments, "age": 0.4, **counts, **changes}


def line(name: str, rank: int, *, status: str = "trading", lacking: tuple[str, ...] = (), is_known: bool = True) -> dict[str, Any]:
    known = {"closed_through": "2026-11-22T15:41:00Z", "age": 0.4} if is_known else {"closed_through": None, "age": None}
    return {"symbol": name, "status": status, "rank": rank, "lacking": lacking, **known}


def test_a_whole_market_is_healthy_and_names_no_symbol() -> None:
    lines = shown()

    assert lines[0] == "healthy: binance market, 400 symbols, data 0.2 s old, 3 of 3 connections open, 2 clients"
    assert "1m 400 398 398 0 31 7 0" in lines
    assert "REST: 120 of 6000 weight used this minute, 0 repairs waiting" in lines
    assert "the exchange's clock less ours: -0.012 s, asked in 31 ms" in lines
    assert "last audit: none yet" in lines
    for heading in ("furthest behind", "condition", "backfill", "not trading", "silent"):
        assert not any(line.startswith(heading) for line in lines)


def test_symbols_that_lack_candles_are_named_with_how_long_they_have() -> None:
    coverage = {"1m": {**WHOLE, "behind": 2}, "1h": {**WHOLE, "complete": 397, "behind": 1}}
    worst = [
        {"symbol": "NEWUSDT", "interval": "1h", "closed_through": None, "behind": None},
        {"symbol": "ETHUSDT", "interval": "1m", "closed_through": "2026-11-22T15:38:00Z", "behind": 121.0},
    ]
    lines = shown(coverage=coverage, worst=worst)

    assert lines[0].startswith("healthy, 3 histories lack candles: ")
    assert "NEWUSDT 1h — its whole past" in lines
    assert "ETHUSDT 1m 2026-11-22 15:38:00 2 min 1 s" in lines


def test_a_market_that_is_stalled_says_so_first_and_since_when() -> None:
    lines = shown(healthy=False, conditions=[STALLED])

    assert lines[0].startswith("unhealthy: ")
    assert "market_stalled 2026-11-22 15:41:00 the exchange has sent nothing for more than 15 s" in lines


def test_a_feeder_that_knows_no_symbol_yet_is_not_called_healthy() -> None:
    assert shown(healthy=False, symbols=0)[0].startswith("unhealthy, no symbol is known yet: ")


def test_a_backfill_shows_its_progress_and_how_long_it_takes() -> None:
    assert "backfill: 600 of 2388 histories, about 1 min 30 s left" in shown(backfill={"done": 600, "of": 2388, "remaining": 90.0})
    assert "backfill: 0 of 2388 histories" in shown(backfill={"done": 0, "of": 2388, "remaining": None})


def test_a_pause_shows_until_when_and_why() -> None:
    rest = {**DETAILS["rest"], "paused_until": "2026-11-22T15:44:00Z", "reason": "the exchange answered 418", "is_refused": True}

    assert any(line.endswith("; paused until 2026-11-22 15:44:00: the exchange answered 418") for line in shown(rest=rest))


def test_the_last_audit_names_symbols_whose_candles_are_missing() -> None:
    tallies = {
        "1m": {"expected": 398, "streamed": 390, "repaired": 6, "missing": 2},
        "5m": {"expected": 398, "streamed": 398, "repaired": 0, "missing": 0},
    }
    last = {"through": "2026-11-22T15:41:00Z", "tallies": tallies, "missing_symbols": ["ADAUSDT", "XRPUSDT"]}

    assert (
        "last audit: 796 candles closed until 2026-11-22 15:41:00: 788 from streams, 6 from REST, 2 missing, of ADAUSDT XRPUSDT"
        in shown(audit={**DETAILS["audit"], "last": last})
    )


def test_connections_silent_streams_and_symbols_that_do_not_trade_are_listed() -> None:
    report = {"id": 8, "shard": 1, "state": "receiving", "streams": 900, "confirmed": 899, "frames": 12345}
    report |= {"opened_at": "2026-11-22T12:00:00Z", "heard_age": 0.1}
    lines = shown(
        connection_reports=[report],
        silent_streams=["btcusdt@kline_1m"],
        not_trading={"LUNAUSDT": "break", "OLDUSDT": "absent"},
        corrections=2,
    )

    assert "8 1 receiving 900 899 12345 2026-11-22 12:00:00 0.1 s ago" in lines
    assert "silent streams: btcusdt@kline_1m" in lines
    assert "not trading: LUNAUSDT (break) OLDUSDT (absent)" in lines
    assert "corrections: 2 closed candles were changed by the exchange" in lines


def test_other_feeders_are_named_with_how_they_are() -> None:
    text = text_of(status_view("http://a", DETAILS, [("http://b", "does not answer")]))

    assert "http://b: does not answer" in text


def test_the_market_of_a_trader_is_judged_by_the_same_document() -> None:
    behind = {"1m": {**WHOLE, "behind": 2}, "1h": {**WHOLE, "behind": 1}}
    found = MarketStatus(url="http://a", details=DETAILS | {"healthy": False, "conditions": [STALLED], "coverage": behind})

    assert (False, 3, 0.2) == (found.healthy, found.behind, found.age.total_seconds())
    assert ["market_stalled: the exchange has sent nothing for more than 15 s"] == found.problems


def test_symbols_with_something_wrong_come_first_then_the_largest() -> None:
    found = [
        line("BTCUSDT", 0),
        line("ETHUSDT", 1),
        line("LUNAUSDT", LAST_RANK, status="break"),
        line("XRPUSDT", 2, lacking=("1m", "4h")),
        line("NEWUSDT", LAST_RANK, lacking=("1m",), is_known=False),
    ]
    lines = text_of(symbols_view(found)).splitlines()[1:]

    assert ["XRPUSDT", "LUNAUSDT", "NEWUSDT", "BTCUSDT", "ETHUSDT"] == [shown_line.split()[0] for shown_line in lines]
    assert "XRPUSDT trading 3 2026-11-22 15:41:00 0.4 s ago 1m 4h" == " ".join(lines[0].split())
    assert "NEWUSDT trading — — — 1m" == " ".join(lines[2].split())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "1m 2026-11-21 15:41:00 2026-11-22 15:41:00 2026-11-22 15:42:01 0.4 s — 18 stream, 2 REST"),
        (
            {"behind": 4, "repaired": 0, "corrected": 1},
            "1m 2026-11-21 15:41:00 2026-11-22 15:41:00 2026-11-22 15:42:01 0.4 s 4 candles 18 stream, 1 corrected",
        ),
        (
            {"begins": None, "closed_through": None, "as_of": None, "age": None, "streamed": 0, "repaired": 0},
            "1m — — — — its whole past —",
        ),
    ],
)
def test_a_symbol_shows_its_six_histories(changes: dict[str, object], expected: str) -> None:
    histories = [history(interval, **(changes if interval is Interval.M1 else {})) for interval in Interval]
    btc = {"symbol": "BTCUSDT", "status": "trading", "rank": 0, "histories": histories}
    lines = [" ".join(shown_line.split()) for shown_line in text_of(symbol_view(btc)).splitlines()]

    assert "BTCUSDT: trading, rank 1 by 24 h volume" == lines[0]
    assert expected == lines[2]
    assert [interval.value for interval in Interval] == [shown_line.split()[0] for shown_line in lines[2:]]
