"""The stores against the real API: what goes in comes out, once; refusals and outages are told in our own errors."""

import json
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from supabase import AsyncClient

from activities.ports import Evaluation, ExecutionLog, InstanceStore, Outcome, SignalStore, TraderStore
from adapters.migrations import apply
from adapters.supabase.client import as_user, connect
from adapters.supabase.executions import SupabaseExecutionLog
from adapters.supabase.instances import SupabaseInstances
from adapters.supabase.signals import SupabaseSignals
from adapters.supabase.traders import SupabaseTraders
from adapters.supabase.users import SupabaseUsers
from domain.errors import FilterRefusedError, LimitReachedError, NotFoundError, RefusedError, UnavailableError
from domain.filters import FilterSpec, Language, Trigger
from domain.market import Interval, Market
from domain.screening import Match
from domain.signals import Signal, SignalStatus, signal_id
from domain.tiers import Tier
from domain.traders import InstanceStatus, Mode, Trader, TraderSettings, TraderStatus
from local import postgres as local_postgres
from local import supabase_lite
from tests.integration.servers import MIGRATIONS, SupabaseServer, folder_for_postgres, free_port

NOW = datetime(2026, 11, 22, 13, 31, 36, 740_000, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SETTINGS = TraderSettings(
    filter=FilterSpec(code="close > ema(close, 20)", interval=Interval.M5, trigger=Trigger.TICK),
    cadence=timedelta(seconds=5),
    symbols=("BTCUSDT", "ETHUSDT"),
    signal_initial=True,
)


@dataclass(frozen=True)
class Stores:
    """Every store over one client."""

    client: AsyncClient
    traders: SupabaseTraders = field(init=False)
    signals: SupabaseSignals = field(init=False)
    executions: SupabaseExecutionLog = field(init=False)
    instances: SupabaseInstances = field(init=False)
    users: SupabaseUsers = field(init=False)

    def __post_init__(self) -> None:
        for name, kind in self.__class__.__annotations__.items():
            if name != "client":
                object.__setattr__(self, name, kind(self.client))

    def satisfy_their_ports(self) -> tuple[TraderStore, SignalStore, ExecutionLog, InstanceStore]:
        return self.traders, self.signals, self.executions, self.instances


@pytest.fixture
def stores(service: AsyncClient) -> Stores:
    return Stores(service)


@pytest.fixture
async def trader(stores: Stores, elite_user: UUID) -> Trader:
    return await stores.traders.create(elite_user, "Breakout", "Above its average", SETTINGS, Mode.DEMO)


def signal_of(trader: Trader, symbol: str = "BTCUSDT", minutes: int = 0) -> Signal:
    opened = datetime(2026, 11, 22, 13, 30, tzinfo=UTC) + timedelta(minutes=minutes)
    return Signal(
        id=signal_id(trader.id, symbol, Interval.M5, opened),
        trader_id=trader.id,
        trader_version=trader.version,
        user_id=trader.user_id,
        interval=Interval.M5,
        market=Market.SIMULATED,
        match=Match(
            symbol=symbol,
            candle_index=Interval.M5.index_at(opened),
            candle_open_time=opened,
            price=Decimal("0.00000123456789"),
            change_percent=-1.25,
            quote_volume=1e9,
            conditions=("above", "volume"),
            values={"ema": 1.5},
            late=True,
            data_age=timedelta(milliseconds=1500),
            snapshot_seq=12_345_678_901,
        ),
    )


def evaluation_of(trader_id: UUID, instance_id: UUID, second: int = 0) -> Evaluation:
    return Evaluation(
        instance_id=instance_id,
        trader_id=trader_id,
        trader_version=1,
        interval=Interval.M5,
        started_at=datetime.now(UTC).replace(microsecond=123_456) + timedelta(seconds=second),
        duration=timedelta(milliseconds=7),
        outcome=Outcome.EVALUATED,
        market=Market.SIMULATED,
        symbols_processed=400,
        symbols_not_ready=3,
        signals_generated=1,
        candle_open_time=None,
        candles=1,
        snapshot_seq=9,
        data_age=timedelta(milliseconds=80),
        error="symbol XYZ: no candles",
    )


async def instance_of(stores: Stores, user_id: UUID, status: InstanceStatus = InstanceStatus.RUNNING) -> UUID:
    instance_id = uuid4()
    await stores.instances.save(user_id, instance_id, status, "", {"running": 1}, NOW)
    return instance_id


async def rows_of(client: AsyncClient, table: str, column: str, value: UUID) -> list[dict]:
    return (await client.table(table).select("*").eq(column, str(value)).execute()).data


async def test_a_trader_comes_back_as_it_was_stored(stores: Stores, trader: Trader) -> None:
    assert (trader.settings, trader.version, trader.tier, trader.mode) == (SETTINGS, 1, Tier.ELITE, Mode.DEMO)
    assert trader == await stores.traders.load(trader.id)


async def test_changed_settings_are_a_new_version_and_leave_the_cloud_switch_alone(stores: Stores, trader: Trader) -> None:
    await stores.traders.enable_in_cloud(trader.id, enabled=True)
    changed = await stores.traders.update_settings(trader.id, replace(SETTINGS, symbols=()))
    same = await stores.traders.update_settings(trader.id, replace(SETTINGS, symbols=()))

    assert (changed.version, changed.settings.symbols, same.version) == (2, (), 2)
    assert (await stores.traders.find(trader.user_id, "Breakout")).enabled_in_cloud
    assert [(), SETTINGS.symbols] == [it.settings.symbols for it in await stores.traders.versions(trader.id) if it.settings]


async def test_the_first_deployment_of_a_version_is_kept(stores: Stores, trader: Trader) -> None:
    await stores.traders.record_version(trader.id, 1, NOW)
    await stores.traders.record_version(trader.id, 1, NOW + timedelta(hours=1))

    assert [version.deployed_at for version in await stores.traders.versions(trader.id)] == [NOW]
    with pytest.raises(NotFoundError):
        await stores.traders.record_version(trader.id, 9, NOW)


async def test_a_status_is_stored_without_a_new_version(stores: Stores, trader: Trader) -> None:
    await stores.traders.set_status(trader.id, TraderStatus.PAUSED, "tier", NOW)
    found = await stores.traders.find(trader.user_id, str(trader.id))

    assert (found.status, found.status_reason, found.status_since, found.version) == (TraderStatus.PAUSED, "tier", NOW, 1)


async def test_a_filter_that_makes_no_sense_is_refused_but_listed(stores: Stores, trader: Trader, service: AsyncClient) -> None:
    await service.table("traders").update({"filter": {"code": "x", "interval": "7m"}}).eq("id", str(trader.id)).execute()

    with pytest.raises(FilterRefusedError, match="'7m'"):
        await stores.traders.load(trader.id)
    (listed,) = await stores.traders.list_for(trader.user_id)
    assert listed.settings is None
    assert "'7m'" in listed.problem


async def test_a_filter_of_the_browser_comes_back_as_it_was_stored_also_when_it_is_changed(stores: Stores, elite_user: UUID) -> None:
    browser = FilterSpec(
        code="return ticker.c > 1", interval=Interval.M5, language=Language.JAVASCRIPT, required_intervals=(Interval.H1,), truthy=True
    )
    made = await stores.traders.create(elite_user, "Browser", "", replace(SETTINGS, filter=browser), Mode.DEMO)
    assert browser == (await stores.traders.load(made.id)).settings.filter

    expression = await stores.traders.update_settings(made.id, SETTINGS)
    assert SETTINGS.filter == expression.settings.filter


async def test_a_filter_the_product_stored_as_text_within_json_can_be_read_and_changed(
    stores: Stores, trader: Trader, service: AsyncClient, supabase: SupabaseServer
) -> None:
    stored = json.dumps({"code": "return true", "interval": "5m", "language": "javascript", "indicators": [1]})
    with psycopg.connect(supabase.database_url) as connection:
        connection.execute("update public.traders set filter = to_jsonb(%s::text) where id = %s", [stored, trader.id])
    assert stored == (await rows_of(service, "traders", "id", trader.id))[0]["filter"]
    assert "return true" == (await stores.traders.load(trader.id)).settings.filter.code

    changed = await stores.traders.update_settings(trader.id, SETTINGS)
    assert SETTINGS.filter == changed.settings.filter
    assert [1] == (await rows_of(service, "traders", "id", trader.id))[0]["filter"]["indicators"]


async def test_unknown_traders_are_not_found(stores: Stores, elite_user: UUID) -> None:
    for call in (
        stores.traders.load(uuid4()),
        stores.traders.set_status(uuid4(), TraderStatus.RUNNING, "", NOW),
        stores.traders.update_settings(uuid4(), SETTINGS),
        stores.traders.find(elite_user, "nobody"),
        stores.traders.versions(uuid4()),
        stores.signals.set_status(uuid4(), SignalStatus.CLOSED, NOW),
        stores.users.find_by_email("nobody@example.com"),
    ):
        with pytest.raises(NotFoundError):
            await call


async def test_two_traders_of_one_name_are_told_apart_by_id(stores: Stores, trader: Trader) -> None:
    await stores.traders.create(trader.user_id, "Breakout", "", SETTINGS, Mode.DEMO)

    with pytest.raises(RefusedError, match=str(trader.id)):
        await stores.traders.find(trader.user_id, "Breakout")


async def test_signals_are_recorded_once(stores: Stores, trader: Trader) -> None:
    first, second = signal_of(trader), signal_of(trader, "ETHUSDT")

    assert (first.id,) == await stores.signals.record([first])
    assert (second.id,) == await stores.signals.record([first, second])
    assert await stores.signals.record([first, second]) == ()
    assert await stores.signals.record([]) == ()


async def test_a_signal_comes_back_as_it_was_recorded(stores: Stores, trader: Trader) -> None:
    await stores.signals.record([signal_of(trader)])
    await stores.signals.set_status(signal_of(trader).id, SignalStatus.CLOSED, NOW)
    (recorded,) = await stores.signals.recent(trader_id=trader.id)

    assert (signal_of(trader), SignalStatus.CLOSED, NOW) == (recorded.signal, recorded.status, recorded.closed_at)


async def test_a_signal_the_browser_recorded_stays_as_it_is(stores: Stores, trader: Trader, service: AsyncClient) -> None:
    cloud = signal_of(trader)
    local = {
        "trader_id": str(trader.id),
        "user_id": str(trader.user_id),
        "symbol": "BTCUSDT",
        "interval": "5m",
        "candle_open_time": cloud.match.candle_open_time.isoformat(),
    }
    await service.table("signals").insert(local).execute()

    assert await stores.signals.record([cloud]) == ()
    assert [row["source"] for row in await rows_of(service, "signals", "trader_id", trader.id)] == ["local"]


async def test_numbers_that_are_not_finite_become_null(stores: Stores, trader: Trader, service: AsyncClient) -> None:
    signal = signal_of(trader)
    await stores.signals.record([replace(signal, match=replace(signal.match, change_percent=float("nan"), values={"rsi": float("inf")}))])
    (row,) = await rows_of(service, "signals", "trader_id", trader.id)

    assert (row["change_percent"], row["values"]) == (None, {"rsi": None})


async def test_recent_signals_come_newest_first(stores: Stores, trader: Trader) -> None:
    for minutes in (0, 5, 10):
        await stores.signals.record([signal_of(trader, minutes=minutes)])
    newest, middle, _ = await stores.signals.recent(user_id=trader.user_id)

    assert [signal_of(trader, minutes=10), signal_of(trader, minutes=5)] == [newest.signal, middle.signal]
    assert [newest] == await stores.signals.recent(user_id=trader.user_id, limit=1)


async def test_signals_since_a_moment_come_oldest_first_and_begin_with_those_of_that_moment(stores: Stores, trader: Trader) -> None:
    for minutes in (0, 5, 10):
        await stores.signals.record([signal_of(trader, minutes=minutes)])
    newest, middle, _ = await stores.signals.recent(trader_id=trader.id)

    assert [[middle, newest]] == [page async for page in stores.signals.since(middle.recorded_at, trader_id=trader.id)]
    assert [] == [page async for page in stores.signals.since(newest.recorded_at + timedelta(microseconds=1), trader_id=trader.id)]


@pytest.mark.parametrize("cap", [1_000, 300])
async def test_a_burst_is_read_whole_and_in_order_whatever_the_server_caps_a_page_at(
    supabase: SupabaseServer, stores: Stores, trader: Trader, cap: int
) -> None:
    async def capped(request: httpx.Request) -> None:
        request.url = request.url.copy_set_param("limit", min(cap, int(request.url.params["limit"])))

    signals = [signal_of(trader, f"S{number:04}USDT") for number in range(2_500)]
    await stores.signals.record(signals)

    async with connect(supabase.url, supabase.keys.secret) as client:
        client.options.httpx_client.event_hooks["request"].append(capped)
        pages = [page async for page in Stores(client).signals.since(LONG_AGO, user_id=trader.user_id)]
    read = [recorded for page in pages for recorded in page]
    assert {signal.id for signal in signals} == {recorded.signal.id for recorded in read}
    assert sorted(read, key=lambda recorded: (recorded.recorded_at, recorded.signal.id)) == read
    assert (len(signals), min(cap, 500)) == (len(read), len(pages[0]))


async def test_more_signals_than_fit_one_call_are_all_recorded(stores: Stores, trader: Trader) -> None:
    signals = [signal_of(trader, f"S{number}USDT") for number in range(1_100)]

    assert {signal.id for signal in signals} == set(await stores.signals.record(signals))


async def test_evaluations_are_written_once(stores: Stores, trader: Trader, service: AsyncClient) -> None:
    evaluation = evaluation_of(trader.id, await instance_of(stores, trader.user_id))
    await stores.executions.append([evaluation])
    await stores.executions.append([evaluation, replace(evaluation, started_at=evaluation.started_at + timedelta(seconds=1))])

    rows = await rows_of(service, "cloud_execution_logs", "trader_id", trader.id)
    assert [row["execution_time"] for row in rows] == [7, 7]
    assert rows[0]["errors"] == {"message": "symbol XYZ: no candles", "failures": []}


async def test_the_latest_evaluation_is_told_with_what_went_wrong_since(stores: Stores, trader: Trader) -> None:
    nothing = await stores.traders.latest_evaluations(trader.id)
    assert (None, None) == (nothing.evaluated, nothing.trouble)

    evaluation = replace(evaluation_of(trader.id, await instance_of(stores, trader.user_id)), outcome=Outcome.EVALUATED, error="")
    began = evaluation.started_at
    stale = [replace(evaluation, started_at=began + timedelta(seconds=n), outcome=Outcome.STALE, candle_open_time=None) for n in (1, 2)]
    await stores.executions.append([evaluation, *stale])
    latest = await stores.traders.latest_evaluations(trader.id)
    assert latest.evaluated is not None
    assert (began, evaluation.candle_open_time) == (latest.evaluated.started_at, latest.evaluated.candle_open_time)
    assert (evaluation.duration, evaluation.data_age, "") == (latest.evaluated.duration, latest.evaluated.data_age, latest.evaluated.error)
    assert latest.trouble is not None
    assert (stale[1].started_at, "stale") == (latest.trouble.started_at, latest.trouble.outcome)

    await stores.executions.append([replace(evaluation, started_at=began + timedelta(seconds=3))])
    recovered = await stores.traders.latest_evaluations(trader.id)
    assert (began + timedelta(seconds=3), None) == (recovered.evaluated and recovered.evaluated.started_at, recovered.trouble)


async def test_evaluations_of_a_deleted_trader_do_not_hold_up_the_others(stores: Stores, trader: Trader, service: AsyncClient) -> None:
    instance_id = await instance_of(stores, trader.user_id)
    await stores.executions.append([evaluation_of(uuid4(), instance_id), evaluation_of(trader.id, instance_id)])

    assert len(await rows_of(service, "cloud_execution_logs", "trader_id", trader.id)) == 1


async def test_an_evaluation_of_an_unknown_instance_is_refused(stores: Stores, trader: Trader) -> None:
    with pytest.raises(RefusedError, match="instance_id"):
        await stores.executions.append([evaluation_of(trader.id, uuid4())])


async def test_days_of_the_execution_log_are_made_and_dropped(stores: Stores) -> None:
    await stores.executions.keep_days(10, 30)

    assert await stores.executions.keep_days(12, 30) == (2, 0)
    assert await stores.executions.keep_days(12, 30) == (0, 0)


async def test_an_instance_is_one_row_that_changes(stores: Stores, elite_user: UUID, service: AsyncClient) -> None:
    instance_id = await instance_of(stores, elite_user)
    await stores.instances.save(elite_user, instance_id, InstanceStatus.PAUSED, "tier", {"paused": 2}, NOW)

    (row,) = await rows_of(service, "cloud_trader_instances", "user_id", elite_user)
    assert (row["status"], row["status_reason"], row["health_metrics"]) == ("paused", "tier", {"traders": {"paused": 2}})


async def test_a_user_has_one_live_instance(stores: Stores, elite_user: UUID) -> None:
    first = await instance_of(stores, elite_user)
    with pytest.raises(RefusedError):
        await instance_of(stores, elite_user)

    await stores.instances.save(elite_user, first, InstanceStatus.STOPPED, "", {}, NOW)
    await instance_of(stores, elite_user)


async def test_a_user_is_created_with_a_tier_that_can_change(stores: Stores) -> None:
    email = f"{uuid4().hex}@Example.com"
    user_id = await stores.users.create_user(email, uuid4().hex, Tier.PRO)

    assert user_id == await stores.users.find_by_email(email.upper())
    assert await stores.users.tier_of(user_id) == Tier.PRO
    await stores.users.set_tier(user_id, Tier.ELITE)
    assert await stores.users.tier_of(user_id) == Tier.ELITE
    with pytest.raises(RefusedError, match="already"):
        await stores.users.create_user(email, uuid4().hex, Tier.PRO)


async def test_what_the_tier_forbids_is_a_limit_reached(stores: Stores) -> None:
    user_id = await stores.users.create_user(f"{uuid4().hex}@example.com", uuid4().hex, Tier.FREE)
    trader = await stores.traders.create(user_id, "Free", "", SETTINGS, Mode.DEMO)

    with pytest.raises(LimitReachedError, match="Pro or Elite"):
        await stores.traders.enable_in_cloud(trader.id, enabled=True)


async def test_what_a_constraint_forbids_is_refused(stores: Stores, trader: Trader) -> None:
    with pytest.raises(RefusedError, match="signals_market_check"):
        await stores.signals.record([replace(signal_of(trader), market="elsewhere")])


async def test_a_user_sees_only_his_own_through_the_stores(supabase: SupabaseServer, stores: Stores, trader: Trader) -> None:
    async with connect(supabase.url, supabase.keys.publishable) as anonymous:
        other = Stores(as_user(anonymous, await signed_in(anonymous)))

        assert await other.traders.list_for(trader.user_id) == []
        with pytest.raises(NotFoundError):
            await other.traders.load(trader.id)
        with pytest.raises(RefusedError):
            await other.signals.record([signal_of(trader)])


async def signed_in(anonymous: AsyncClient) -> str:
    http = anonymous.options.httpx_client
    body = {"email": f"{uuid4().hex}@example.com", "password": uuid4().hex}
    answer = await http.post(f"{anonymous.auth_url}/signup", json=body, headers={"apikey": anonymous.supabase_key})
    return answer.json()["access_token"]


async def test_a_user_may_not_write_what_the_workers_say(supabase: SupabaseServer) -> None:
    async with connect(supabase.url, supabase.keys.publishable) as anonymous:
        token = await signed_in(anonymous)
        mine = Stores(as_user(anonymous, token))
        user_id = UUID(
            (
                await anonymous.options.httpx_client.get(
                    f"{anonymous.auth_url}/user", headers={"apikey": anonymous.supabase_key, "Authorization": f"Bearer {token}"}
                )
            ).json()["id"]
        )
        trader = await mine.traders.create(user_id, "Mine", "", SETTINGS, Mode.DEMO)

        with pytest.raises(RefusedError, match="cloud_status"):
            await mine.traders.set_status(trader.id, TraderStatus.RUNNING, "", NOW)


async def test_no_api_is_unavailable() -> None:
    async with connect(f"http://127.0.0.1:{free_port()}", "sb_secret_x") as client:
        stores = Stores(client)
        for call in (
            stores.traders.load(uuid4()),
            stores.signals.recent(),
            stores.instances.save(uuid4(), uuid4(), InstanceStatus.RUNNING, "", {}, NOW),
            stores.executions.append([evaluation_of(uuid4(), uuid4())]),
            stores.users.create_user("a@example.com", "x" * 12, Tier.FREE),
        ):
            with pytest.raises(UnavailableError, match="does not answer"):
                await call


async def test_a_wrong_key_is_refused(supabase: SupabaseServer) -> None:
    async with connect(supabase.url, "sb_secret_wrong") as client:
        with pytest.raises(RefusedError):
            await Stores(client).traders.load(uuid4())


async def test_a_database_that_is_down_is_unavailable_and_comes_back(tmp_path: Path) -> None:
    port = free_port()
    async with AsyncExitStack() as clients:
        data = clients.enter_context(folder_for_postgres())
        with local_postgres.running(data, port) as url:
            supabase_lite.bootstrap_local(tmp_path, url)
            apply(url, MIGRATIONS)
            api = clients.enter_context(supabase_lite.running(tmp_path, free_port(), url))
            client = await clients.enter_async_context(connect(api, supabase_lite.keys(tmp_path).secret))
            with pytest.raises(NotFoundError):
                await Stores(client).traders.load(uuid4())
        with pytest.raises(UnavailableError):
            await Stores(client).traders.load(uuid4())
        with local_postgres.running(data, port), pytest.raises(NotFoundError):
            await Stores(client).traders.load(uuid4())
