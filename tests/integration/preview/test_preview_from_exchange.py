"""`cloudtrader preview` with candles of a running exchange."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli import preview_candles
from cli.__main__ import app
from tests.integration.feeder.processes import ExchangeProcess

RULE = 'match = crosses_above(rsi(close, 14), 50) and close > candles("1h").ema(20)\n'


@pytest.fixture(scope="module")
async def exchange() -> AsyncIterator[str]:
    async with ExchangeProcess("--generate", "--symbols", "8", "--seed", "3") as process:
        yield process.url


@pytest.fixture
def command(exchange: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOUDTRADER_MARKET", "simulated")
    monkeypatch.setenv("CLOUDTRADER_EXCHANGE_URL", exchange)
    monkeypatch.setattr(preview_candles, "CACHE", tmp_path / "kept")
    (tmp_path / "rule.filter").write_text(RULE)
    return "rule.filter"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["preview", *arguments, "--json"])


def test_days_up_to_now_and_from_what_was_kept(command: str, tmp_path: Path) -> None:
    first = json.loads(run(command, "--interval", "15m", "--days", "10", "--top", "3", "--hold", "8").stdout)
    pages = {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").rglob("*.parquet")}
    again = json.loads(run(command, "--interval", "15m", "--days", "10", "--top", "3", "--hold", "8").stdout)

    assert (3, 960) == (len(first["symbols"]), first["candles"])
    assert first["outcomes"]["not_ready"] == 0
    assert first["look_ahead"]["passed"]
    assert {"15m", "1h"} == {each["interval"] for each in first["coverage"]}
    assert len(pages) >= 6
    assert pages == {path: path.stat().st_mtime_ns for path in pages}
    assert first["signals"][-1]["candle_open_time"] <= again["signals"][-1]["candle_open_time"]


def test_symbols_and_times_as_told(command: str) -> None:
    found = json.loads(
        run(command, "--interval", "1h", "--from", "2024-03-01", "--to", "2024-03-11", "--symbols", "ethusdt,BTCUSDT").stdout
    )

    assert ["ETHUSDT", "BTCUSDT"] == found["symbols"]
    assert (240, "2024-03-01T00:00:00Z", "2024-03-10T23:00:00Z") == (found["candles"], found["first"], found["last"])
    assert {0} == {each["signals"]["missing"] for each in found["forward_returns"]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--symbols", "NOSUCHUSDT"], "The exchange has no symbol NOSUCHUSDT"),
        (["--from", "2031-01-01"], "There is nothing between 2031-01-01"),
        (["--from", "2024-01-02", "--to", "2024-01-01"], "There is nothing between"),
        (["--interval", "1m", "--days", "90000"], "too many"),
    ],
)
def test_what_cannot_be_had_is_told(command: str, arguments: list[str], words: str) -> None:
    found = run(command, *arguments)
    assert 1 == found.exit_code
    assert words in json.loads(found.stderr)["message"]
