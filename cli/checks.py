"""What must be well for traders to run: each check finds out about one thing, or says what is wrong with it and what to do."""

import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import psycopg
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

from adapters import migrations
from adapters.settings import STATE_DIRECTORY, Settings, environment
from adapters.temporal import connect
from api.failures import in_terms_of_the_product
from cli.market import market_status
from cli.migrate import MIGRATIONS
from cli.output import duration
from cli.search_attributes import ANSWER_WITHIN, SILENCE, missing_from
from cli.session import session
from domain.errors import CloudtraderError, RefusedError, UnavailableError
from domain.market import Interval
from local.foreground import StartError
from local.supabase_lite import node
from workflows.ids import MARKET_QUEUE, TRADERS_QUEUE

LEAST_FREE_BYTES = 500_000_000
CLOCK_TOLERANCE = timedelta(seconds=3)
"""The API tells its time in whole seconds."""
DATABASE_SECONDS = 5

Check = Callable[[Settings], Awaitable[str]]
"""What it found, in a few words. Raises CloudtraderError with what to do."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """How one check ended."""

    name: str
    ok: bool
    detail: str


async def examine(settings: Settings) -> list[Finding]:
    """Every check, one after the other."""
    return [await _run(name, check, settings) for name, check in CHECKS.items()]


async def _run(name: str, check: Check, settings: Settings) -> Finding:
    try:
        return Finding(name=name, ok=True, detail=await check(settings))
    except CloudtraderError as problem:
        return Finding(name=name, ok=False, detail=str(problem))


async def _python(_: Settings) -> str:
    return ".".join(map(str, sys.version_info[:3]))  # an older one than 3.11 does not get this far


async def _node(_: Settings) -> str:
    try:
        return node()
    except StartError as problem:
        raise UnavailableError(f"{problem} Only the local stack needs it.") from problem


async def _disk(_: Settings) -> str:
    place = STATE_DIRECTORY.resolve()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < LEAST_FREE_BYTES:
        raise UnavailableError(f"{free / 1e6:.0f} MB are free for {place}: make room, the databases stop without it.")
    return f"{free / 1e9:.1f} GB free"


async def _settings(settings: Settings) -> str:
    required = {
        "CLOUDTRADER_SUPABASE_SECRET_KEY": settings.supabase_secret_key.get_secret_value(),
        "CLOUDTRADER_SUPABASE_PUBLISHABLE_KEY": settings.supabase_publishable_key,
        "CLOUDTRADER_FEEDER_TOKEN": settings.feeder_token.get_secret_value(),
    }
    missing = [name for name, value in required.items() if not value]
    if missing:
        raise UnavailableError(f"{', '.join(missing)} not set: `make up` writes them to {STATE_DIRECTORY / 'env'}, or set them.")
    file = STATE_DIRECTORY / "env"
    return f"from {file} and the environment" if file.exists() else "from the environment"


async def _postgres(settings: Settings) -> str:
    async with await _database(settings) as connection:
        answer = await (await connection.execute("show server_version")).fetchone()
    return f"PostgreSQL {answer[0] if answer else ''}"


async def _migrations(settings: Settings) -> str:
    async with await _database(settings) as connection:
        try:
            rows = await (await connection.execute("select version from supabase_migrations.schema_migrations")).fetchall()
        except psycopg.errors.UndefinedTable:
            rows = []
    known = {row[0] for row in rows}
    missing = [f"{migration.version}_{migration.name}" for migration in migrations.read(MIGRATIONS) if migration.version not in known]
    if missing:
        raise UnavailableError(f"Not applied: {', '.join(missing)}. Run `cloudtrader migrate`, then restart Supabase.")
    return f"{len(known)} applied"


async def _database(settings: Settings) -> psycopg.AsyncConnection[tuple[object, ...]]:
    url = settings.database_url.get_secret_value()
    if not url:
        raise UnavailableError("CLOUDTRADER_DATABASE_URL is not set: `make up` sets it; elsewhere only `cloudtrader migrate` needs it.")
    try:
        return await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=DATABASE_SECONDS)
    except psycopg.Error as problem:
        reason = str(problem).splitlines()[0]
        raise UnavailableError(f"PostgreSQL does not answer ({reason}): start the system with `make up`.") from problem


async def _supabase(settings: Settings) -> str:
    try:
        async with session(settings) as on:
            await on.signals.recent(limit=1)
    except RefusedError as problem:
        raise UnavailableError(f"{problem} Is CLOUDTRADER_SUPABASE_SECRET_KEY the service key of {settings.supabase_url}?") from problem
    return settings.supabase_url


async def _temporal(_: Settings) -> str:
    client = await connect(environment())
    async with in_terms_of_the_product(ANSWER_WITHIN, SILENCE):
        await client.service_client.check_health(timeout=ANSWER_WITHIN)
    return f"{client.service_client.config.target_host}, namespace {client.namespace}"


async def _search_attributes(_: Settings) -> str:
    missing = await missing_from(await connect(environment()))
    if missing:
        names = ", ".join(key.name for key in missing)
        raise UnavailableError(f"Not registered: {names}. Run `cloudtrader search-attributes register`.")
    return "registered"


def _workers(queue: str, *kinds: "TaskQueueType.ValueType") -> Check:
    async def check(_: Settings) -> str:
        client = await connect(environment())
        polling = set()
        for kind in kinds:
            request = DescribeTaskQueueRequest(namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind)
            async with in_terms_of_the_product(ANSWER_WITHIN, SILENCE):
                answer = await client.workflow_service.describe_task_queue(request, timeout=ANSWER_WITHIN)
            if not answer.pollers:
                raise UnavailableError(f"Nobody polls task queue {queue!r}: start workers (`make up`), and look at their log.")
            polling |= {poller.identity for poller in answer.pollers}
        return f"{len(polling)} polling"

    return check


async def _feeder(settings: Settings) -> str:
    found = await market_status(settings)
    details = found.details
    complete = f"{details['rows_complete']} of {details['rows']} histories complete"
    return f"{found.url}, {details['market']} market, {complete}, {found.behind} behind"


async def _market_data(settings: Settings) -> str:
    found = await market_status(settings)
    if not found.healthy:
        raise UnavailableError(f"{'; '.join(found.problems)}. `cloudtrader market status` shows more, docs/market-data.md what to do.")
    return "; ".join((f"{duration(found.age)} old", *found.problems))


async def _filter_processes(settings: Settings) -> str:
    # numpy takes longer to load than most commands run
    from filters.javascript.contract import JavaScriptFilter  # noqa: PLC0415
    from workers.filter_sandbox import FilterSandbox  # noqa: PLC0415

    async with FilterSandbox(at_once=1, allow_weak=True) as sandbox:
        await sandbox.check(JavaScriptFilter(code="return false", interval=Interval.M5))
        report = sandbox.report
    assert report is not None, "it has checked a filter"
    if not report.is_sufficient and not settings.allow_weak_jail:
        raise UnavailableError(
            f"JavaScript filters are not run here: {' '.join(report.warnings())} docs/security.md says where each layer is to be had."
        )
    return "; ".join((f"held by {', '.join(report.held)}", *report.warnings()))


async def _clock(settings: Settings) -> str:
    try:
        async with httpx.AsyncClient(timeout=ANSWER_WITHIN.total_seconds()) as http:
            told = (await http.get(settings.supabase_url)).headers.get("date")
    except httpx.HTTPError as problem:
        raise UnavailableError(f"There is nothing to compare it with: {settings.supabase_url} does not answer.") from problem
    if not told:
        return "not compared: Supabase tells no time"
    off = abs(datetime.now(UTC) - parsedate_to_datetime(told))
    if off > CLOCK_TOLERANCE:
        raise UnavailableError(f"This machine's clock is {duration(off)} off Supabase's: synchronise it (NTP).")
    return "agrees with Supabase's"


CHECKS: dict[str, Check] = {
    "Python": _python,
    "Node": _node,
    "free disk": _disk,
    "settings": _settings,
    "PostgreSQL": _postgres,
    "migrations": _migrations,
    "Supabase": _supabase,
    "Temporal": _temporal,
    "search attributes": _search_attributes,
    "workers for traders": _workers(TRADERS_QUEUE, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY),
    "workers for the market": _workers(MARKET_QUEUE, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY),
    "feeder": _feeder,
    "market data": _market_data,
    "filter processes": _filter_processes,
    "clock": _clock,
}
