"""The command as a user types it, in a place where no system was ever started."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli import checks, demo_users
from cli.__main__ import app

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `cloudtrader` with these arguments, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for module in (demo_users, checks):
        monkeypatch.setattr(module, "STATE_DIRECTORY", tmp_path / ".state")
    for name in ("SUPABASE_SECRET_KEY", "DATABASE_URL", "USER", "FEEDER_TOKEN", "SUPABASE_PUBLISHABLE_KEY"):
        monkeypatch.delenv(f"CLOUDTRADER_{name}", raising=False)
    monkeypatch.setenv("CLOUDTRADER_FEEDER_URL", "ws://127.0.0.1:1")
    monkeypatch.setenv("CLOUDTRADER_SUPABASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    return lambda *arguments: CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


@pytest.fixture
def good_filter(tmp_path: Path) -> Path:
    file = tmp_path / "good.filter"
    file.write_text("match = rsi(close, 14) < 30\n")
    return file
