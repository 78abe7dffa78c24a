"""Past candles from the exchange through the folder that keeps them."""

import asyncio
from pathlib import Path

import httpx
import numpy as np
import pytest

from adapters.binance.rest import BinanceRest
from adapters.candle_history import PAGE, CandleHistory
from adapters.candle_table import CandleTable
from domain.errors import RefusedError, UnavailableError
from domain.market import Interval
from tests.integration.feeder.request_log import RequestLog
from tests.integration.preview.conftest import NOW, Running

M5, H1 = Interval.M5, Interval.H1
NEWEST = NOW // M5.milliseconds - 1
"""The newest candle that has closed."""
SYMBOLS = ("BTCUSDT", "ETHUSDT")


async def read(
    address: str, folder: Path, first: int, last: int = NEWEST, symbols: tuple[str, ...] = SYMBOLS, interval: Interval = M5
) -> CandleTable:
    async with BinanceRest(address) as rest:
        return await CandleHistory(rest, folder).read(symbols, interval, first, last)


async def told(address: str, symbol: str, first: int, last: int, interval: Interval = M5) -> dict[int, tuple[float, ...]]:
    """Candles by index, as the exchange tells them to somebody who walks backwards."""
    found: dict[int, tuple[float, ...]] = {}
    end = (last + 1) * interval.milliseconds - 1
    async with httpx.AsyncClient(base_url=address, timeout=20) as client:
        while end >= first * interval.milliseconds:
            query = {"symbol": symbol, "interval": interval.value, "endTime": end, "limit": 700}
            rows = (await client.get("/api/v3/klines", params=query)).json()
            if not rows:
                break
            found |= {row[0] // interval.milliseconds: tuple(float(row[place]) for place in (1, 2, 3, 4, 5, 7, 8, 9, 10)) for row in rows}
            end = rows[0][0] - 1
    return {index: values for index, values in found.items() if first <= index <= last}


def candles_of(table: CandleTable, row: int) -> dict[int, tuple[float, ...]]:
    names = ("open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume")
    there = np.flatnonzero(~np.isnan(table.columns["close"][row]))
    return {int(place) + table.first_index: tuple(float(table.columns[name][row, place]) for name in names) for place in there}


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("interval", [M5, H1, Interval.D1])
async def test_candles_are_those_the_exchange_tells(exchange: Running, tmp_path: Path, interval: Interval) -> None:
    newest = NOW // interval.milliseconds - 1
    async with exchange() as address:
        table = await read(address, tmp_path, newest - 2_500, newest + 50, interval=interval)
        expected = [await told(address, symbol, newest - 2_500, newest, interval) for symbol in SYMBOLS]

    assert expected == [candles_of(table, row) for row in range(2)]
    assert 2_501 == table.columns["close"].shape[1] or interval is Interval.D1


async def test_what_is_kept_is_not_asked_for_again(exchange: Running, tmp_path: Path) -> None:
    first = NEWEST - 3 * PAGE
    async with exchange() as address, RequestLog(address) as log:
        before = await read(log.address, tmp_path, first)
        pages = NEWEST // PAGE - first // PAGE + 1
        assert 2 * pages == sum(path == "/api/v3/klines" for path, _ in log.asked)
        log.asked.clear()
        after = await read(log.address, tmp_path, first)
        asked = [parameters["symbol"] for path, parameters in log.asked if path == "/api/v3/klines"]

    assert sorted(SYMBOLS) == sorted(asked), "the page that is not whole yet, of each symbol"
    assert all(before.columns[name].tobytes() == after.columns[name].tobytes() for name in before.columns)


async def test_later_candles_are_added(exchange: Running, tmp_path: Path) -> None:
    first, hours = NEWEST - 1_500, 100
    async with exchange() as address:
        await read(address, tmp_path, first)
    async with exchange(at=NOW + hours * H1.milliseconds) as address:
        later = await read(address, tmp_path, first, NEWEST + 12 * hours)
        expected = await told(address, "BTCUSDT", first, NEWEST + 12 * hours)

    assert expected == candles_of(later, 0)


async def test_holes_and_a_late_listing(exchange: Running, tmp_path: Path) -> None:
    first = NEWEST - 2_000
    hole = ((NEWEST - 1_300) * M5.milliseconds, (NEWEST - 150) * M5.milliseconds)
    async with exchange(holes=[hole]) as address:
        table = await read(address, tmp_path, first)
        again = await read(address, tmp_path, first)
        expected = await told(address, "BTCUSDT", first, NEWEST)

    assert expected == candles_of(table, 0) == candles_of(again, 0)
    assert 2_001 - 1_150 == len(expected)


async def test_symbol_that_was_not_listed_then(exchange: Running, tmp_path: Path) -> None:
    beginning = 17_167  # 2017-01-01, when the simulated market begins
    async with exchange() as address, RequestLog(address) as log:
        table = await read(log.address, tmp_path, beginning - 3_000, beginning + 5, interval=Interval.D1)
        assert sum(path == "/api/v3/klines" for path, _ in log.asked) <= 4
        expected = await told(address, "BTCUSDT", beginning - 3_000, beginning + 5, Interval.D1)

    assert expected == candles_of(table, 0)
    assert 6 == len(expected)


async def test_another_market_is_noticed_and_read_anew(exchange: Running, tmp_path: Path) -> None:
    first = NEWEST - 2_500
    async with exchange(seed=3) as address:
        await read(address, tmp_path, first)
    async with exchange(seed=4) as address:
        table = await read(address, tmp_path, first)
        expected = [await told(address, symbol, first, NEWEST) for symbol in SYMBOLS]

    assert expected == [candles_of(table, row) for row in range(2)]


async def test_broken_page_is_read_anew(exchange: Running, tmp_path: Path) -> None:
    first = NEWEST - 2_500
    async with exchange() as address:
        before = await read(address, tmp_path, first)
        for page in files(tmp_path):
            page.write_bytes(page.read_bytes()[:100])
        after = await read(address, tmp_path, first)

    assert candles_of(before, 1) == candles_of(after, 1)


async def test_two_readers_at_once_leave_one_good_folder(exchange: Running, tmp_path: Path) -> None:
    first = NEWEST - 2_500
    async with exchange() as address:
        tables = await asyncio.gather(*(read(address, tmp_path, first) for _ in range(3)))
        later = await read(address, tmp_path, first)

    assert 1 == len({table.columns["close"].tobytes() for table in (*tables, later)})
    assert {".parquet"} == {path.suffix for path in files(tmp_path)}


async def test_open_candle_is_left_out(exchange: Running, tmp_path: Path) -> None:
    async with exchange() as address:
        table = await read(address, tmp_path, NEWEST - 5, NEWEST + 5)
    assert 6 == table.columns["close"].shape[1]


async def test_problems_are_said(exchange: Running, tmp_path: Path) -> None:
    async with exchange() as address:
        with pytest.raises(RefusedError, match="Invalid symbol"):
            await read(address, tmp_path, NEWEST - 10, symbols=("NOSUCHUSDT",))
        with pytest.raises(RefusedError, match="take fewer days or symbols"):
            await read(address, tmp_path, NEWEST - 40_000_000)
    with pytest.raises(UnavailableError):
        await read("http://127.0.0.1:1", tmp_path, NEWEST - 10)


async def test_progress_counts_pages(exchange: Running, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    async with exchange() as address, BinanceRest(address) as rest:
        await CandleHistory(rest, tmp_path).read(SYMBOLS, M5, NEWEST - PAGE, NEWEST, lambda done, total: seen.append((done, total)))
    assert [(done, len(seen)) for done in range(1, len(seen) + 1)] == seen
