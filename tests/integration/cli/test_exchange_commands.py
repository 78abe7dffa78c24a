"""`cloudtrader exchange` against a running exchange, as a user types it."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from cli.__main__ import app
from tests.integration.cli.conftest import answers, module, process, until
from tests.integration.servers import free_port

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running exchange of five symbols, one of which is held back."""
    port, log = free_port(), tmp_path_factory.mktemp("exchange") / "log"
    command = module("local.exchange", "--port", port, "--generate", "--symbols", 5, "--reserve", 1)
    with process(*command, environment={}, log=log):
        address = f"http://127.0.0.1:{port}"
        until(lambda: answers(f"{address}/api/v3/ping"), "the exchange answers")
        yield address


@pytest.fixture
def run(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs `cloudtrader exchange` with these arguments; nothing is wrong at the exchange before and after."""
    monkeypatch.setenv("CLOUDTRADER_EXCHANGE_URL", url)
    yield lambda *arguments: CliRunner().invoke(app, ["exchange", *arguments], env={"COLUMNS": "200"})
    httpx.delete(f"{url}/control/faults", trust_env=False).raise_for_status()


def test_a_fault_is_begun_listed_and_cleared(run: Run, url: str) -> None:
    begun = run("fault", "rest_error", "--status", "503", "--share", "1", "--seconds", "300")
    refused = httpx.get(f"{url}/api/v3/time", trust_env=False)
    listed = run("faults")
    number = json.loads(run("faults", "--json").stdout)[0]["id"]
    cleared = run("clear", str(number))
    afterwards = httpx.get(f"{url}/api/v3/time", trust_env=False)

    assert (0, f"rest_error goes on as number {number}. status 503, share 1.0\n") == (begun.exit_code, begun.stdout)
    assert (503, 200) == (refused.status_code, afterwards.status_code)
    assert "rest_error" in listed.stdout
    assert "Nothing goes wrong.\n" == cleared.stdout


def test_everything_is_cleared_when_no_number_is_named(run: Run) -> None:
    for kind in ("refuse", "silence"):
        run("fault", kind)
    before = run("faults", "--json").stdout
    after = run("clear", "--json").stdout

    assert (["refuse", "silence"], []) == ([fault["kind"] for fault in json.loads(before)], json.loads(after))


async def test_connections_are_cut_from_the_command_line(run: Run, url: str) -> None:
    async with connect(f"{url.replace('http', 'ws')}/ws", proxy=None) as socket:
        done = await asyncio.to_thread(run, "fault", "disconnect")
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 20)
        told = await asyncio.to_thread(run, "status")

    assert done.stdout.startswith("disconnect is done. connections [")
    assert "fault: disconnect" in told.stdout


def test_a_symbol_is_listed_and_delisted(run: Run, url: str) -> None:
    before = {entry["symbol"] for entry in httpx.get(f"{url}/api/v3/exchangeInfo", trust_env=False).json()["symbols"]}
    held_back = run("fault", "list", "--symbol", "NOPE").stderr, run("fault", "list", "--symbol", "BTCUSDT").stderr
    new = held_back[1].rpartition("held back are: ")[2].strip().rstrip(".")
    listed = run("fault", "list", "--symbol", new)
    run("fault", "delist", "--symbol", "BTCUSDT")
    after = {entry["symbol"]: entry["status"] for entry in httpx.get(f"{url}/api/v3/exchangeInfo", trust_env=False).json()["symbols"]}
    run("fault", "relist", "--symbol", "BTCUSDT")

    assert "there is no symbol NOPE" in held_back[0]
    assert 0 == listed.exit_code
    assert {new} == after.keys() - before
    assert ("TRADING", "BREAK") == (after[new], after["BTCUSDT"])


def test_the_clock_runs_faster(run: Run) -> None:
    faster = run("speed", "60")
    status = json.loads(run("status", "--json").stdout)
    run("speed", "1")

    assert (0, "The market runs at 60 times its speed.\n", 60) == (faster.exit_code, faster.stdout, status["speed"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("fault", "earthquake"), "kinds are: silence, mute"),
        (("fault", "mute"), "mute: stream: Field required (its parameters: stream)"),
        (("fault", "silence", "--connection", "999999"), "there is no open connection 999999"),
        (("clear", "77777"), "there is no fault 77777"),
        (("speed", "99999"), "speed must be 0.01 to 3600"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_is_refused_with_the_reason(run: Run, arguments: tuple[str, ...], told: str) -> None:
    answer = run(*arguments)

    assert (1, True) == (answer.exit_code, told in answer.stderr), answer.stderr
