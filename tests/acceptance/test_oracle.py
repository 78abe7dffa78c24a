"""The signals of a real crash, replayed through the whole stack while its processes are killed, are exactly those an oracle finds."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import SecretStr

from adapters import temporal
from adapters.settings import Settings
from adapters.supabase.client import connect
from adapters.supabase.traders import SupabaseTraders
from adapters.supabase.users import SupabaseUsers
from api.deployments import Deployments
from domain.filters import FilterSpec
from domain.market import Interval, epoch_milliseconds
from domain.tiers import Tier
from domain.traders import TraderSettings, TraderStatus
from tests.acceptance.oracle import TRADERS, WIDTH, Oracle
from tests.acceptance.running_stack import RunningStack, running_stack
from workflows import ids
from workflows.trader import TraderWorkflow

FILE = Path(__file__).parents[3] / "shared/data/klines/1m_94usdt_2021-05-11_2021-05-13.parquet"
SPEED = 90
START = "2021-05-12T22:10"
"""Bitcoin falls by an eighth in the three hours after."""
MARKET_MINUTES = 210
KILLS = ((0.15, "worker-1"), (0.35, "feeder"), (0.55, "worker-1"), (0.75, "feeder"))
"""At these parts of the replay."""
SETTLED_WITHIN = 60.0

pytestmark = [
    pytest.mark.skipif(not FILE.is_file(), reason="../shared/data with the recorded candles is not here"),
    pytest.mark.timeout(420),
]


async def test_killed_and_restarted_traders_find_every_signal_once() -> None:
    environment = {"MARKET": f"replay:{FILE}", "MARKET_SPEED": str(SPEED), "MARKET_START": START, "MARKET_HOLD": "1"}
    async with running_stack(**environment) as stack, _Backend(stack) as backend:
        traders = {oracle.name: await backend.deploy(oracle.name, oracle.code, oracle.interval) for oracle in TRADERS}
        baselines = {name: await backend.baseline_of(trader_id) for name, trader_id in traders.items()}
        await backend.control("start")
        await _kill_at_their_times(stack)
        await backend.control("hold")
        until = (await backend.control_status())["time"]
        await backend.evaluated_through(traders, until)
        rows = await backend.signal_rows(traders)
        seen = [await backend.status_of(trader_id) for trader_id in traders.values()]

    oracle = Oracle(str(FILE))
    expected = {
        (trader.name, symbol, opened)
        for trader in TRADERS
        for symbol, opened in oracle.signals(trader, baselines[trader.name], _last_closed(trader.interval, until))
    }
    found = Counter((name, row["symbol"], epoch_milliseconds(row["candle_open_time"])) for name, row in rows)

    per_trader = Counter(name for name, _, _ in expected)
    assert all(per_trader[trader.name] > 0 for trader in TRADERS), per_trader
    assert set(found) - expected == set(), "invented"
    assert expected - set(found) == set(), "missing"
    assert max(found.values()) == 1, "twice"
    assert {row["market"] for _, row in rows} == {"replay"}
    assert {status.status for status in seen} == {TraderStatus.RUNNING}
    assert sum(status.totals.missed_candles for status in seen) == 0


def _last_closed(interval: str, until: int) -> int:
    return (until // WIDTH[interval] - 1) * WIDTH[interval]


async def _kill_at_their_times(stack: RunningStack) -> None:
    duration, began = MARKET_MINUTES * 60 / SPEED, asyncio.get_running_loop().time()
    for part, name in KILLS:
        await asyncio.sleep(began + part * duration - asyncio.get_running_loop().time())
        stack.kill(name)
    await asyncio.sleep(began + duration - asyncio.get_running_loop().time())


class _Backend:
    """The stack as its backend sees it."""

    def __init__(self, stack: RunningStack) -> None:
        self._settings = stack.settings
        self._exchange = httpx.AsyncClient(base_url=f"http://127.0.0.1:{stack.port('exchange')}", timeout=10)

    async def __aenter__(self) -> "_Backend":
        settings = Settings(
            supabase_url=self._settings["CLOUDTRADER_SUPABASE_URL"],
            supabase_secret_key=SecretStr(self._settings["CLOUDTRADER_SUPABASE_SECRET_KEY"]),
        )
        self._connection = connect(settings.supabase_url, settings.supabase_secret_key.get_secret_value())
        self._database = await self._connection.__aenter__()
        self._client = await temporal.connect(self._settings)
        self._user = await SupabaseUsers(self._database).create_user(f"{uuid4()}@cloudtrader.test", uuid4().hex, Tier.ELITE)

        async def client() -> object:
            return self._client

        self._deployments = Deployments(client, SupabaseTraders(self._database))
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._exchange.aclose()
        await self._connection.__aexit__(None, None, None)

    async def deploy(self, name: str, code: str, interval: str) -> UUID:
        settings = TraderSettings(filter=FilterSpec(code=code, interval=Interval(interval)), cadence=timedelta(seconds=1))
        trader = await self._deployments.create(self._user, name, settings)
        await self._deployments.deploy(self._user, str(trader.id))
        return trader.id

    async def status_of(self, trader_id: UUID):
        return await self._client.get_workflow_handle_for(TraderWorkflow.run, ids.trader_workflow_id(trader_id)).query(
            TraderWorkflow.status
        )

    async def baseline_of(self, trader_id: UUID) -> int:
        """Open time of the trader's first candle: the one it evaluated while the clock stood still."""
        rows = []
        async with asyncio.timeout(30):
            while not rows:
                await asyncio.sleep(0.3)
                rows = (await self._evaluations(trader_id).order("started_at").limit(1).execute()).data
        return epoch_milliseconds(_time(rows[0]["candle_open_time"]))

    async def evaluated_through(self, traders: dict[str, UUID], until: int) -> None:
        """Wait until each trader has evaluated the newest candle that closed."""
        by_name = {trader.name: trader for trader in TRADERS}
        async with asyncio.timeout(SETTLED_WITHIN):
            for name, trader_id in traders.items():
                newest = -1
                while newest < _last_closed(by_name[name].interval, until):
                    rows = (await self._evaluations(trader_id).order("candle_open_time", desc=True).limit(1).execute()).data
                    newest = epoch_milliseconds(_time(rows[0]["candle_open_time"]))
                    await asyncio.sleep(0.3)
        await asyncio.sleep(3)  # what was found last is being recorded

    def _evaluations(self, trader_id: UUID):
        rows = self._database.table("cloud_execution_logs").select("candle_open_time")
        return rows.eq("trader_id", str(trader_id)).eq("outcome", "evaluated")

    async def signal_rows(self, traders: dict[str, UUID]) -> list[tuple[str, dict]]:
        rows: list[tuple[str, dict]] = []
        for name, trader_id in traders.items():
            page: list[dict] = [{}]
            while page:
                query = self._database.table("signals").select("id,symbol,candle_open_time,market").eq("trader_id", str(trader_id))
                begin = sum(held == name for held, _ in rows)
                page = (await query.order("id").range(begin, begin + 499).execute()).data
                rows += [(name, {**row, "candle_open_time": _time(row["candle_open_time"])}) for row in page]
        return rows

    async def control(self, verb: str) -> None:
        (await self._exchange.post(f"/control/{verb}")).raise_for_status()

    async def control_status(self) -> dict:
        return (await self._exchange.get("/control/status")).json()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace(" ", "T") + (":00" if text[-3] in "+-" else ""))
