"""What an import stores: the filter as it was, truthy, and the strategy word for word."""

from datetime import timedelta
from uuid import UUID

from supabase import AsyncClient
from temporalio.client import Client

from adapters.supabase.traders import SupabaseTraders
from api.deployments import Deployments
from cli.imports import store
from domain.imports import read_export
from filters.translation.survey import survey

EXPORT = """[
 {"name": "Imported", "description": "Buys dips", "strategy": "{\\"risk\\": {\\"stop\\": 2.5}}",
  "filter": "{\\"code\\": \\"return helpers.getLatestRSI(klines, 14) < 30 && timeframes['1h'].length;\\", \\"interval\\": \\"5m\\"}"},
 {"name": "Of Go", "filter": {"code": "func f() bool { x := 1; return true }", "interval": "1h"}},
 {"name": "Imported", "filter": {"code": "return true;", "interval": "5m"}},
 {"name": "Broken", "filter": {"code": "return (", "interval": "5m"}},
 {"name": "Half hours", "filter": {"code": "return true;", "interval": "30m"}}
]"""


async def no_temporal() -> Client:
    raise AssertionError("storing asks nothing of Temporal")


async def test_an_import_stores_what_can_be_kept_and_says_why_the_rest_is_not(service: AsyncClient, elite_user: UUID) -> None:
    traders = SupabaseTraders(service)
    imports = [survey(trader) for trader in read_export(EXPORT)]

    stored = await store(imports, traders, Deployments(no_temporal, traders), elite_user, timedelta(seconds=5))

    found = {trader.name: trader for trader in await traders.list_for(elite_user)}
    assert {"Imported", "Of Go"} == found.keys()
    assert imports[0].filter == found["Imported"].settings.filter
    assert [True, True, False, False] == [not isinstance(stored[place], str) for place in (0, 1, 2, 3)]
    assert ("of this name already" in stored[2], "line 1" in stored[3], 4 in stored) == (True, True, False)
    rows = (await service.table("traders").select("name,strategy").eq("user_id", str(elite_user)).execute()).data
    assert {"Imported": {"risk": {"stop": 2.5}}, "Of Go": {}} == {row["name"]: row["strategy"] for row in rows}

    again = await store(imports, traders, Deployments(no_temporal, traders), elite_user, timedelta(seconds=5))
    assert all(isinstance(outcome, str) for outcome in again.values())
