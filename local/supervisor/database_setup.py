"""Brings the local database to what the system needs: what every Supabase project has, then our migrations. Repeating it changes nothing.

    python -m local.supervisor.database_setup --state DIR

DIR is Supabase Lite's folder; the database is the one that CLOUDTRADER_DATABASE_URL names.
"""

import argparse
import logging
import os
import sys
from pathlib import Path

from adapters.migrations import MigrationError, apply
from domain.errors import UnavailableError
from local.foreground import StartError
from local.supabase_lite import bootstrap_local

logger = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent.parent.parent / "migrations"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m local.supervisor.database_setup", description="Prepare the local database.")
    parser.add_argument("--state", type=Path, required=True, help="Supabase Lite's folder")
    state = parser.parse_args().state.resolve()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    database_url = os.environ["CLOUDTRADER_DATABASE_URL"]
    try:
        bootstrap_local(state, database_url)
        applied = apply(database_url, MIGRATIONS)
    except (StartError, MigrationError, UnavailableError) as problem:
        sys.exit(f"the database cannot be prepared: {problem}")
    logger.info("applied: %s", ", ".join(applied) or "nothing new")


if __name__ == "__main__":
    main()
