"""Setting a system up and finding out how it is."""

import json
from pathlib import Path

from tests.integration.cli.conftest import Command, System, until
from tests.integration.servers import PostgresServer


def test_doctor_finds_nothing_wrong_with_a_system_that_runs(system: System, state: Path) -> None:
    findings = Command(system.environment).answer("doctor")
    assert [] == [finding for finding in findings if not finding["ok"]]


def test_doctor_tells_a_wrong_key_from_a_database_that_is_down(system: System, state: Path) -> None:
    result = Command(system.environment).but(CLOUDTRADER_SUPABASE_SECRET_KEY="sb_secret_wrong")("doctor")
    line = next(line for line in result.stdout.splitlines() if "  Supabase  " in line)
    assert 3 == result.exit_code
    assert line.startswith("problem")


def test_migrating_an_empty_database_twice_changes_nothing_the_second_time(postgres: PostgresServer, state: Path) -> None:
    with postgres.database() as url:
        command = Command({"CLOUDTRADER_DATABASE_URL": url})
        assert command.answer("migrate")["applied"]
        assert [] == command.answer("migrate")["applied"]


def test_search_attributes_are_registered_once(without_worker: System, namespace: str, state: Path) -> None:
    command = Command(without_worker.in_namespace(namespace).environment)
    until(lambda: command("search-attributes", "register").exit_code == 0, "the namespace is there")
    assert [] == command.answer("search-attributes", "register")["registered"]
    findings = {finding["name"]: finding["ok"] for finding in json.loads(command("doctor", "--json").stdout)}
    assert (True, False, False) == tuple(findings[name] for name in ("search attributes", "workers for traders", "workers for the market"))


def test_doctor_names_search_attributes_that_are_missing(without_worker: System, namespace: str, state: Path) -> None:
    command = Command(without_worker.in_namespace(namespace).environment)
    found = [finding["detail"] for finding in json.loads(command("doctor", "--json").stdout) if finding["name"] == "search attributes"]
    assert "cloudtrader search-attributes register" in found[0]


def test_market_status_says_what_flows(system: System, state: Path) -> None:
    status = Command(system.environment).answer("market", "status")
    assert (True, "simulated", 12) == (status["healthy"], status["market"], status["symbols"])
    assert {"1m", "5m", "15m", "1h", "4h", "1d"} == status["coverage"].keys()
    assert {12} == {coverage["rows"] for coverage in status["coverage"].values()}


def test_the_demo_is_seeded_once(system: System, state: Path) -> None:
    operator = Command(system.environment)
    seeded = operator.answer("demo", "seed")
    assert seeded == operator.answer("demo", "seed")
    passwords = json.loads(Path(seeded["passwords_file"]).read_text()).values()
    assert [] == [password for password in passwords if password in operator("demo", "seed").stdout]
    mine = operator.answer("trader", "list")
    assert ["RSI oversold bounce", "Golden cross with hourly trend", "Volume spike"] == [trader["name"] for trader in mine]
    until(lambda: {"running"} == {trader["status"] for trader in operator.answer("trader", "list")}, "the elite user's run")
    of_pro = operator.answer("trader", "list", "--user", "demo-pro@cloudtrader.test")
    assert [False, False, True] == [trader["enabled_in_cloud"] for trader in of_pro]
    assert [] == operator.answer("trader", "list", "--user", "demo-free@cloudtrader.test")
