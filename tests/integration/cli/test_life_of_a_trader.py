"""A trader from its creation to its end, commanded as a user does, on the real system."""

import asyncio
import json
from pathlib import Path

from adapters.temporal import connect
from tests.integration.cli.conftest import Command, until


def create(command: Command, file: Path, *options: object, name: str = "Mine", interval: str = "1m") -> dict:
    return command.answer("trader", "create", "--name", name, "--filter", file, "--interval", interval, *options)


def status_of(command: Command, name: str = "Mine") -> str:
    report = command.answer("trader", "status", name)["report"]
    return report["status"] if report else "no report"


def test_a_trader_is_created_deployed_paused_resumed_changed_stopped_and_deployed_again(elite: Command, always: Path) -> None:
    made = create(elite, always)["trader"]
    assert ("Mine", 1, 5.0, "elite") == (made["name"], made["version"], made["settings"]["cadence"], made["tier"])
    assert [None] == [trader["status"] for trader in elite.answer("trader", "list")]

    deployed = elite.answer("trader", "deploy", "Mine")
    assert {"workflow_id": f"trader:{made['id']}", "version": 1} == deployed
    assert deployed == elite.answer("trader", "deploy", made["id"])
    assert "running" == status_of(elite)

    elite.answer("trader", "pause", "Mine", "--reason", "lunch")
    until(lambda: status_of(elite) == "paused", "paused")
    assert "lunch" == elite.answer("trader", "status", "Mine")["report"]["reason"]
    elite.answer("trader", "resume", "Mine")
    until(lambda: status_of(elite) == "running", "running again")

    changed = elite.answer("trader", "update", "Mine", "--cadence", "2", "--interval", "5m")
    assert (1, 2) == (changed["previous_version"], changed["trader"]["version"])
    assert 2 == elite.answer("trader", "status", "Mine")["report"]["version"]
    assert [2, 1] == [version["version"] for version in elite.answer("trader", "versions", "Mine")]
    assert 2 == elite.answer("trader", "update", "Mine", "--cadence", "2")["trader"]["version"]

    elite.answer("trader", "stop", "Mine")
    until(lambda: elite.answer("trader", "list")[0]["status"] == "stopped", "stopped")
    standing = elite.answer("trader", "status", "Mine")
    assert (None, "stopped", False) == (standing["report"], standing["trader"]["status"], standing["trader"]["enabled_in_cloud"])
    assert "deploy it first" in elite.refusal("trader", "pause", "Mine")["message"]
    assert 2 == elite.answer("trader", "deploy", "Mine")["version"]
    assert "running" == status_of(elite)


def test_what_matches_becomes_signals_that_a_tail_shows_once(elite: Command, always: Path) -> None:
    create(elite, always, "--signal-initial", "--deploy", "--symbols", "btcusdt,ETHUSDT")
    until(lambda: len(elite.answer("signals", "list")) == 2, "two signals")
    result = elite("signals", "tail", "--no-follow", "--json")
    shown = [json.loads(line) for line in result.stdout.splitlines()]
    assert {"BTCUSDT", "ETHUSDT"} == {recorded["signal"]["match"]["symbol"] for recorded in shown}
    assert [["always"], ["always"]] == [recorded["signal"]["match"]["conditions"] for recorded in shown]
    assert {"simulated"} == {recorded["signal"]["market"] for recorded in shown}
    assert [{"one": 1.0}] * 2 == [recorded["signal"]["match"]["values"] for recorded in shown]
    tailed = elite("signals", "tail", "--no-follow", "--trader", "Mine").stdout
    assert ("BTCUSDT" in tailed, 2) == (True, tailed.count("one 1")), tailed
    assert "BTCUSDT" in elite("trader", "status", "Mine").stdout


def test_a_trader_that_runs_ticks_when_asked(elite: Command, always: Path) -> None:
    create(elite, always, "--deploy", "--symbols", "BTCUSDT")
    until(lambda: elite.answer("trader", "run-now", "Mine")["matching"] == ["BTCUSDT"], "the tick finds what matches")
    assert "running" == status_of(elite)


def test_a_trader_that_finds_nothing_shows_that_it_lives(elite: Command, tmp_path: Path) -> None:
    never = tmp_path / "never.filter"
    never.write_text("match = close < 0\n")
    create(elite, never, "--deploy", "--symbols", "BTCUSDT,ETHUSDT")
    until(lambda: elite.answer("trader", "status", "Mine")["last_evaluation"], "an evaluation, while its window says nothing")

    standing = elite.answer("trader", "status", "Mine")
    last = standing["last_evaluation"]
    assert (None, None) == (standing["report"]["last_tick"], standing["trouble"])
    assert ("evaluated", "simulated", 2) == (last["outcome"], last["market"], last["symbols_processed"])
    assert standing["health"]["state"] in ("healthy", "waiting")
    assert "evaluated candle" in elite("trader", "status", "Mine").stdout

    away = elite.but(CLOUDTRADER_FEEDER_URL="ws://127.0.0.1:1").answer("trader", "status", "Mine")["health"]
    assert {"state": "unhealthy", "text": "the feeder does not answer, so no candle comes"} == away
    elite.answer("trader", "stop", "Mine")
    until(lambda: elite.answer("trader", "status", "Mine")["health"] == {"state": "idle", "text": "it is stopped"}, "idle")


def test_a_stopped_trader_that_an_operator_terminated_frees_its_place(elite: Command, always: Path) -> None:
    async def terminate(workflow_id: str) -> None:
        await (await connect(elite.environment)).get_workflow_handle(workflow_id).terminate()

    deployed = create(elite, always, "--deploy")["deployed"]
    asyncio.run(terminate(deployed["workflow_id"]))
    elite.answer("trader", "stop", "Mine")
    assert [False] == [trader["enabled_in_cloud"] for trader in elite.answer("trader", "list")]
