"""Bad input and outages: each gives a clear error that says what to do, and nothing is lost or half done."""

from datetime import timedelta
from pathlib import Path

import pytest

from api import deployments
from cli.exits import ExitCode
from domain.tiers import Tier
from tests.integration.cli.conftest import Command, System, until
from tests.integration.cli.test_life_of_a_trader import create, status_of

DEAD = "127.0.0.1:1"


def test_a_broken_filter_is_refused_with_its_line_and_nothing_is_stored(elite: Command, tmp_path: Path) -> None:
    broken = tmp_path / "broken.filter"
    broken.write_text("match = rsi(clse, 14) < 30\n")
    result = elite("trader", "create", "--name", "Mine", "--filter", broken, "--interval", "5m", "--deploy")
    assert ExitCode.REFUSED == result.exit_code
    assert "broken.filter:1:13:" in result.stderr
    assert [] == elite.answer("trader", "list")


def test_a_broken_filter_does_not_replace_a_good_one(elite: Command, always: Path, tmp_path: Path) -> None:
    create(elite, always)
    broken = tmp_path / "broken.filter"
    broken.write_text("match = 1 +\n")
    assert "FilterFileError" == elite.refusal("trader", "update", "Mine", "--filter", broken)["error"]
    assert [1] == [version["version"] for version in elite.answer("trader", "versions", "Mine")]


def test_an_unknown_symbol_is_refused_and_the_trader_takes_no_place(elite: Command, always: Path) -> None:
    error = elite.refusal("trader", "create", "--name", "Mine", "--filter", always, "--interval", "1m", "--symbols", "BTCUSD", "--deploy")
    assert (1, "RefusedError") == (error["exit_code"], error["error"])
    assert "BTCUSDT" in error["message"]
    assert [False] == [trader["enabled_in_cloud"] for trader in elite.answer("trader", "list")]


def test_settings_that_a_running_trader_refuses_are_stored_and_it_keeps_its_own(elite: Command, always: Path) -> None:
    create(elite, always, "--deploy")
    error = elite.refusal("trader", "update", "Mine", "--symbols", "NOSUCH")
    assert "Version 2 is stored; the running trader keeps the version it has." in error["message"]
    assert 1 == elite.answer("trader", "status", "Mine")["report"]["version"]


@pytest.mark.parametrize("verb", ["deploy", "pause", "resume", "stop", "run-now", "status", "versions"])
def test_somebody_elses_trader_is_as_good_as_none(elite: Command, pro: Command, always: Path, verb: str) -> None:
    theirs = create(elite, always)["trader"]["id"]
    error = pro.refusal("trader", verb, theirs)
    assert (1, "NotFoundError") == (error["exit_code"], error["error"])


def test_somebody_elses_trader_cannot_be_changed_or_tailed(elite: Command, pro: Command, always: Path) -> None:
    theirs = create(elite, always)["trader"]["id"]
    assert "NotFoundError" == pro.refusal("trader", "update", theirs, "--cadence", "60")["error"]
    assert "NotFoundError" == pro.refusal("signals", "tail", "--no-follow", "--trader", theirs)["error"]


def test_a_free_user_may_create_and_is_told_to_upgrade_to_deploy(free: Command, always: Path) -> None:
    create(free, always)
    error = free.refusal("trader", "deploy", "Mine")
    assert (1, "LimitReachedError") == (error["exit_code"], error["error"])
    assert "pgrade" in error["message"]


def test_the_eleventh_trader_of_a_pro_user_is_refused_until_one_is_stopped(pro: Command, always: Path) -> None:
    for number in range(1, 12):
        create(pro, always, name=f"Trader {number}")
    for number in range(1, 11):
        pro.answer("trader", "deploy", f"Trader {number}")
    error = pro.refusal("trader", "deploy", "Trader 11")
    assert (1, "LimitReachedError") == (error["exit_code"], error["error"])
    assert "10" in error["message"]
    pro.answer("trader", "stop", "Trader 3")
    until(lambda: pro.answer("trader", "list")[2]["status"] == "stopped", "the third is stopped")
    assert 1 == pro.answer("trader", "deploy", "Trader 11")["version"]


def test_a_pro_trader_may_not_be_faster_than_its_tier(pro: Command, always: Path) -> None:
    error = pro.refusal("trader", "create", "--name", "Mine", "--filter", always, "--interval", "1m", "--cadence", "5", "--deploy")
    assert "LimitReachedError" == error["error"]


def test_a_filter_too_large_for_the_tier_is_refused_before_anything_is_stored(pro: Command, always: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.filter"
    large.write_text("match = " + " + ".join(f"sma(close, {candles})" for candles in range(2, 27)) + " > 0")
    refused = "the filter uses 25 different indicators and your tier allows 24"
    told = pro.refusal("trader", "create", "--name", "Mine", "--filter", large, "--interval", "5m", "--deploy")
    assert ("FilterFileError", [refused]) == (told["error"], [problem["message"] for problem in told["problems"]])
    assert [] == pro.answer("trader", "list")

    create(pro, large)
    assert refused in pro.refusal("trader", "deploy", "Mine")["message"]
    create(pro, always, "--deploy", name="Other")
    assert refused in pro.refusal("trader", "update", "Other", "--filter", large)["message"]
    assert [("Mine", 1), ("Other", 1)] == [(trader["name"], trader["version"]) for trader in pro.answer("trader", "list")]


def test_a_user_that_does_not_exist_is_named(elite: Command) -> None:
    error = elite.refusal("trader", "list", "--user", "nobody@cloudtrader.test")
    assert (1, "There is no user nobody@cloudtrader.test.") == (error["exit_code"], error["message"])


def test_with_the_database_down_commands_end_with_3(elite: Command) -> None:
    error = elite.but(CLOUDTRADER_SUPABASE_URL=f"http://{DEAD}").refusal("trader", "list")
    assert (3, "UnavailableError") == (error["exit_code"], error["error"])


def test_with_temporal_down_the_database_still_answers_and_messages_end_with_3(elite: Command, always: Path) -> None:
    create(elite, always, "--deploy")
    cut_off = elite.but(TEMPORAL_ADDRESS=DEAD)
    assert ["Mine"] == [trader["name"] for trader in cut_off.answer("trader", "list")]
    standing = cut_off.answer("trader", "status", "Mine")
    assert (None, "Mine") == (standing["report"], standing["trader"]["name"])
    assert DEAD in standing["why_no_report"]
    for verb in ("deploy", "pause", "run-now"):
        assert 3 == cut_off.refusal("trader", verb, "Mine")["exit_code"]
    assert "running" == status_of(elite)


def test_a_request_that_no_worker_takes_is_kept_and_done_when_one_comes(
    without_worker: System, namespace: str, users: dict[Tier, str], state: Path, always: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployments, "ANSWER_WITHIN", timedelta(seconds=2))
    monkeypatch.setattr(deployments, "STATUS_WITHIN", timedelta(seconds=1))
    lonely = without_worker.in_namespace(namespace)
    user = Command(lonely.environment, users[Tier.ELITE])
    until(lambda: user("search-attributes", "register").exit_code == 0, "the namespace is ready")
    create(user, always)
    error = user.refusal("trader", "deploy", "Mine")
    assert 3 == error["exit_code"]
    assert "is kept and will be done when workers return" in error["message"]
    with lonely.worker():
        until(lambda: user.answer("trader", "list")[0]["status"] == "running", "the trader runs without being asked again")
    standing = user.answer("trader", "status", "Mine")
    assert (None, "no worker answers", "running") == (standing["report"], standing["why_no_report"], standing["trader"]["status"])
