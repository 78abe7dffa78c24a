"""A filter that fails: its owner sees how, where and for how many symbols, until it is mended. On the real system, in JavaScript."""

from pathlib import Path

from tests.integration.cli.conftest import Command, until
from tests.integration.cli.test_life_of_a_trader import create, status_of

TICKING = ("--trigger", "tick", "--cadence", "1", "--deploy", "--symbols", "BTCUSDT,ETHUSDT")
FAILS_FOR_BITCOIN = """const price = ticker.c
if (ticker.s === 'BTCUSDT') return price.trend.up
return false
"""


def written(folder: Path, code: str, name: str = "browser.js") -> Path:
    file = folder / name
    file.write_text(code)
    return file


def failures(command: Command) -> list[dict]:
    return command.answer("trader", "errors", "Mine")["failures"]


def conditions(command: Command) -> list[str]:
    return [condition["code"] for condition in command.answer("trader", "list")[0]["conditions"]]


def test_a_filter_that_fails_for_some_symbols_is_shown_where_it_fails_until_it_is_mended(elite: Command, tmp_path: Path) -> None:
    create(elite, written(tmp_path, FAILS_FOR_BITCOIN), *TICKING)
    until(lambda: failures(elite), "a failure is told")

    (told,) = failures(elite)
    assert "if (ticker.s === 'BTCUSDT') return price.trend.up" == told["code_line"]
    assert ("runtime", 2, "BTCUSDT", 1, 1) == tuple(told["failure"][name] for name in ("kind", "line", "symbol", "symbols", "version"))
    assert ["filter_failing_in_part"] == conditions(elite)
    assert "running" == status_of(elite)
    assert "return price.trend.up" in elite("trader", "errors", "Mine").stdout
    assert "it fails for 1 of 2 symbols" in elite("trader", "status", "Mine").stdout

    elite.answer("trader", "update", "Mine", "--filter", written(tmp_path, "return false"))
    until(lambda: not conditions(elite), "the condition ends")
    assert [1] == [each["failure"]["version"] for each in failures(elite)]


def test_a_filter_that_fails_for_every_symbol_stops_its_trader_with_the_reason(elite: Command, tmp_path: Path) -> None:
    create(elite, written(tmp_path, "return helpers.calculateATR(klines, 14) > 1"), *TICKING)
    until(lambda: elite.answer("trader", "list")[0]["status"] == "error", "the trader is in error")

    (listed,) = elite.answer("trader", "list")
    assert listed["status_reason"].startswith("the filter keeps failing: runtime: line 1: ")
    assert "calculateATR" in listed["status_reason"]
    assert (["filter_failing"], 3) == (conditions(elite), failures(elite)[0]["failure"]["count"])
    health = elite.answer("trader", "status", "Mine")["health"]
    assert ("unhealthy", True) == (health["state"], health["text"].startswith("in error: the filter keeps failing"))

    elite.answer("trader", "stop", "Mine")
    until(lambda: not conditions(elite), "nothing holds back a trader that is stopped")


def test_a_filter_of_the_browser_finds_what_it_would_there_with_other_intervals(elite: Command, tmp_path: Path) -> None:
    code = "const hour = timeframes['1h']\nreturn hour.length === 250 && { match: 'yes', conditions: ['an hour'] }"
    create(elite, written(tmp_path, code), *TICKING, "--also", "1h", "--truthy", "--signal-initial")
    until(lambda: len(elite.answer("signals", "list")) == 2, "two signals")

    assert [["an hour"], ["an hour"]] == [each["signal"]["match"]["conditions"] for each in elite.answer("signals", "list")]
    stored = elite.answer("trader", "list")[0]["settings"]["filter"]
    assert ("javascript", ["1h"], True) == (stored["language"], stored["required_intervals"], stored["truthy"])


def test_a_broken_filter_of_the_browser_is_refused_with_its_line(elite: Command, tmp_path: Path) -> None:
    broken = written(tmp_path, "const a = 1\nreturn a >\n")
    result = elite("trader", "create", "--name", "Mine", "--filter", broken, "--interval", "5m")

    assert 1 == result.exit_code
    assert "browser.js:" in result.stderr
    assert [] == elite.answer("trader", "list")


def test_a_filter_in_go_is_kept_and_not_run(elite: Command, always: Path, tmp_path: Path) -> None:
    create(elite, written(tmp_path, "package main", "runner.go"))
    error = elite.refusal("trader", "deploy", "Mine")

    assert "A filter in Go is kept and never run. Write it anew" in error["message"]
    assert [("go", False)] == [(one["settings"]["filter"]["language"], one["enabled_in_cloud"]) for one in elite.answer("trader", "list")]
    elite.answer("trader", "update", "Mine", "--filter", always)
    assert 2 == elite.answer("trader", "deploy", "Mine")["version"]
    assert "A filter in Go" in elite.refusal("trader", "update", "Mine", "--filter", tmp_path / "runner.go")["message"]
    assert 2 == elite.answer("trader", "list")[0]["version"]
