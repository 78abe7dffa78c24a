"""REST over a real socket, as Binance answers."""

import re
from itertools import pairwise
from types import SimpleNamespace

import polars as pl
import pytest

from local.exchange import rest
from local.exchange.recorded import RecordedMarket
from tests.integration.exchange.conftest import START

HOUR = 3_600_000
DECIMAL = re.compile(r"-?\d+\.\d{8}")


async def test_ping_and_time_answer(running):
    async with running() as (_, client):
        ping, time = await client.get("/api/v3/ping"), await client.get("/api/v3/time")

    assert (ping.json(), time.json()) == ({}, {"serverTime": START})


async def test_exchange_info_has_what_a_universe_is_chosen_by(running):
    async with running() as (_, client):
        info = (await client.get("/api/v3/exchangeInfo")).json()

    assert len(info["symbols"]) == 77
    assert {("TRADING", "USDT", True)} == {(s["status"], s["quoteAsset"], s["isSpotTradingAllowed"]) for s in info["symbols"]}
    assert {"PRICE_FILTER", "LOT_SIZE", "NOTIONAL"} <= {rule["filterType"] for rule in info["symbols"][0]["filters"]}
    assert info["rateLimits"][0] == {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}


async def test_exchange_info_of_one_or_some_symbols(running):
    async with running() as (_, client):
        one = (await client.get("/api/v3/exchangeInfo", params={"symbol": "ETHUSDT", "showPermissionSets": "false"})).json()["symbols"]
        some = (await client.get("/api/v3/exchangeInfo", params={"symbols": '["BTCUSDT","币安人生USDT"]'})).json()["symbols"]

    assert ([entry["symbol"] for entry in one], "permissionSets" in one[0]) == (["ETHUSDT"], False)
    assert [entry["symbol"] for entry in some] == ["BTCUSDT", "币安人生USDT"]


async def test_klines_end_with_the_open_candle(running):
    async with running() as (_, client):
        rows = (await client.get("/api/v3/klines", params={"symbol": "BTCUSDT", "interval": "1h"})).json()

    assert len(rows) == 500
    assert rows[-1][0] == START // HOUR * HOUR
    assert all(later[0] - earlier[0] == HOUR for earlier, later in pairwise(rows))
    assert all(row[6] == row[0] + HOUR - 1 and isinstance(row[8], int) and row[11] == "0" for row in rows)
    assert all(DECIMAL.fullmatch(row[column]) for row in rows for column in (1, 2, 3, 4, 5, 7, 9, 10))


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"limit": 3}, [-2, -1, 0]),
        ({"limit": 2, "startTime": -10 * HOUR}, [-10, -9]),
        ({"limit": 2, "startTime": -10 * HOUR + 1}, [-9, -8]),
        ({"startTime": -3 * HOUR}, [-3, -2, -1, 0]),
        ({"startTime": -5 * HOUR, "endTime": -3 * HOUR}, [-5, -4, -3]),
        ({"startTime": -5 * HOUR, "endTime": -3 * HOUR - 1}, [-5, -4]),
        ({"limit": 2, "endTime": -3 * HOUR}, [-4, -3]),
        ({"startTime": 5 * HOUR}, []),
        ({"startTime": -3 * HOUR, "endTime": -4 * HOUR}, []),
    ],
)
async def test_klines_between_times(running, params, expected):
    open_time = START // HOUR * HOUR
    times = {name: value + (open_time if name.endswith("Time") else 0) for name, value in params.items()}
    async with running() as (_, client):
        rows = (await client.get("/api/v3/klines", params={"symbol": "ETHUSDT", "interval": "1h", **times})).json()

    assert expected == [(row[0] - open_time) // HOUR for row in rows]


async def test_a_thousand_candles_of_every_interval_at_most(running):
    async with running() as (_, client):
        replies = [
            (await client.get("/api/v3/klines", params={"symbol": "SOLUSDT", "interval": interval, "limit": 5_000})).json()
            for interval in ("1m", "5m", "15m", "1h", "4h", "1d")
        ]

    assert [len(rows) for rows in replies] == [1_000] * 6


async def test_a_symbol_that_is_not_ascii_is_found_by_its_percent_encoded_name(running):
    async with running() as (_, client):
        rows = (await client.get("/api/v3/klines?symbol=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT&interval=1m&limit=2")).json()

    assert len(rows) == 2


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("klines?symbol=NOPEUSDT&interval=1m", 400, -1121),
        ("klines?symbol=btcusdt&interval=1m", 400, -1121),
        ("klines?symbol=BTCUSDT&interval=7m", 400, -1120),
        ("klines?symbol=BTCUSDT", 400, -1102),
        ("klines?symbol=&interval=1m", 400, -1102),
        ("klines?symbol=BTCUSDT&interval=1m&limit=ten", 400, -1100),
        ("klines?symbol=BTCUSDT&interval=1m&startTime=-5", 400, -1100),
        ("klines?symbol=BTCUSDT&interval=1m&limit=0", 400, -1130),
        ("exchangeInfo?symbols=BTCUSDT", 400, -1100),
        ('exchangeInfo?symbols=["BTCUSDT","NOPE"]', 400, -1121),
        ('ticker/24hr?symbol=BTCUSDT&symbols=["BTCUSDT"]', 400, -1128),
    ],
)
async def test_a_wrong_request_is_refused_as_binance_does(running, path, status, code):
    async with running() as (_, client):
        reply = await client.get(f"/api/v3/{path}")

    assert (status, code) == (reply.status_code, reply.json()["code"])
    assert "x-mbx-used-weight-1m" in reply.headers


@pytest.mark.parametrize("path", ["/api/v3/nothing", "/", "/control/nothing"])
async def test_an_unknown_path_is_not_found(running, path):
    async with running() as (_, client):
        reply = await client.get(path)

    assert (404, path) == (reply.status_code, reply.json()["path"])


@pytest.fixture
def still(monkeypatch):
    """The wall clock stands still for request weights: no minute ends during the test."""
    monkeypatch.setattr(rest, "time", SimpleNamespace(time=lambda: START // 60_000 * 60 + 20.0))


async def test_weights_add_up_and_beyond_the_limit_is_refused_with_a_time_to_wait(running, still):
    async with running() as (_, client):
        weights = [
            int((await client.get(f"/api/v3/{path}")).headers["x-mbx-used-weight-1m"])
            for path in ("ping", "klines?symbol=BTCUSDT&interval=1m&limit=1", "ticker/24hr?symbol=BTCUSDT", "exchangeInfo?symbol=BTCUSDT")
        ]
        replies = [await client.get("/api/v3/ticker/24hr?type=MINI") for _ in range(76)]

    refused = replies[-1]
    assert weights == [1, 3, 5, 25]
    assert (refused.status_code, refused.json()["code"]) == (429, -1003)
    assert "40" == refused.headers["retry-after"]


async def test_the_limit_grows_with_the_speed_of_the_market(running):
    async with running(speed=60) as (_, client):
        info = (await client.get("/api/v3/exchangeInfo?symbol=BTCUSDT")).json()

    assert info["rateLimits"][0]["limit"] == 360_000


async def test_a_ticker_sums_up_the_last_day(running, market):
    async with running(at=START + 1_000) as (_, client):
        full = (await client.get("/api/v3/ticker/24hr?symbol=BTCUSDT")).json()
        mini = (await client.get("/api/v3/ticker/24hr?symbol=BTCUSDT&type=MINI")).json()
        rows = (await client.get("/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=1000")).json()
        rows = (await client.get(f"/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=1000&endTime={rows[0][0] - 1}")).json()[-440:] + rows

    assert sum(row[8] for row in rows) == full["count"]
    assert max(row[2] for row in rows) == full["highPrice"] == mini["highPrice"]
    assert (rows[0][1], rows[-1][4]) == (full["openPrice"], full["lastPrice"])
    assert {"priceChange", "bidPrice"}.isdisjoint(mini)


async def test_tickers_of_all_symbols(running):
    async with running() as (_, client):
        tickers = (await client.get("/api/v3/ticker/24hr")).json()

    assert len(tickers) == 77
    assert all(float(ticker["lowPrice"]) <= float(ticker["lastPrice"]) <= float(ticker["highPrice"]) for ticker in tickers)


async def test_a_long_reply_is_compressed_when_asked(running):
    async with running() as (_, client):
        path = "/api/v3/klines?symbol=BTCUSDT&interval=1m"
        compressed = await client.get(path)
        plain = await client.get(path, headers={"Accept-Encoding": "identity"})

    assert (compressed.headers.get("content-encoding"), plain.headers.get("content-encoding")) == ("gzip", None)
    assert plain.json() == compressed.json()


async def test_who_goes_on_after_a_refusal_is_banned(running, still):
    async with running() as (_, client):
        statuses = [(await client.get("/api/v3/ticker/24hr?type=MINI")) for _ in range(97)]
        time = await client.get("/api/v3/time")

    assert [200] * 75 + [429] * 20 == [reply.status_code for reply in statuses[:95]]
    assert (418, 418) == (statuses[-1].status_code, time.status_code)
    assert "120" == time.headers["retry-after"]


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({"permissions": "SPOT"}, 77),
        ({"permissions": '["MARGIN","SPOT"]'}, 77),
        ({"permissions": "MARGIN"}, 0),
        ({"symbolStatus": "TRADING"}, 77),
        ({"symbolStatus": "BREAK"}, 0),
        ({"symbolStatus": "BREAK", "permissions": "SPOT"}, 0),
    ],
)
async def test_exchange_info_is_chosen_by_permission_and_status(running, parameters, count):
    async with running() as (_, client):
        symbols = (await client.get("/api/v3/exchangeInfo", params=parameters)).json()["symbols"]

    assert count == len(symbols)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("exchangeInfo?symbolStatus=ASLEEP", -1122),
        ("exchangeInfo?symbol=BTCUSDT&permissions=SPOT", -1128),
        ('ticker/24hr?symbols=["BTCUSDT"]&symbolStatus=BREAK', -1220),
        ("exchangeInfo?permissions=[SPOT", -1100),
        ("avgPrice", -1102),
    ],
)
async def test_a_wrong_choice_is_refused(running, path, code):
    async with running() as (_, client):
        reply = await client.get(f"/api/v3/{path}")

    assert (400, code) == (reply.status_code, reply.json()["code"])


async def test_prices_agree_with_each_other(running):
    async with running(at=START + 1_000) as (_, client):
        price = (await client.get("/api/v3/ticker/price?symbol=BTCUSDT")).json()
        prices = (await client.get("/api/v3/ticker/price")).json()
        books = (await client.get("/api/v3/ticker/bookTicker", params={"symbols": '["BTCUSDT","ETHUSDT"]'})).json()
        day = (await client.get("/api/v3/ticker/24hr?symbol=BTCUSDT")).json()
        average = (await client.get("/api/v3/avgPrice?symbol=BTCUSDT")).json()
        rows = (await client.get("/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=6")).json()[:5]

    assert day["lastPrice"] == price["price"] == prices[0]["price"] == books[0]["bidPrice"]
    assert (77, ["BTCUSDT", "ETHUSDT"]) == (len(prices), [book["symbol"] for book in books])
    assert float(average["price"]) == pytest.approx(sum(float(row[7]) for row in rows) / sum(float(row[5]) for row in rows), rel=1e-6)
    assert (5, START + 1_000) == (average["mins"], average["closeTime"])


async def test_interface_klines_are_the_klines(running):
    query = "symbol=BTCUSDT&interval=5m&limit=3"
    async with running() as (_, client):
        replies = [(await client.get(f"/api/v3/{path}?{query}")).json() for path in ("klines", "uiKlines")]

    assert replies[0] == replies[1]


async def test_times_are_told_and_understood_in_microseconds(running):
    query = f"symbol=BTCUSDT&interval=1h&startTime={START // HOUR * HOUR * 1000 - 3 * HOUR * 1000}&limit=2"
    async with running() as (_, client):
        headers = {"X-MBX-TIME-UNIT": "MICROSECOND"}
        rows = (await client.get(f"/api/v3/klines?{query}", headers=headers)).json()
        time = (await client.get("/api/v3/time", headers=headers)).json()

    first = (START // HOUR - 3) * HOUR
    assert [first * 1000, (first + HOUR) * 1000] == [row[0] for row in rows]
    assert rows[0][6] == rows[1][0] - 1
    assert START * 1000 // 1_000_000 == time["serverTime"] // 1_000_000


async def test_a_page_from_before_a_recording_begins_with_its_first_candles(running, tmp_path):
    begins = START // HOUR * HOUR
    rows = [
        {"symbol": symbol, "open_time": begins + minute * 60_000, "open": 1.0, "high": 3.0, "low": 1.0, "close": 2.0, "volume": 5.5}
        for symbol, first in (("AUSDT", 0), ("BUSDT", 30))
        for minute in range(first, 60)
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "late.parquet")
    market = RecordedMarket(tmp_path / "late.parquet")
    async with running(market, at=begins + 50 * 60_000) as (_, client):
        pages = [(await client.get(f"/api/v3/klines?symbol={s}&interval=1m&startTime=0&limit=3")).json() for s in ("AUSDT", "BUSDT")]

    assert [[0, 1, 2], [30, 31, 32]] == [[(row[0] - begins) // 60_000 for row in page] for page in pages]
