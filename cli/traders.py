"""`cloudtrader trader ...`: a user's traders, from creation to the end."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

import typer
from rich.markup import escape

from adapters.settings import environment
from adapters.supabase.traders import StoredTrader
from cli.exits import FilterFileError
from cli.filter_files import Also, FilterOptions, LanguageOption, Truthy
from cli.health import health_of
from cli.market import MarketStatus, market_status
from cli.options import FilterFile, Json, Reason, TraderName, User, blocking, to_symbols
from cli.output import show
from cli.session import Session, session
from cli.trader_views import errors_view, list_view, settings_line, status_view, versions_view
from domain.errors import CloudtraderError, FilterRefusedError, RefusedError, UnavailableError
from domain.filters import FilterSpec, Language, Trigger
from domain.market import Interval
from domain.tiers import LIMITS
from domain.traders import Trader, TraderSettings
from workflows.contracts import DeployResult
from workflows.ids import trader_workflow_id

app = typer.Typer(no_args_is_help=True, help="Create traders, run them in the cloud, watch and change them.")

IntervalOption = Annotated[Interval, typer.Option("--interval", help="Width of the candles the filter looks at.")]
Symbols = Annotated[
    str | None, typer.Option("--symbols", metavar="A,B,...", help="Symbols to screen; by default the tier's number of them.")
]
Cadence = Annotated[
    float | None, typer.Option("--cadence", min=0.1, metavar="SECONDS", help="How often it ticks; by default as its tier does.")
]
TriggerOption = Annotated[Trigger, typer.Option("--trigger", help="Look at every closed candle, or at the forming one.")]
SIGNAL_INITIAL = "--signal-initial/--no-signal-initial"
SIGNAL_INITIAL_HELP = "Whether what matches at the first look already becomes a signal."


@app.command()
@blocking
async def create(
    filter_file: FilterFile,
    interval: IntervalOption,
    name: Annotated[str, typer.Option("--name", help="What to call it; commands accept the name in place of the id.")],
    symbols: Symbols = None,
    cadence: Cadence = None,
    trigger: TriggerOption = Trigger.CLOSE,
    language: LanguageOption = None,
    also: Also = None,
    truthy: Truthy = None,
    signal_initial: Annotated[bool, typer.Option(SIGNAL_INITIAL, help=SIGNAL_INITIAL_HELP)] = False,
    description: Annotated[str, typer.Option("--description")] = "",
    deploy_it: Annotated[bool, typer.Option("--deploy", help="Run it in the cloud at once.")] = False,
    user: User = None,
    as_json: Json = False,
) -> None:
    """Store a new trader; with --deploy, run it too."""
    options = FilterOptions(file=filter_file, language=language, also=also, truthy=truthy)
    spec = options.applied_to(FilterSpec(code="", interval=interval, trigger=trigger))
    async with _acting_for(user) as (on, user_id):
        limits = LIMITS[await on.users.tier_of(user_id)]
        settings = TraderSettings(
            filter=spec,
            cadence=limits.default_cadence if cadence is None else timedelta(seconds=cadence),
            symbols=to_symbols(symbols or ""),
            signal_initial=signal_initial,
        )
        with _naming(filter_file, spec.code):
            made = await on.deployments.create(user_id, name, settings, description=description, limits=limits if deploy_it else None)
            deployed = await _deploy_new(on, made) if deploy_it else None
    where = "It runs in the cloud." if deployed else "Run it with `cloudtrader trader deploy`."
    if spec.language is Language.GO:
        where = "It is kept and needs conversion before it can run."
    text = f"Created {made.name} ({made.id}), version {made.version}: {settings_line(made.settings)}. {where}"
    show({"trader": made, "deployed": deployed}, text, as_json=as_json)


@app.command()
@blocking
async def deploy(trader: TraderName, user: User = None, as_json: Json = False) -> None:
    """Run a trader in the cloud; where it runs already, hand it its newest version."""
    async with _acting_for(user) as (on, user_id):
        deployed = await on.deployments.deploy(user_id, trader)
        link = link_to(on, deployed.workflow_id)
    show(deployed, f"{trader} runs in the cloud, version {deployed.version}.\n{link}", as_json=as_json)


@app.command()
@blocking
async def pause(trader: TraderName, reason: Reason = "", user: User = None, as_json: Json = False) -> None:
    """Stop looking, keep everything."""
    async with _acting_for(user) as (on, user_id):
        stored = await on.deployments.pause(user_id, trader, reason)
    _told(stored, "pause", as_json=as_json)


@app.command()
@blocking
async def resume(trader: TraderName, reason: Reason = "", user: User = None, as_json: Json = False) -> None:
    """Look again; also ends an error."""
    async with _acting_for(user) as (on, user_id):
        stored = await on.deployments.resume(user_id, trader, reason)
    _told(stored, "resume", as_json=as_json)


@app.command()
@blocking
async def stop(trader: TraderName, reason: Reason = "", user: User = None, as_json: Json = False) -> None:
    """Take a trader out of the cloud. It can be deployed again."""
    async with _acting_for(user) as (on, user_id):
        stored = await on.deployments.stop(user_id, trader, reason)
    _told(stored, "stop", as_json=as_json)


@app.command("run-now")
@blocking
async def run_now(trader: TraderName, user: User = None, as_json: Json = False) -> None:
    """Tick now instead of waiting for the cadence."""
    async with _acting_for(user) as (on, user_id):
        found = await on.deployments.run_now(user_id, trader)
    matching = f"{len(found.matching)} symbols match: {', '.join(found.matching)}" if found.matching else "no symbol matches"
    trouble = f" But {found.condition.message}" if found.condition else ""
    show(found, f"{trader} ticked: {escape(f'{matching}; {found.new_signals} new signals.{trouble}')}", as_json=as_json)


@app.command()
@blocking
async def update(
    trader: TraderName,
    filter_file: Annotated[Path | None, typer.Option("--filter", exists=True, dir_okay=False, metavar="FILE", help="A new filter.")] = None,
    interval: Annotated[Interval | None, typer.Option("--interval")] = None,
    symbols: Annotated[str | None, typer.Option("--symbols", metavar="A,B,...", help='"" for the tier\'s number of symbols.')] = None,
    cadence: Annotated[float | None, typer.Option("--cadence", min=0.1, metavar="SECONDS")] = None,
    trigger: Annotated[Trigger | None, typer.Option("--trigger")] = None,
    language: LanguageOption = None,
    also: Also = None,
    truthy: Truthy = None,
    signal_initial: Annotated[bool | None, typer.Option(SIGNAL_INITIAL, help=SIGNAL_INITIAL_HELP)] = None,
    user: User = None,
    as_json: Json = False,
) -> None:
    """Change a trader's settings: a new version, which a running trader takes over at once."""
    options = FilterOptions(file=filter_file, language=language, interval=interval, trigger=trigger, also=also, truthy=truthy)
    wanted = {
        "symbols": None if symbols is None else to_symbols(symbols),
        "cadence": None if cadence is None else timedelta(seconds=cadence),
        "signal_initial": signal_initial,
    }
    if options == FilterOptions() and all(value is None for value in wanted.values()):
        raise typer.BadParameter("Say what to change: --filter, --interval, --symbols, --cadence, --trigger or --signal-initial.")
    async with _acting_for(user) as (on, user_id):
        stored = await on.traders.find(user_id, trader)
        if stored.settings is None:
            raise RefusedError(f"What is stored of {stored.name} makes no sense, so it cannot be changed in part: {stored.problem}")
        settings = _changed(stored.settings, options, wanted)
        with _naming(filter_file, settings.filter.code):
            changed = await on.deployments.update(user_id, str(stored.id), settings)
    text = f"{changed.name} is at version {changed.version}: {settings_line(changed.settings)}."
    if changed.version == stored.version:
        text = f"{changed.name} has these settings already (version {changed.version})."
    show({"trader": changed, "previous_version": stored.version}, text, as_json=as_json)


@app.command()
@blocking
async def status(trader: TraderName, user: User = None, as_json: Json = False) -> None:
    """Whether a trader is healthy, what it evaluated last, what matches, and what happened lately."""
    async with _acting_for(user) as (on, user_id):
        standing = await on.deployments.status(user_id, trader)
        link = link_to(on, trader_workflow_id(standing.stored.id))
        health = health_of(standing, await _market_now(on), datetime.now(UTC))
    document = {
        "trader": standing.stored,
        "health": health,
        "last_evaluation": standing.last_evaluation,
        "trouble": standing.trouble,
        "report": standing.report,
        "why_no_report": standing.why_no_report,
        "web_ui": link,
    }
    show(document, status_view(standing, health, link), as_json=as_json)


@app.command("list")
@blocking
async def list_traders(user: User = None, as_json: Json = False) -> None:
    """The user's traders."""
    async with _acting_for(user) as (on, user_id):
        stored = await on.deployments.list(user_id)
    show(stored, list_view(stored), as_json=as_json)


@app.command()
@blocking
async def versions(trader: TraderName, user: User = None, as_json: Json = False) -> None:
    """Every version a trader had, the newest first."""
    async with _acting_for(user) as (on, user_id):
        found = await on.deployments.versions(user_id, trader)
    show(found, versions_view(found), as_json=as_json)


@app.command()
@blocking
async def errors(
    trader: TraderName,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many, the last seen first.")] = 50,
    user: User = None,
    as_json: Json = False,
) -> None:
    """How a trader's filter failed: alike failures in one line, with the line of code they name."""
    async with _acting_for(user) as (on, user_id):
        found = await on.deployments.failures(user_id, trader, limit)
    show(found, errors_view(found), as_json=as_json)


def link_to(on: Session, workflow_id: str) -> str:
    """Where Temporal's Web UI shows a workflow."""
    namespace = environment().get("TEMPORAL_NAMESPACE", "default")
    return f"{on.settings.temporal_ui_url}/namespaces/{namespace}/workflows/{quote(workflow_id, safe='')}"


@asynccontextmanager
async def _acting_for(email: str | None) -> AsyncIterator[tuple[Session, UUID]]:
    async with session() as on:
        yield on, await on.user(email)


@contextmanager
def _naming(file: Path | None, code: str) -> Iterator[None]:
    """Let a refusal of the filter show the place in its file."""
    try:
        yield
    except FilterRefusedError as error:
        raise FilterFileError(error.problems, file or Path("filter"), code) from error


async def _market_now(on: Session) -> MarketStatus | None:
    try:
        return await market_status(on.settings)
    except UnavailableError:
        return None


async def _deploy_new(on: Session, made: Trader) -> DeployResult:
    try:
        return await on.deployments.deploy(made.user_id, str(made.id))
    except CloudtraderError as error:
        error.add_note(f"{made.name} is stored ({made.id}): `cloudtrader trader deploy` runs it once that is settled.")
        raise


def _told(stored: StoredTrader, verb: str, *, as_json: bool) -> None:
    show({"trader_id": stored.id, "name": stored.name, "told": verb}, f"Told {stored.name} to {verb}.", as_json=as_json)


def _changed(settings: TraderSettings, options: FilterOptions, wanted: dict[str, Any]) -> TraderSettings:
    spec = options.applied_to(settings.filter)
    return replace(settings, filter=spec, **{name: value for name, value in wanted.items() if value is not None})
