"""Settings: the environment, then the file that `make up` writes for the other commands. Only entry points construct them."""

import os
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.market import Market

STATE_DIRECTORY = Path(os.environ.get("CLOUDTRADER_STATE", ".state"))
"""Where `make up` keeps what must survive a restart."""


class Settings(BaseSettings):
    """Where everything is. Names in the environment begin with CLOUDTRADER_; Temporal's own variables keep their TEMPORAL_ names."""

    model_config = SettingsConfigDict(env_prefix="CLOUDTRADER_", env_file=STATE_DIRECTORY / "env", extra="ignore")

    supabase_url: str = Field(default="http://127.0.0.1:54321", description="Supabase's API.")
    supabase_secret_key: SecretStr = Field(default=SecretStr(""), description="Service key; only workers and operators hold it.")
    supabase_publishable_key: str = Field(default="", description="Key that browsers and users' requests carry.")
    database_url: SecretStr = Field(default=SecretStr(""), description="PostgreSQL, used by `cloudtrader migrate` only.")
    feeder_url: str = Field(default="ws://127.0.0.1:9800", description="Where workers get candles; commas between several feeders.")
    feeder_token: SecretStr = Field(default=SecretStr(""), description="Shared secret between feeder and workers.")
    feeder_ca: str = Field(default="", description="PEM file of certificates to believe for wss:// feeders; without it the system's.")
    temporal_ui_url: str = Field(default="http://127.0.0.1:8233", description="Temporal's Web UI, for links.")
    market: Market = Field(default=Market.SIMULATED, description="Where the feeder's candles come from.")
    exchange_url: str = Field(default="", description="The simulated exchange, to control it; empty where there is none.")
    metrics_host: str = Field(default="127.0.0.1", description="Address /metrics is served at; 0.0.0.0 inside a container.")
    metrics_port: int = Field(default=0, description="Serve /metrics here; 0 serves none.")
    temporal_metrics_port: int = Field(default=0, description="Serve the Temporal SDK's own metrics here; 0 serves none.")
    max_windows: int = Field(default=3_000, description="Screening windows one worker process holds at once.")
    filter_processes: int = Field(default=0, description="JavaScript filters run at once; 0: as many as processors, at least two.")
    allow_weak_jail: bool = Field(default=False, description="Run JavaScript filters also where this machine cannot jail them well.")
    max_cached_traders: int = Field(default=4_000, description="Workflows one worker process keeps in memory; above its traders.")
    log_level: str = Field(default="INFO", description="Least level of log lines.")


def environment() -> dict[str, str]:
    """The environment with the file's values where it says nothing; for Temporal's client configuration."""
    file = STATE_DIRECTORY / "env"
    lines = file.read_text().splitlines() if file.is_file() else []
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#")) | dict(os.environ)
