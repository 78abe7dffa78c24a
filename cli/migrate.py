"""`cloudtrader migrate`: the database's schema."""

from pathlib import Path
from typing import Annotated

import typer

from adapters.settings import Settings
from cli.options import Json
from cli.output import show
from domain.errors import UnavailableError

MIGRATIONS = Path(__file__).parent.parent / "migrations"


def migrate(
    directory: Annotated[Path, typer.Option("--directory", help="Where the SQL files are.")] = MIGRATIONS,
    as_json: Json = False,
) -> None:
    """Bring the database's schema up to date. Doing it again changes nothing."""
    from adapters.migrations import apply  # noqa: PLC0415  (loads the database's driver, which few commands need)

    url = Settings().database_url.get_secret_value()
    if not url:
        raise UnavailableError("There is no CLOUDTRADER_DATABASE_URL: start the system with `make up`, or set it.")
    applied = apply(url, directory)
    show({"applied": applied}, "\n".join(f"applied {name}" for name in applied) or "The database is up to date.", as_json=as_json)
