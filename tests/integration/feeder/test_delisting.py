"""The seven symbols that traded against USDT in July 2024 and were not listed any more in September leave a running market."""

import gzip
import json
from datetime import timedelta
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest

from adapters.candle_store import STATUS_CODES
from adapters.feeder_client import MarketReplica
from domain.market import Interval, SymbolStatus
from tests.integration.feeder.conftest import Feeder, exchange
from tests.integration.feeder.processes import following, until
from tests.integration.feeder.request_log import RequestLog
from tests.integration.feeder.traders_at_work import trading

DATA = Path(__file__).parents[4] / "shared/data"
KLINES = DATA / "klines/5m_379usdt_2024-07-22_2024-07-30.parquet"
LISTED_LATER = DATA / "rest/exchangeInfo_2024-09-08.json.gz"
OTHERS = 24
"""Of the symbols that stay: the market of all 379 would only take longer."""
OFFERED = [interval for interval in Interval if interval is not Interval.M1]
SPEED = 200
"""A candle takes one and a half seconds."""
CANDLES = 3
pytestmark = [pytest.mark.skipif(not DATA.exists(), reason="the recordings are not on this machine"), pytest.mark.timeout(600)]


def symbols_of_july():
    return set(pl.scan_parquet(KLINES).select(pl.col("symbol").cast(pl.String).unique()).collect()["symbol"])


def delisted():
    """Those of July that September does not know."""
    listed = {item["symbol"] for item in json.loads(gzip.decompress(LISTED_LATER.read_bytes()))["symbols"]}
    return sorted(symbols_of_july() - listed)


def test_seven_symbols_of_july_are_not_listed_in_september():
    assert (379, 7) == (len(symbols_of_july()), len(delisted()))


class Controls:
    """The exchange's own controls."""

    def __init__(self, address):
        self._client = httpx.AsyncClient(base_url=f"{address}/control", trust_env=False, timeout=20)

    async def fault(self, kind, symbol, **parameters):
        (await self._client.post("/faults", json={"kind": kind, "symbol": symbol, **parameters})).raise_for_status()

    async def streams(self):
        """How many streams somebody listens to."""
        return (await self._client.get("/status")).json()["streams"]


async def test_delisted_symbols_leave_and_everything_else_goes_on_until_one_returns(token, tmp_path):
    gone = delisted()
    returning, lasting = gone[0], gone[1:]
    others = sorted(symbols_of_july() - set(gone))[:: 372 // OTHERS]
    file = tmp_path / "july.parquet"
    pl.scan_parquet(KLINES).filter(pl.col("symbol").cast(pl.String).is_in([*gone, *others])).collect().write_parquet(file)
    async with (
        exchange("--replay", str(file), "--speed", str(SPEED)) as address,
        RequestLog(address) as log,
        Feeder(address, "--rest-url", log.address, "--universe-seconds", "1") as feeder,
        following(MarketReplica(feeder.url, token)) as replica,
    ):
        controls = Controls(address)
        await replica.ready(timedelta(seconds=30))
        await until(lambda: nothing_is_behind(feeder))
        streams = await controls.streams()
        async with (
            trading(replica, "match = close > 0", Interval.M5) as everywhere,
            trading(replica, "match = close > 0", Interval.M5, symbols=(returning, others[0])) as owner,
        ):
            await until(lambda: everywhere.evaluated and owner.evaluated)
            assert {*gone, *others} == {match.symbol for match in everywhere.matches}

            for number, symbol in enumerate(gone):
                await controls.fault("delist", symbol, absent=number % 2 == 1)
            left = {symbol: (SymbolStatus.BREAK, SymbolStatus.ABSENT)[number % 2] for number, symbol in enumerate(gone)}
            await until(lambda: left == not_trading(replica))
            await until(lambda: is_listening_to(controls, streams - len(gone) * len(Interval)))
            last, asked = last_candles(replica, gone), len(log.asked)
            await until(lambda: newest(replica, others) >= max(last.values()) + CANDLES)
            assert left == {symbol: SymbolStatus(told) for symbol, told in (await feeder.status())["not_trading"].items()}

            # Their candles stay, nobody asks for more, and nothing counts as behind.
            assert last == last_candles(replica, gone)
            assert all(kept(replica, symbol) >= 512 for symbol in gone)
            assert [] == [symbol for symbol, interval in log.histories(asked) if symbol in gone]
            await until(lambda: nothing_is_behind(feeder))

            # Traders go on with the others and say what is not ready.
            await until(lambda: everywhere.progress.evaluated >= max(last.values()) + CANDLES)
            await until(lambda: (len(gone) + len(others), len(gone)) == everywhere.counted)
            await until(lambda: (2, 1) == owner.counted)

            await controls.fault("relist", returning)
            await until(lambda: set(lasting) == not_trading(replica).keys())
            await until(lambda: is_listening_to(controls, streams - len(lasting) * len(Interval)))
            await until(lambda: newest(replica, [returning]) == newest(replica, others) > max(last.values()) + CANDLES)
            await until(lambda: (2, 0) == owner.counted)
            await until(lambda: (len(gone) + len(others), len(lasting)) == everywhere.counted)
            await until(lambda: nothing_is_behind(feeder))
            assert {symbol: last[symbol] for symbol in lasting} == last_candles(replica, lasting)


async def nothing_is_behind(feeder):
    covered = (await feeder.status())["coverage"]
    return all(covered[interval.value]["behind"] == 0 for interval in OFFERED)


async def is_listening_to(controls, streams):
    return await controls.streams() == streams


def not_trading(replica):
    """The symbols that do not trade, with their status."""
    store = replica.store
    codes = {code: status for status, code in STATUS_CODES.items()}
    rows = np.flatnonzero(store.status != STATUS_CODES[SymbolStatus.TRADING])
    return {store.symbols[row]: codes[store.status[row]] for row in rows.tolist()}


def last_candles(replica, symbols):
    """Index of the last closed 5m candle of each."""
    through = replica.store.frame(Interval.M5).closed_through
    return {symbol: int(through[replica.store.rows[symbol]]) for symbol in symbols}


def newest(replica, symbols):
    """The same of the symbol that is furthest behind."""
    return min(last_candles(replica, symbols).values())


def kept(replica, symbol):
    """How many 5m candles of the symbol's unbroken history are there."""
    frame, row = replica.store.frame(Interval.M5), replica.store.rows[symbol]
    return int(frame.closed_through[row] - frame.closed_from[row]) + 1
