"""A running stack as its backend and its database see it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

import httpx
from postgrest.exceptions import APIError
from pydantic import SecretStr
from temporalio.client import Client, WorkflowHandle

from adapters import temporal
from adapters.settings import Settings
from adapters.supabase.client import connect
from adapters.supabase.filter_failures import RecordedFailure
from adapters.supabase.rows import to_time
from adapters.supabase.traders import StoredTrader, SupabaseTraders
from adapters.supabase.users import SupabaseUsers
from api.deployments import Deployments
from domain.filters import FilterSpec, Language
from domain.market import Interval, epoch_milliseconds
from domain.tiers import Tier
from domain.traders import TraderSettings, TraderStatus
from tests.acceptance.running_stack import RunningStack
from workflows import ids
from workflows.contracts import TraderReport
from workflows.trader import TraderWorkflow

PAGE = 500


class Backend:
    """Acts for a new user of the elite tier."""

    user: UUID
    temporal: Client

    def __init__(self, stack: RunningStack) -> None:
        self._settings = stack.settings
        self._feeder_status = f"http://127.0.0.1:{stack.port('feeder')}/status"
        self._exchange = httpx.AsyncClient(base_url=f"http://127.0.0.1:{stack.port('exchange')}", timeout=10)

    async def __aenter__(self) -> Self:
        settings = Settings(
            supabase_url=self._settings["CLOUDTRADER_SUPABASE_URL"],
            supabase_secret_key=SecretStr(self._settings["CLOUDTRADER_SUPABASE_SECRET_KEY"]),
        )
        self._connection = connect(settings.supabase_url, settings.supabase_secret_key.get_secret_value())
        self._database = await self._connection.__aenter__()
        self._traders = SupabaseTraders(self._database)
        self.temporal = await temporal.connect(self._settings)
        self.user, self.email = await self.new_user(Tier.ELITE)
        self._deployments = Deployments(self._client, self._traders)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._exchange.aclose()
        await self._connection.__aexit__(kind, error, trace)

    async def _client(self) -> Client:
        return self.temporal

    async def new_user(self, tier: Tier) -> tuple[UUID, str]:
        """Id and e-mail address."""
        email = f"{uuid4()}@cloudtrader.test"
        return await SupabaseUsers(self._database).create_user(email, uuid4().hex, tier), email

    async def create(
        self,
        name: str,
        code: str,
        interval: str,
        *,
        symbols: tuple[str, ...] = (),
        user: UUID | None = None,
        cadence_seconds: float = 1,
        language: Language = Language.EXPRESSION,
        also: tuple[Interval, ...] = (),
    ) -> UUID:
        """A new trader."""
        rule = FilterSpec(code=code, interval=Interval(interval), language=language, required_intervals=also)
        settings = TraderSettings(filter=rule, cadence=timedelta(seconds=cadence_seconds), symbols=symbols)
        return (await self._deployments.create(user or self.user, name, settings)).id

    async def deploy(self, name: str, code: str, interval: str, *, user: UUID | None = None, **settings: Any) -> UUID:
        """A new trader that runs; its settings are those of `create`."""
        trader_id = await self.create(name, code, interval, user=user, **settings)
        await self._deployments.deploy(user or self.user, str(trader_id))
        return trader_id

    async def failures_of(self, trader_id: UUID, user: UUID | None = None) -> list[RecordedFailure]:
        """How the trader's filter failed, as its owner sees it."""
        told = await self._deployments.failures(user or self.user, str(trader_id), limit=20)
        return [one.failure for one in told.failures]

    async def stop(self, trader_id: UUID, user: UUID | None = None) -> None:
        """Take a trader out of the cloud."""
        await self._deployments.stop(user or self.user, str(trader_id))

    def workflow(self, trader_id: UUID) -> WorkflowHandle[TraderWorkflow, TraderReport]:
        """The trader's workflow."""
        return self.temporal.get_workflow_handle_for(TraderWorkflow.run, ids.trader_workflow_id(trader_id))

    async def status_of(self, trader_id: UUID) -> TraderReport:
        """What the workflow says."""
        return await self.workflow(trader_id).query(TraderWorkflow.status, rpc_timeout=timedelta(seconds=10))

    async def stored(self, user: UUID | None = None) -> list[StoredTrader]:
        """A user's traders as the database has them."""
        return await self._traders.list_for(user or self.user)

    async def shown_status(self, trader_id: UUID) -> TraderStatus | None:
        """What the database says of a trader."""
        return next(trader.status for trader in await self.stored() if trader.id == trader_id)

    async def baseline_of(self, trader_id: UUID) -> int:
        """Open time of the trader's first candle, ms: the one it evaluated at once."""
        rows = []
        async with asyncio.timeout(30):
            while not rows:
                await asyncio.sleep(0.3)
                rows = (await self._evaluations(trader_id).order("started_at").limit(1).execute()).data
        return epoch_milliseconds(to_time(rows[0]["candle_open_time"]))

    async def evaluated_through(self, trader_id: UUID, last: int, within: float) -> None:
        """Wait until the trader has evaluated the candle that opened at `last`, ms, and recorded what it found."""

        async def holds() -> bool:
            try:
                return await self.last_evaluated(trader_id) >= last
            except (httpx.HTTPError, APIError):  # the database may be among what is being waited for
                return False

        await eventually(holds, within, f"trader {trader_id} has evaluated candle {last}")

    async def last_evaluated(self, trader_id: UUID) -> int:
        """Open time of the newest candle evaluated, ms; -1 when there is none."""
        rows = (await self._evaluations(trader_id).order("candle_open_time", desc=True).limit(1).execute()).data
        return epoch_milliseconds(to_time(rows[0]["candle_open_time"])) if rows else -1

    def _evaluations(self, trader_id: UUID):
        rows = self._database.table("cloud_execution_logs").select("candle_open_time")
        return rows.eq("trader_id", str(trader_id)).eq("outcome", "evaluated")

    async def signals_of(self, trader_id: UUID) -> list[dict]:
        """The trader's signal rows."""
        columns = "id,symbol,candle_open_time,market,late,created_at"
        rows: list[dict] = []
        page: list[dict] = [{}]
        while page:
            query = self._database.table("signals").select(columns).eq("trader_id", str(trader_id)).order("id")
            page = (await query.range(len(rows), len(rows) + PAGE - 1).execute()).data
            rows += [row | {name: to_time(row[name]) for name in ("candle_open_time", "created_at")} for row in page]
        return rows

    async def control(self, verb: str) -> None:
        """Let the market's clock `start` or `hold`."""
        (await self._exchange.post(f"/control/{verb}")).raise_for_status()

    async def control_status(self) -> dict:
        """The market and its clock."""
        return (await self._exchange.get("/control/status")).json()

    async def market_is_complete(self) -> None:
        """Wait until the feeder has every symbol's history: fetching it takes most of a small machine."""

        async def holds() -> bool:
            status = (await self._exchange.get(self._feeder_status)).json()
            return status["rows_complete"] == status["rows"]

        await eventually(holds, 120, "every symbol's history is there")

    async def symbols(self, number: int) -> tuple[str, ...]:
        """The first symbols of the market."""
        listed = (await self._exchange.get("/api/v3/exchangeInfo")).json()["symbols"]
        return tuple(entry["symbol"] for entry in listed[:number])

    async def klines(self, symbol: str, interval: str, since: int, until: int) -> list[list]:
        """The exchange's own history: the candles that opened from `since` to `until`, ms."""
        rows: list[list] = []
        while since <= until:
            query = {"symbol": symbol, "interval": interval, "startTime": since, "endTime": until, "limit": 1000}
            page = (await self._exchange.get("/api/v3/klines", params=query)).raise_for_status().json()
            if not page:
                break
            rows += page
            since = page[-1][0] + 1
        return rows


async def eventually(holds: Callable[[], Awaitable[object]], within: float, what: str) -> float:
    """Wait until the coroutine function `holds` answers something true; the seconds it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not await holds() and loop.time() - began < within:  # noqa: ASYNC110  (what is waited for is in other processes)
        await asyncio.sleep(0.02)
    took = loop.time() - began
    assert took < within, f"not within {within} s: {what}"
    return took


def measured(what: str, seconds: float) -> None:
    """Show a figure; pytest prints it with -s."""
    print(f"{what}: {seconds:.2f} s")  # noqa: T201


def times_of(rows: Iterable[dict]) -> list[tuple[str, int]]:
    """(symbol, open time in ms) of signal rows."""
    return [(row["symbol"], epoch_milliseconds(row["candle_open_time"])) for row in rows]
