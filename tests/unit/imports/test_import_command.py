"""`cloudtrader import` as a user types it."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from cli.exits import ExitCode
from domain.market import Interval
from tests.unit.preview.past_market import random_past

TRADERS = [
    {
        "name": "Oversold",
        "filter": json.dumps({"code": "return helpers.getLatestRSI(klines, 14) < 35;", "interval": "5m"}),
        "strategy": {"a": 1},
    },
    {"name": "Go [bold]", "filter": {"code": "func f() bool { x := 1; return true }", "interval": "1h"}},
    {"name": "Half", "filter": {"code": "return true;", "interval": "30m"}},
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "traders.json"
    path.write_text(json.dumps(TRADERS))
    return path


def run(*arguments: str):
    return CliRunner().invoke(app, ["import", *arguments], env={"COLUMNS": "200"})


def test_a_dry_run_tells_what_becomes_of_each(file: Path) -> None:
    told = run(str(file))
    assert 0 == told.exit_code
    for words in ("Oversold  runs as is", "Go [bold]  needs conversion", "take 15m or 1h", "3 traders: 1 run as is, 2 needs conversion"):
        assert words in told.stdout
    assert "Nothing was changed" in told.stdout


def test_the_document_holds_everything(file: Path) -> None:
    document = json.loads(run(str(file), "--json").stdout)["traders"]
    assert ["as is", "needs conversion", "needs conversion"] == [each["import"]["runs"] for each in document]
    assert {"a": 1} == document[0]["import"]["trader"]["strategy"]
    assert [True, False, None] == [each["import"]["filter"] and each["import"]["filter"]["truthy"] for each in document]
    assert [None, None, None] == [each["stored"] for each in document]


def test_a_file_that_is_no_export_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.json").write_text("hello")
    told = run(str(tmp_path / "no.json"))
    assert 1 == told.exit_code
    assert "This is not JSON" in told.stderr


@pytest.fixture
def candles(tmp_path: Path) -> Path:
    """Random walks of three symbols, five minutes wide."""
    past = random_past(Interval.M5, rows=3, candles=900).of(Interval.M5)
    columns = {name: past.columns[name].ravel() for name in ("open", "high", "low", "close", "volume")}
    times = np.tile(past.first_index + np.arange(900), 3) * Interval.M5.milliseconds
    path = tmp_path / "candles.csv"
    pl.DataFrame({"symbol": np.repeat(["AUSDT", "BUSDT", "CUSDT"], 900), "open_time": times, **columns}).write_csv(path)
    return path


def test_parity_and_a_translation_are_shown_with_what_they_were_compared_on(file: Path, candles: Path) -> None:
    told = run(str(file), "--parity", "--translate", "--candles", str(candles))
    if told.exit_code == ExitCode.DOWN:
        pytest.skip(f"browser filters cannot be jailed here: {told.stderr}")
    lines = told.stdout.splitlines()
    assert [] == [line for line in lines if "not compared" in line or "no expression" in line]
    assert 1 == sum("here and in the browser: the same over " in line for line in lines)
    assert 1 == sum("as an expression, exactly the same" in line for line in lines)
    assert "    match = rsi(close, 14) < 35" in lines
