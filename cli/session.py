"""What commands work with: the database, the backend's service, and the user they act for."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import typer
from supabase import AsyncClient
from temporalio.client import Plugin

from adapters.settings import Settings, environment
from adapters.supabase.client import connect as connect_supabase
from adapters.supabase.signals import SupabaseSignals
from adapters.supabase.traders import SupabaseTraders
from adapters.supabase.users import SupabaseUsers
from adapters.telemetry import setup
from adapters.telemetry.temporal import setup_temporal, wants_traces
from adapters.temporal import connect as connect_temporal
from api.deployments import Deployments
from cli.demo_users import email_of, users_file
from domain.errors import UnavailableError
from domain.tiers import Tier


@dataclass(frozen=True, kw_only=True)
class Session:
    """An operator's access: the service key passes by row level security, so every call names its user."""

    settings: Settings
    users: SupabaseUsers
    traders: SupabaseTraders
    signals: SupabaseSignals
    deployments: Deployments

    async def user(self, email: str | None) -> UUID:
        """The user a command acts for. Raises NotFoundError; ends the command where none is named and there is no local stack."""
        if email is None and not users_file().exists():
            raise typer.BadParameter("Say whose traders: --user EMAIL, or set CLOUDTRADER_USER.", param_hint="--user")
        return await self.users.find_by_email(email or email_of(Tier.ELITE))


@asynccontextmanager
async def session(settings: Settings | None = None) -> AsyncIterator[Session]:
    """A session for the duration of a command. Raises UnavailableError where the system was never started or set up here."""
    settings = settings or Settings()
    if not settings.supabase_secret_key.get_secret_value():
        raise UnavailableError("There is no CLOUDTRADER_SUPABASE_SECRET_KEY: start the system with `make up`, or set it.")
    async with connect_supabase(settings.supabase_url, settings.supabase_secret_key.get_secret_value()) as client:
        with _traces() as plugins:
            yield _session_on(client, settings, plugins)


@contextmanager
def _traces() -> Iterator[Sequence[Plugin]]:
    """Temporal's plugins: none, unless the environment names a collector; then a command begins the trace of what it asks for."""
    if not wants_traces():
        yield ()
        return
    telemetry = setup("cloudtrader", log_level="WARNING")
    try:
        yield setup_temporal(telemetry).plugins
    finally:
        telemetry.close()


def _session_on(client: AsyncClient, settings: Settings, plugins: Sequence[Plugin]) -> Session:
    traders = SupabaseTraders(client)
    return Session(
        settings=settings,
        users=SupabaseUsers(client),
        traders=traders,
        signals=SupabaseSignals(client),
        deployments=Deployments(partial(connect_temporal, environment(), plugins=plugins), traders),
    )
