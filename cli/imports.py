"""`cloudtrader import FILE`: traders of the browser product, examined and, with --create, stored."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from adapters.supabase.traders import SupabaseTraders
from api.deployments import Deployments
from cli.filter_files import code_in
from cli.import_views import report_view
from cli.options import Json, User, blocking
from cli.output import show
from cli.session import session
from cli.traders import TriggerOption
from domain.errors import CloudtraderError, UnavailableError
from domain.filters import Trigger
from domain.imports import Import, read_export
from domain.tiers import LIMITS
from domain.traders import Trader, TraderSettings

if TYPE_CHECKING:  # TA-Lib takes 0.7 s to load, and a report alone needs none
    from cli.import_evidence import Evidence

ExportFile = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, readable=True, metavar="FILE", help="JSON exported from the product.")
]
Parity = Annotated[bool, typer.Option("--parity", help="Run each filter as it runs here and as it ran in the browser, and compare.")]
Translate = Annotated[bool, typer.Option("--translate", help="Propose each filter as an expression, compared on the same candles.")]
Candles = Annotated[
    Path | None,
    typer.Option(
        "--candles",
        exists=True,
        dir_okay=False,
        metavar="FILE",
        help="Compare on candles from a .parquet or .csv file.",
    ),
]
ShortHistory = Annotated[bool, typer.Option("--short-history", help="Take the beginning of the candles for the listing of their symbols.")]
Create = Annotated[bool, typer.Option("--create", help="Store them. Without it nothing is changed anywhere.")]


@blocking
async def import_traders(
    file: ExportFile,
    trigger: TriggerOption = Trigger.CLOSE,
    parity: Parity = False,
    translate: Translate = False,
    candles: Candles = None,
    short_history: ShortHistory = False,
    create: Create = False,
    user: User = None,
    as_json: Json = False,
) -> None:
    """Say which traders of the browser product run here as they are, and what the others need; with --create, store them."""
    from filters.translation.survey import survey  # noqa: PLC0415

    imports = [survey(trader, trigger) for trader in read_export(code_in(file))]
    found: dict[int, Evidence] = {}
    if parity or translate:
        from cli.import_evidence import Question, evidence  # noqa: PLC0415

        question = Question(parity=parity, translate=translate, candles=candles, short_history=short_history)
        found = await evidence(imports, question)
    stored = await _stored(imports, user) if create else {}
    document = [{"import": each, "evidence": found.get(place), "stored": stored.get(place)} for place, each in enumerate(imports)]
    show({"traders": document}, report_view(imports, found, stored), as_json=as_json)


async def _stored(imports: list[Import], email: str | None) -> dict[int, Trader | str]:
    async with session() as on:
        user_id = await on.user(email)
        return await store(imports, on.traders, on.deployments, user_id, LIMITS[await on.users.tier_of(user_id)].default_cadence)


async def store(
    imports: list[Import], traders: SupabaseTraders, deployments: Deployments, user_id: UUID, cadence: timedelta
) -> dict[int, Trader | str]:
    """Store what a filter can be made of, none deployed; by place the trader, or why it is not stored. Raises UnavailableError.

    Doing it again changes nothing: a name that is taken is left alone.
    """
    names = {trader.name for trader in await traders.list_for(user_id)}
    stored: dict[int, Trader | str] = {}
    for place, each in enumerate(imports):
        if each.filter is not None and each.trader.name in names:
            stored[place] = "There is a trader of this name already."
        elif each.filter is not None:
            stored[place] = await _create(each, TraderSettings(filter=each.filter, cadence=cadence), deployments, user_id)
            names |= {each.trader.name} if isinstance(stored[place], Trader) else set()
    return stored


async def _create(each: Import, settings: TraderSettings, deployments: Deployments, user_id: UUID) -> Trader | str:
    trader = each.trader
    try:
        return await deployments.create(user_id, trader.name, settings, description=trader.description, strategy=trader.strategy)
    except UnavailableError:
        raise
    except CloudtraderError as refusal:
        return str(refusal)
