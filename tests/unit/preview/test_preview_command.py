"""`cloudtrader preview` over a file of candles."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from cli.__main__ import app
from tests.unit.preview.past_market import H1, M5, random_past

Run = Callable[..., Result]
RULE = """condition("<b>up & away</b>", close > open)
plot("fast", ema(close, 9))
plot("RSI", rsi(close, 14))
match = crosses_above(rsi(close, 14), 50) and volume > sma(volume, 20)
"""
PICTURE = b"\x89PNG\r\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `cloudtrader preview` in an empty folder with a filter, candles of 5m, and no exchange."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOUDTRADER_MARKET", "simulated")
    monkeypatch.setenv("CLOUDTRADER_EXCHANGE_URL", "")
    (tmp_path / "rule.filter").write_text(RULE)
    write_candles(tmp_path / "candles.parquet")
    return lambda *arguments: CliRunner().invoke(app, ["preview", *arguments], env={"COLUMNS": "200"})


def write_candles(path: Path) -> None:
    candles = random_past(M5, rows=3, candles=1_000)
    past = candles.of(M5)
    times = (np.arange(past.first_index, past.end_index) * M5.milliseconds).tolist()
    parts = [
        pl.DataFrame({"symbol": [symbol] * 1_000, "open_time": times} | {name: past.columns[name][row] for name in past.columns})
        for row, symbol in enumerate(candles.symbols)
    ]
    pl.concat(parts).write_parquet(path)


def document_of(run: Run, *arguments: str) -> dict[str, object]:
    found = run("rule.filter", "--candles", "candles.parquet", "--json", *arguments)
    assert 0 == found.exit_code, found.output
    return json.loads(found.stdout)


def test_summary_and_document_tell_the_same(run: Run) -> None:
    text = run("rule.filter", "--candles", "candles.parquet", "--stop", "2%", "--target", "1.5atr", "--hold", "30").stdout
    document = document_of(run, "--stop", "2%", "--target", "1.5atr", "--hold", "30")
    exits = document["exits"]

    assert f"{document['signals_count']} signals, at most {document['most_at_once']} at one candle" in text
    assert f"{exits['trades_count']} simulated trades (stop 2 %, target 1.5 times the ATR(14), after 30 candles)" in text
    assert document["look_ahead"]["passed"]
    assert "ok" in text
    assert all(str(day) in text for day in document["signals_per_day"])
    assert all(line in " ".join(text.split()) for line in document["assumptions"])
    assert document["signals_count"] == sum(document["signals_per_day"].values())
    assert "<b>up & away</b>" in text


def test_every_signal_is_in_the_csv(run: Run, tmp_path: Path) -> None:
    document = document_of(run, "--csv", "signals.csv")
    with (tmp_path / "signals.csv").open() as file:
        rows = list(csv.DictReader(file))

    assert document["signals_count"] + document["initial_count"] == len(rows) == len(document["signals"])
    assert ["candle_open_time", "symbol", "price", "initial", "conditions", "fast", "RSI"] == list(rows[0])
    first = document["signals"][0]
    assert (first["symbol"], first["price"], first["values"]["RSI"]) == (rows[0]["symbol"], float(rows[0]["price"]), float(rows[0]["RSI"]))


def test_picture_and_page(run: Run, tmp_path: Path) -> None:
    document_of(run, "--chart", "chart.png", "--hold", "10")
    (tmp_path / "rule.filter").write_text(RULE + "# <script>alert(1)</script>\n")
    document_of(run, "--chart", "chart.html", "--chart-symbol", "S1USDT")
    page = (tmp_path / "chart.html").read_text()

    assert (tmp_path / "chart.png").read_bytes().startswith(PICTURE)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;b&gt;up &amp; away&lt;/b&gt;" in page
    assert "<script" not in page
    assert [] == re.findall(r"https?://", page), "nothing is loaded from elsewhere"


def test_labels_that_look_like_formulas_are_drawn(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rule.filter").write_text('plot("$x_{1}$ \\\\frac", close)\nplot("_hidden", volume)\nmatch = close > open\n')
    document_of(run, "--chart", "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(PICTURE)


def test_a_filter_that_never_matches(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rule.filter").write_text("match = close > 1000000\n")
    document = document_of(run, "--chart", "chart.html", "--csv", "none.csv", "--stop", "1%")
    assert (0, 0) == (document["signals_count"], document["exits"]["trades_count"])
    assert 0 == run("rule.filter", "--candles", "candles.parquet", "--stop", "1%").exit_code


def test_range_and_symbols(run: Run) -> None:
    whole = document_of(run)
    last = whole["last"]
    part = document_of(run, "--symbols", "s2usdt,S0USDT", "--from", "2025-12-21T20:00", "--to", "2025-12-21T22:00:00+01:00")

    assert ["S2USDT", "S0USDT"] == part["symbols"]
    assert (12, "2025-12-21T20:00:00Z", "2025-12-21T20:55:00Z") == (part["candles"], part["first"], part["last"])
    assert 288 == document_of(run, "--days", "1")["candles"]
    assert last == document_of(run, "--days", "0.5", "--top", "2")["last"]
    assert 2 == len(document_of(run, "--top", "2")["symbols"])


def test_hours_are_made_of_the_file_and_may_begin_as_if_listed_then(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rule.filter").write_text('match = close > candles("1h").ema(10)\n')
    refused = run("rule.filter", "--candles", "candles.parquet")
    assert 1 == refused.exit_code
    assert "what is known of 1h begins too late" in refused.stderr

    document = document_of(run, "--short-history")
    assert any("made of those of 5m" in line for line in document["assumptions"])
    assert document["outcomes"]["matched"] > 0
    assert document["outcomes"]["not_ready"] > 0
    assert {M5.value, H1.value} == {each["interval"] for each in document["coverage"]}


def test_browser_filter_runs_in_the_sandbox(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rule.js").write_text("return {match: parseFloat(ticker.c) > parseFloat(klines[249][1]), conditions: ['<i>rises</i>']};\n")
    found = run("rule.js", "--candles", "candles.parquet", "--days", "0.2", "--json")
    if found.exit_code == 3:
        pytest.skip(f"browser filters cannot be jailed on this machine: {found.stderr}")
    document = json.loads(found.stdout)

    assert document["signals_count"] > 10
    assert ["<i>rises</i>"] == document["signals"][0]["conditions"]
    assert document["look_ahead"]["passed"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--candles", "candles.parquet", "--interval", "1m"], 1, "Candles of 1m cannot be made of candles of 5m"),
        (["--candles", "candles.parquet", "--symbols", "NOSUCH"], 1, "There are no candles of NOSUCH"),
        (["--candles", "candles.parquet", "--from", "yesterday"], 1, "yesterday is no time"),
        (["--candles", "candles.parquet", "--from", "2031-01-01"], 1, "There are no candles of this range"),
        (["--candles", "candles.parquet", "--to", "2001-01-01"], 1, "There are no candles of this range"),
        (["--candles", "candles.parquet", "--stop", "far"], 1, "is no distance"),
        (["--candles", "candles.parquet", "--stop", "-1%"], 1, "above zero"),
        (["--candles", "candles.parquet", "--hold", "5", "--fee", "60"], 1, "percentages"),
        (["--candles", "candles.parquet", "--chart", "a.gif"], 2, ".png or a .html"),
        (["--candles", "candles.parquet", "--chart", "nowhere/a.png"], 2, "no folder"),
        (["--candles", "candles.parquet", "--chart", "a.png", "--chart-symbol", "NOSUCH"], 1, "not among the symbols"),
        (["--candles", "rule.filter"], 1, "neither .parquet nor .csv"),
        (["--candles", "absent.csv"], 2, "does not exist"),
        ([], 3, "No exchange is known"),
    ],
)
def test_wrong_use_is_told(run: Run, arguments: list[str], code: int, words: str) -> None:
    found = run("rule.filter", *arguments)
    assert (code, True) == (found.exit_code, words in " ".join(re.sub(r"[│╭╮╰╯─]", " ", found.stderr).split())), found.output
    assert "Traceback" not in found.output


def test_broken_filter_is_shown_in_its_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rule.filter").write_text("match = rsi(clos, 14) < 30\n")
    found = run("rule.filter", "--candles", "candles.parquet")
    assert 1 == found.exit_code
    assert "rule.filter:1:13" in found.stderr
