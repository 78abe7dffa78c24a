"""The whole system as processes of its own (database, Temporal, exchange, feeder, worker), and the command beside it."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from typer.testing import CliRunner, Result

from adapters.supabase.client import connect
from adapters.supabase.users import SupabaseUsers
from adapters.temporal import connect as connect_temporal
from cli import checks, demo_users
from cli.__main__ import app
from domain.tiers import Tier
from local import temporal_server
from tests.integration.servers import SupabaseServer, free_port

ROOT = Path(__file__).parents[3]
TOKEN = "a secret of the tests"
WITHIN_SECONDS = 60


@contextmanager
def process(*command: str, environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process for as long as the block lasts."""
    with log.open("ab") as out:
        running = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=out, stderr=out)
    try:
        yield running
    finally:
        running.terminate()
        running.wait(30)


def module(name: str, *arguments: object) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *map(str, arguments))


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WITHIN_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {WITHIN_SECONDS} s: {what}"
        time.sleep(0.1)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@dataclass(frozen=True)
class System:
    """Where everything is."""

    environment: dict[str, str]
    logs: Path

    def in_namespace(self, name: str) -> "System":
        """The same system, in another of Temporal's namespaces, where no worker polls yet."""
        return System(self.environment | {"TEMPORAL_NAMESPACE": name}, self.logs)

    @contextmanager
    def worker(self) -> Iterator[None]:
        """A worker process that polls."""
        log = self.logs / f"worker-{uuid4().hex}.log"
        with process(*module("workers"), environment=self.environment, log=log):
            until(lambda: '"polling"' in log.read_text(), "the worker polls")
            yield


@pytest.fixture(scope="session")
def without_worker(supabase: SupabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Everything but the worker."""
    folder = tmp_path_factory.mktemp("system")
    exchange, feeder, temporal, ui, http, metrics = (free_port() for _ in range(6))
    environment = {
        "CLOUDTRADER_STATE": str(folder),
        "CLOUDTRADER_SUPABASE_URL": supabase.url,
        "CLOUDTRADER_SUPABASE_SECRET_KEY": supabase.keys.secret,
        "CLOUDTRADER_SUPABASE_PUBLISHABLE_KEY": supabase.keys.publishable,
        "CLOUDTRADER_DATABASE_URL": supabase.database_url,
        "CLOUDTRADER_FEEDER_URL": f"ws://127.0.0.1:{feeder}",
        "CLOUDTRADER_FEEDER_TOKEN": TOKEN,
        "CLOUDTRADER_MARKET": "simulated",
        "TEMPORAL_ADDRESS": f"127.0.0.1:{temporal}",
        "FEEDER_TOKEN": TOKEN,
    }
    server = temporal_server.server_argv(folder / "temporal.db", port=temporal, ui_port=ui, http_port=http, metrics_port=metrics)
    there = ("--rest-url", f"http://127.0.0.1:{exchange}", "--stream-url", f"ws://127.0.0.1:{exchange}")
    with (
        process(*server, environment={}, log=folder / "temporal.log"),
        process(*module("local.exchange", "--port", exchange, "--generate", "--symbols", 12), environment={}, log=folder / "exchange.log"),
    ):
        until(lambda: answers(f"http://127.0.0.1:{exchange}/api/v3/ping"), "the exchange answers")
        options = (*there, "--market", "simulated", "--port", feeder)
        with process(*module("feeder", *options), environment=environment, log=folder / "feeder.log"):
            until(lambda: answers(temporal_server.health_url(http)), "Temporal answers")
            until(lambda: answers(f"http://127.0.0.1:{feeder}/healthz"), "the feeder has data")
            yield System(environment, folder)


@pytest.fixture(scope="session")
def system(without_worker: System) -> Iterator[System]:
    """Everything."""
    with without_worker.worker():
        yield without_worker


class Command:
    """`cloudtrader`, as one user types it."""

    def __init__(self, environment: dict[str, str], email: str = "") -> None:
        self.environment = environment
        self.email = email

    def __call__(self, *arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200", **self._variables()})

    def answer(self, *arguments: object) -> Any:
        """The document that a command which must succeed prints."""
        result = self(*arguments, "--json")
        assert (0, "") == (result.exit_code, result.stderr), (arguments, result.stderr, result.exception)
        return json.loads(result.stdout)

    def refusal(self, *arguments: object) -> dict[str, Any]:
        """The error of a command that must fail."""
        result = self(*arguments, "--json")
        assert result.exit_code, (arguments, result.stdout)
        document: dict[str, Any] = json.loads(result.stderr)
        assert document["exit_code"] == result.exit_code
        return document

    def but(self, **environment: str) -> "Command":
        """The same with other settings."""
        return Command(self.environment | environment, self.email)

    def _variables(self) -> dict[str, str]:
        return self.environment | ({"CLOUDTRADER_USER": self.email} if self.email else {})


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty state directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLOUDTRADER_USER", raising=False)
    for one in (demo_users, checks):
        monkeypatch.setattr(one, "STATE_DIRECTORY", tmp_path / "state")
    return tmp_path / "state"


@pytest.fixture
async def namespace(without_worker: System) -> str:
    """A new namespace of Temporal's, that knows none of our search attributes."""
    name = f"fresh-{uuid4().hex[:8]}"
    request = RegisterNamespaceRequest(namespace=name)
    request.workflow_execution_retention_period.FromSeconds(86_400)
    client = await connect_temporal(without_worker.environment)
    await client.workflow_service.register_namespace(request)
    return name


@pytest.fixture
async def users(supabase: SupabaseServer) -> dict[Tier, str]:
    """A new user of each tier, by e-mail address."""
    made = {tier: f"{tier}-{uuid4().hex}@cloudtrader.test" for tier in Tier}
    async with connect(supabase.url, supabase.keys.secret) as client:
        for tier, email in made.items():
            await SupabaseUsers(client).create_user(email, uuid4().hex, tier)
    return made


@pytest.fixture
def elite(system: System, users: dict[Tier, str], state: Path) -> Command:
    return Command(system.environment, users[Tier.ELITE])


@pytest.fixture
def pro(system: System, users: dict[Tier, str], state: Path) -> Command:
    return Command(system.environment, users[Tier.PRO])


@pytest.fixture
def free(system: System, users: dict[Tier, str], state: Path) -> Command:
    return Command(system.environment, users[Tier.FREE])


@pytest.fixture
def always(tmp_path: Path) -> Path:
    """A filter that every symbol meets."""
    file = tmp_path / "always.filter"
    file.write_text('condition("always", close > 0)\nplot("one", close / close)\nmatch = close > 0\n')
    return file
