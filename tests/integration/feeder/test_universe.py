"""A symbol is listed and another is halted while a feeder follows the simulated exchange."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import httpx
import numpy as np
import polars as pl
import pytest

from adapters.binance.rest import BinanceRest
from adapters.binance.weight import Lane
from adapters.candle_store import STATUS_CODES
from adapters.feeder_client import MarketReplica
from domain.filters import FilterSpec
from domain.market import Interval, SymbolStatus, epoch_milliseconds
from domain.screening import Progress
from filters.evaluation import Evaluator
from tests.integration.feeder.conftest import Feeder, exchange
from tests.integration.feeder.processes import following, until
from tests.integration.feeder.watching import request
from workers.screens import ReplicaScreens

NAMES = (*(f"{letter}USDT" for letter in "ABCDEFGHIJK"), "币安人生USDT")
SYMBOLS, SPEED, DAYS = len(NAMES), 60, 3
LISTED, HALTED = "币安人生USDT", "CUSDT"
pytestmark = pytest.mark.timeout(600)


def write_market(file):
    """Three days of one-minute candles, the later symbols with less volume; the exchange holds back the last."""
    opens = epoch_milliseconds(datetime(2026, 3, 2, tzinfo=UTC)) + np.arange(DAYS * 1_440) * 60_000
    random = np.random.default_rng(3)
    tables = []
    for place, symbol in enumerate(NAMES):
        closes = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.001, len(opens)))), 4)
        before = np.r_[100.0, closes[:-1]]
        prices = {"open": before, "high": np.maximum(before, closes), "low": np.minimum(before, closes), "close": closes}
        tables.append(pl.DataFrame({"symbol": [symbol] * len(opens), "open_time": opens, **prices, "volume": 2.0**-place * 1_000}))
    pl.concat(tables).write_parquet(file)


async def fault(address, kind, symbol):
    async with httpx.AsyncClient() as client:
        (await client.post(f"{address}/control/faults", json={"kind": kind, "symbol": symbol})).raise_for_status()


async def is_listening_to(address, streams):
    async with httpx.AsyncClient() as client:
        return (await client.get(f"{address}/control/status")).json()["streams"] == streams


async def is_whole(feeder, symbols):
    status = await feeder.status()
    is_filled = status["backfill"]["done"] == status["backfill"]["of"] == 6 * symbols
    return is_filled and all(covered["behind"] == 0 for covered in status["coverage"].values())


def kept(replica, symbol, interval=Interval.M1):
    """Indices of the first and the last candle of a symbol's unbroken history."""
    frame, row = replica.store.frame(interval), replica.store.rows[symbol]
    return int(frame.closed_from[row]), int(frame.closed_through[row])


def status_of(replica, symbol):
    return replica.store.status[replica.store.rows[symbol]]


def average_of_500():
    asked = request()
    code = FilterSpec(code="match = close > sma(close, 500)", interval=Interval.M1)
    return replace(asked, settings=replace(asked.settings, filter=code))


async def test_a_new_listing_joins_and_a_halted_symbol_is_no_longer_received_until_it_returns(token, tmp_path):
    write_market(tmp_path / "market.parquet")
    async with (
        exchange("--replay", str(tmp_path / "market.parquet"), "--reserve", "1", "--speed", str(SPEED)) as address,
        Feeder(address, "--universe-seconds", "1") as feeder,
        following(MarketReplica(feeder.url, token)) as replica,
        BinanceRest(address) as client,
    ):
        await until(lambda: is_whole(feeder, SYMBOLS - 1))
        await until(lambda: len(replica.store.symbols) == SYMBOLS - 1)
        assert LISTED not in replica.store.rows
        await until(lambda: is_listening_to(address, 1 + 6 * (SYMBOLS - 1)))

        await fault(address, "list", LISTED)
        await until(lambda: LISTED in replica.store.rows)
        await until(lambda: kept(replica, LISTED)[1] - kept(replica, LISTED)[0] >= 3)
        await until(lambda: is_whole(feeder, SYMBOLS))
        await until(lambda: is_listening_to(address, 1 + 6 * SYMBOLS))
        told = await client.klines(LISTED, Interval.M1, Lane.URGENT)
        first, last = kept(replica, LISTED)
        assert int(told["index"][0]) == first, "its history is all the exchange has"
        frame, row = replica.store.frame(Interval.M1), replica.store.rows[LISTED]
        assert (
            told["close"][: last - first + 1].tolist()
            == frame.columns["close"][row, first - frame.first_index : last - frame.first_index + 1].tolist()
        )
        assert last - first < 500
        tick = await (await ReplicaScreens(replica, Evaluator()).open(average_of_500())).tick(Progress())
        assert (SYMBOLS, 1) == (tick.symbols_processed, tick.symbols_not_ready)

        await fault(address, "halt", HALTED)
        await until(lambda: status_of(replica, HALTED) == STATUS_CODES[SymbolStatus.HALT])
        await until(lambda: is_listening_to(address, 1 + 6 * (SYMBOLS - 1)))
        held = kept(replica, HALTED)
        await until(lambda: kept(replica, LISTED)[1] > held[1] + 4)
        assert held == kept(replica, HALTED)
        assert {HALTED: "halt"} == (await feeder.status())["not_trading"]
        assert SYMBOLS - 1 == int(replica.store.rank[replica.store.rows[HALTED]]), "it ranks after all that trade"
        await until(lambda: is_whole(feeder, SYMBOLS - 1))

        await fault(address, "relist", HALTED)
        await until(lambda: status_of(replica, HALTED) == STATUS_CODES[SymbolStatus.TRADING])
        await until(lambda: kept(replica, HALTED)[1] > held[1] + 6)
        await until(lambda: is_whole(feeder, SYMBOLS))
        assert kept(replica, HALTED)[0] < held[1], "it traded on: its history has no hole"
        volumes = {ticker.symbol: ticker.values[-1] for ticker in await client.tickers()}

    ranks = {symbol: int(replica.store.rank[row]) for symbol, row in replica.store.rows.items()}
    assert list(range(SYMBOLS)) == sorted(ranks.values())
    in_order = [volumes[symbol] for symbol in sorted(ranks, key=ranks.__getitem__)]
    assert all(after < 1.5 * before for before, after in pairwise(in_order))
    assert any(f"1 symbols join: {LISTED}" in line for line in feeder.lines)
    assert any(f"{HALTED} leaves: halt, it was trading" in line for line in feeder.lines)
    assert any(f"{HALTED} returns: trading, it was halt" in line for line in feeder.lines)
