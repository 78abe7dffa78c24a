"""`cloudtrader filter ...` as a user types it."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run

LARGE = "match = " + " + ".join(f"rsi(close, {n})" for n in range(2, 27)) + " > 0\n"


def written(folder: Path, name: str, code: str) -> Path:
    file = folder / name
    file.write_text(code, encoding="utf-8")
    return file


def test_a_good_filter_is_told_what_it_needs_and_costs(run: Run, good_filter: Path) -> None:
    told = json.loads(run("filter", "check", str(good_filter), "--json").stdout)

    assert (True, 1, {"5m": 15}) == (told["good"], told["indicators"], told["required"])
    assert 0 < told["estimated"] < 0.1
    assert "Candles it needs: 15 of 5m. Indicators: 1. About" in run("filter", "check", str(good_filter)).stdout


def test_a_tier_refuses_what_is_too_large_for_it(run: Run, tmp_path: Path) -> None:
    file = str(written(tmp_path, "large.filter", LARGE))
    results = [run("filter", "check", file, "--tier", tier) for tier in ("pro", "elite")]

    assert [1, 0] == [result.exit_code for result in results]
    assert "your tier allows 24" in results[0].stderr


def test_the_files_ending_or_an_option_says_the_language(run: Run, tmp_path: Path) -> None:
    code = "if (klines.length > 3) { return true; }\n"
    results = [
        run("filter", "check", str(written(tmp_path, "a.js", code))),
        run("filter", "check", str(written(tmp_path, "a.txt", code)), "--language", "javascript"),
        run("filter", "check", str(written(tmp_path, "a.txt", code))),
    ]

    assert [0, 0, 1] == [result.exit_code for result in results]
    assert "this looks like JavaScript" in results[2].stderr


def test_a_filter_in_go_is_told_that_it_needs_conversion(run: Run, tmp_path: Path) -> None:
    result = run("filter", "check", str(written(tmp_path, "a.go", "package main\n")))

    assert 1 == result.exit_code
    assert "Write it anew in the expression language" in result.stderr


def test_format_writes_the_file_once(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path, "messy.filter", "match=close>open#up\n")
    before = run("filter", "format", str(file), "--check")
    first, second = (json.loads(run("filter", "format", str(file), "--json").stdout)["changed"] for _ in range(2))

    assert (1, True, False, 0) == (before.exit_code, first, second, run("filter", "format", str(file), "--check").exit_code)
    assert "match = close > open  # up\n" == file.read_text(encoding="utf-8")


def test_format_refuses_other_languages_and_other_syntax_and_leaves_the_file(run: Run, tmp_path: Path) -> None:
    files = [written(tmp_path, "a.js", "return  true"), written(tmp_path, "a.filter", "import  os")]

    assert [1, 1] == [run("filter", "format", str(file)).exit_code for file in files]
    assert ["return  true", "import  os"] == [file.read_text() for file in files]


def test_a_function_is_shown_with_parameters_and_example(run: Run) -> None:
    shown = run("filter", "functions", "BBANDS").stdout

    assert "bbands(close, timeperiod=20, nbdevup=2, nbdevdn=2, matype=0)" in shown
    assert "timeperiod: how many candles (whole number, from 2, to 100000, 20 unless given)" in shown
    assert "Results: .upper, .middle, .lower (series)" in shown
    assert "match = close < bbands(close, 20, 2).lower" in shown


@pytest.mark.parametrize(("words", "name"), [(["volume", "weighted"], "vwap"), (["crossover"], "crosses_above")])
def test_functions_are_found_by_words(run: Run, words: list[str], name: str) -> None:
    found = json.loads(run("filter", "functions", *words, "--json").stdout)

    assert name in [function["name"] for function in found]


def test_all_functions_and_the_whole_language(run: Run) -> None:
    document = json.loads(run("filter", "functions", "--json").stdout)

    assert {"statements", "operators", "series", "ticker", "intervals", "limits", "tiers", "functions"} == set(document)
    listed = {line.split(" ")[0] for line in run("filter", "functions").stdout.splitlines()}
    assert [] == [function["name"] for function in document["functions"] if function["name"] not in listed]


def test_nothing_found_is_said(run: Run) -> None:
    result = run("filter", "functions", "flux", "capacitor")

    assert 1 == result.exit_code
    assert "No function has to do with 'flux capacitor'" in result.stderr
