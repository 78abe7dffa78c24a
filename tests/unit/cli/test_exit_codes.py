"""Every way a command can end has its exit code and one clear line; none ends in a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.exits import ExitCode
from cli.options import to_symbols
from tests.unit.cli.conftest import Run


def test_a_good_filter_is_said_to_be_good(run: Run, good_filter: Path) -> None:
    result = run("filter", "check", str(good_filter))
    assert (ExitCode.OK, f"{good_filter} is a good filter.") == (result.exit_code, result.stdout.splitlines()[0])


def test_a_broken_filter_shows_each_line_with_a_caret_under_the_place(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "broken.filter"
    file.write_text("slow = ema(close, 21)\nmatch = rsi(clse, 14) < 30 and slow > 0\n")
    result = run("filter", "check", str(file))
    assert ExitCode.REFUSED == result.exit_code
    head, line, caret = result.stderr.splitlines()
    assert head.startswith(f"{file}:2:13: ")
    assert "close" in head
    assert "clse" == line[caret.index("^") :][:4]


def test_a_caret_stands_right_after_tabs_too(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "tabs.filter"
    file.write_text("match = (\tclse > 1)\n")
    _, line, caret = run("filter", "check", str(file)).stderr.splitlines()
    assert "clse" == line[caret.index("^") :][:4]


def test_a_filter_with_markup_in_it_is_shown_as_it_is(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "brackets.filter"
    file.write_text("match = clse[1] > 0  # [bold]\n")
    assert "match = clse[1] > 0  # [bold]" in run("filter", "check", str(file)).stderr


def test_a_broken_filter_as_json_lists_the_problems(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "broken.filter"
    file.write_text("match = rsi(clse, 14) < 30\n")
    result = run("filter", "check", str(file), "--json")
    document = json.loads(result.stderr)
    assert (1, "", "FilterFileError") == (document["exit_code"], result.stdout, document["error"])
    assert [(1, 13, "close")] == [(problem["line"], problem["column"], problem["suggestion"]) for problem in document["problems"]]


def test_a_filter_that_is_no_text_is_refused(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "binary.filter"
    file.write_bytes(b"\xff\xfe\x00")
    result = run("filter", "check", str(file))
    assert (ExitCode.REFUSED, f"error: {file} is not UTF-8 text: save the filter as plain text.\n") == (result.exit_code, result.stderr)


@pytest.mark.parametrize(
    "arguments",
    [
        ("trader", "create", "--name", "x", "--interval", "3m", "--filter", "good.filter"),
        ("trader", "create", "--name", "x", "--interval", "5m", "--filter", "absent.filter"),
        ("trader", "create", "--name", "x", "--interval", "5m", "--filter", "good.filter", "--cadence", "-1"),
        ("trader", "create", "--name", "x", "--interval", "5m", "--filter", "good.filter", "--trigger", "sometimes"),
        ("trader", "update", "x"),
        ("trader", "dance"),
        ("signals", "list", "--limit", "0"),
        ("nonsense",),
    ],
)
def test_wrong_use_ends_with_2_and_changes_nothing(run: Run, good_filter: Path, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (ExitCode.USAGE, "") == (result.exit_code, result.stdout)
    assert result.stderr


def test_an_unknown_interval_names_the_known_ones(run: Run, good_filter: Path) -> None:
    result = run("filter", "check", str(good_filter), "--interval", "3m")
    assert all(interval in result.stderr for interval in ("3m", "1m", "5m", "15m", "1h", "4h", "1d"))


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("trader", "list"), "make up"),
        (("signals", "tail"), "make up"),
        (("demo", "seed"), "make up"),
        (("migrate",), "CLOUDTRADER_DATABASE_URL"),
        (("market", "status"), "CLOUDTRADER_FEEDER_URL"),
        (("search-attributes", "register"), "TEMPORAL_ADDRESS"),
    ],
)
def test_what_is_down_ends_with_3_and_says_what_to_do(run: Run, arguments: tuple[str, ...], names: str) -> None:
    result = run(*arguments)
    assert (ExitCode.DOWN, "") == (result.exit_code, result.stdout)
    assert names in result.stderr


def test_what_is_down_is_a_document_where_documents_are_wanted(run: Run) -> None:
    document = json.loads(run("trader", "list", "--json").stderr)
    assert ("UnavailableError", 3) == (document["error"], document["exit_code"])


def test_settings_that_make_no_sense_are_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDTRADER_MARKET", "mars")
    result = run("market", "status")
    assert ExitCode.USAGE == result.exit_code
    assert "CLOUDTRADER_MARKET" in result.stderr


def test_a_named_database_that_is_down_ends_with_3(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDTRADER_SUPABASE_SECRET_KEY", "sb_secret_x")
    result = run("trader", "list", "--user", "somebody@cloudtrader.test")
    assert ExitCode.DOWN == result.exit_code
    assert "Supabase does not answer" in result.stderr


def test_a_command_without_a_user_says_how_to_name_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDTRADER_SUPABASE_SECRET_KEY", "sb_secret_x")
    result = run("trader", "list")
    assert ExitCode.USAGE == result.exit_code
    assert "CLOUDTRADER_USER" in result.stderr


def test_doctor_says_of_each_thing_what_to_do_and_ends_with_3(run: Run) -> None:
    result = run("doctor", "--json")
    findings = {finding["name"]: finding for finding in json.loads(result.stdout)}
    assert ExitCode.DOWN == result.exit_code
    down = {"settings", "PostgreSQL", "migrations", "Supabase", "Temporal", "search attributes", "feeder", "market data", "clock"}
    down |= {"workers for traders", "workers for the market"}
    assert down == {name for name, finding in findings.items() if not finding["ok"]}
    assert {"Python", "Node", "free disk", "filter processes"} == findings.keys() - down


def test_symbols_are_upper_case_and_each_once() -> None:
    assert ("BTCUSDT", "ETHUSDT") == to_symbols(" btcusdt,ETHUSDT,,BTCUSDT ")


def test_a_process_of_its_own_ends_with_the_same_code_and_prints_everything(run: Run, good_filter: Path) -> None:
    command = (sys.executable, "-m", "cli", "filter", "check", good_filter.name)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    good = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert (0, "good.filter is a good filter.", "") == (good.returncode, good.stdout.splitlines()[0], good.stderr)
    good_filter.write_text("match = 1\n")
    assert 1 == subprocess.run(command, capture_output=True, check=False, timeout=60, env=environment).returncode
