"""The processes of `make up`, as data: what runs, in which order, and how each is seen to be well."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from adapters.binance.endpoints import REST_URL, STREAM_URL
from domain.market import Market
from local import postgres, supabase_lite, temporal_server
from local.foreground import secret_in
from local.supervisor.health import HttpHealth, PostgresHealth
from local.supervisor.market import MarketChoice
from local.supervisor.specs import ProcessSpec

USUAL_PORTS = {
    "postgres": 54322,
    "supabase": 54321,
    "temporal": 7233,
    "temporal-ui": 8233,
    "temporal-http": 7243,
    "temporal-metrics": 9463,
    "exchange": 9443,
    "feeder": 9800,
    "feeder-metrics": 9462,
}
FIRST_WORKER_METRICS_PORT = 9464
MAX_WORKERS = 64
RESERVED_SYMBOLS = 3
"""More, for `cloudtrader exchange fault list`."""
WORKER_GRACE = timedelta(seconds=25)
"""Workers hand their windows over within 20 s."""


def usual_ports(workers: int) -> dict[str, int]:
    """The port that each server has where nothing else uses it."""
    return USUAL_PORTS | {_worker_name(number): FIRST_WORKER_METRICS_PORT + number for number in range(workers)}


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One machine's system: where its state is, which market it runs on, which ports it uses. Its secrets are made when first asked for."""

    state: Path
    market: MarketChoice
    ports: Mapping[str, int]
    workers: int

    def specs(self) -> tuple[ProcessSpec, ...]:
        """Every process, each after those that it needs."""
        exchange = () if self.market.market is Market.BINANCE else (self._exchange(),)
        workers = tuple(self._worker(number) for number in range(self.workers))
        return (
            *(self._postgres(), self._migrations(), self._supabase(), self._temporal(), self._retention()),
            *exchange,
            self._feeder(tuple(spec.name for spec in exchange)),
            *workers,
            self._demo(),
        )

    def environment(self) -> dict[str, str]:
        """Connection settings for every process of the system and for the commands beside it."""
        return {
            "CLOUDTRADER_STATE": str(self.state),
            "CLOUDTRADER_DATABASE_URL": self.database_url,
            "CLOUDTRADER_SUPABASE_URL": self._url("supabase"),
            "CLOUDTRADER_SUPABASE_SECRET_KEY": self._keys.secret,
            "CLOUDTRADER_SUPABASE_PUBLISHABLE_KEY": self._keys.publishable,
            "TEMPORAL_ADDRESS": f"127.0.0.1:{self.ports['temporal']}",
            "CLOUDTRADER_TEMPORAL_UI_URL": self._url("temporal-ui"),
            "CLOUDTRADER_FEEDER_TOKEN": self._feeder_token,
            "CLOUDTRADER_FEEDER_URL": f"ws://127.0.0.1:{self.ports['feeder']}",
            "CLOUDTRADER_MARKET": str(self.market.market),
            "CLOUDTRADER_EXCHANGE_URL": "" if self.market.market is Market.BINANCE else self._url("exchange"),
        }

    @property
    def database_url(self) -> str:
        """The database, as its superuser."""
        return postgres.url(self.state / "postgres", self.ports["postgres"])

    @property
    def _feeder_token(self) -> str:
        return secret_in(self.state / "feeder-token")

    @property
    def _keys(self) -> supabase_lite.Keys:
        return supabase_lite.keys(self.state / "supabase")

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def _postgres(self) -> ProcessSpec:
        data, port = self.state / "postgres", self.ports["postgres"]
        return ProcessSpec(
            name="postgres",
            argv=_module("local.postgres", "--data", data, "--port", port),
            health=PostgresHealth(database_url=self.database_url),
            grace=timedelta(seconds=25),
        )

    def _migrations(self) -> ProcessSpec:
        return ProcessSpec(
            name="migrations",
            argv=_module("local.supervisor.database_setup", "--state", self.state / "supabase"),
            depends_on=("postgres",),
        )

    def _supabase(self) -> ProcessSpec:
        port = self.ports["supabase"]
        return ProcessSpec(
            name="supabase",
            argv=_module("local.supabase_lite", "--state", self.state / "supabase", "--port", port),
            health=HttpHealth(url=f"{self._url('supabase')}/auth/v1/health", headers={"apikey": self._keys.publishable}),
            depends_on=("postgres", "migrations"),
            url=self._url("supabase"),
        )

    def _temporal(self) -> ProcessSpec:
        return ProcessSpec(
            name="temporal",
            argv=temporal_server.server_argv(
                self.state / "temporal.db",
                port=self.ports["temporal"],
                ui_port=self.ports["temporal-ui"],
                http_port=self.ports["temporal-http"],
                metrics_port=self.ports["temporal-metrics"],
            ),
            health=HttpHealth(url=temporal_server.health_url(self.ports["temporal-http"])),
            url=self._url("temporal-ui"),
        )

    def _retention(self) -> ProcessSpec:
        return ProcessSpec(name="temporal-retention", argv=temporal_server.retention_argv(self.ports["temporal"]), depends_on=("temporal",))

    def _exchange(self) -> ProcessSpec:
        replay = self.market.replay_file
        clock = ("--clock", self.state / "market-clock.json")  # traders never look back: neither may a market that is started again
        generated = ("--generate", "--symbols", self.market.symbols + RESERVED_SYMBOLS, "--reserve", RESERVED_SYMBOLS)
        candles = ("--replay", replay) if replay else generated
        return ProcessSpec(
            name="exchange",
            argv=_module("local.exchange", "--port", self.ports["exchange"], *clock, *candles, *self.market.playback),
            health=HttpHealth(url=f"{self._url('exchange')}/api/v3/ping"),
        )

    def _feeder(self, exchange: tuple[str, ...]) -> ProcessSpec:
        rest, stream = REST_URL, STREAM_URL
        if exchange:
            rest, stream = self._url("exchange"), f"ws://127.0.0.1:{self.ports['exchange']}"
        return ProcessSpec(
            name="feeder",
            argv=_module("feeder", "--port", self.ports["feeder"], "--rest-url", rest, "--stream-url", stream),
            environment={
                "FEEDER_TOKEN": self._feeder_token,
                "FEEDER_MARKET": str(self.market.market),
                "FEEDER_SNAPSHOT": str(self.state / "market-snapshot"),
                "CLOUDTRADER_METRICS_PORT": str(self.ports["feeder-metrics"]),
            },
            health=HttpHealth(url=f"{self._url('feeder')}/healthz"),
            depends_on=exchange,
            starts_within=timedelta(minutes=5),  # it fetches the history of every symbol first
            unhealthy_for=timedelta(minutes=30),  # an exchange that is away is no reason to throw its candles away
            url=f"{self._url('feeder')}/status",
        )

    def _worker(self, number: int) -> ProcessSpec:
        name = _worker_name(number)
        port = self.ports[name]
        return ProcessSpec(
            name=name,
            argv=_module("workers"),
            environment={"CLOUDTRADER_METRICS_PORT": str(port)},
            health=HttpHealth(url=f"http://127.0.0.1:{port}/metrics"),
            depends_on=("supabase", "temporal", "feeder"),
            grace=WORKER_GRACE,
        )

    def _demo(self) -> ProcessSpec:
        return ProcessSpec(
            name="demo",
            argv=_module("cli", "demo", "seed"),
            depends_on=("supabase", "temporal", "feeder", *(_worker_name(number) for number in range(self.workers))),
            done_file=self.state / "demo-seeded",
        )


def _worker_name(number: int) -> str:
    return f"worker-{number + 1}"


def _module(name: str, *arguments: object) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *(str(argument) for argument in arguments))
