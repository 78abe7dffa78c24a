"""What a start decides before anything runs: ports, market, settings file, start order of the real stack."""

import socket
import stat
from pathlib import Path

import pytest

from adapters.settings import Settings
from domain.market import Market
from local.__main__ import worker_count
from local.foreground import StartError
from local.supervisor.environment_file import read_environment, write_environment
from local.supervisor.market import MarketChoice, choose_market, simulated_symbols
from local.supervisor.ports import choose_ports
from local.supervisor.session import summary
from local.supervisor.specs import require_start_order
from local.supervisor.stack import Stack, usual_ports


@pytest.fixture
def taken():
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_gives_way_to_the_next_free_one_and_says_so(tmp_path, taken):
    ports, moved = choose_ports(tmp_path / "ports.json", {"temporal": taken, "feeder": taken})

    assert taken < ports["temporal"] < ports["feeder"]
    assert f"port {taken} is taken: temporal gets {ports['temporal']}" == moved[0]


def test_the_next_start_uses_the_same_ports(tmp_path, taken):
    first, _ = choose_ports(tmp_path / "ports.json", {"temporal": taken})

    assert (first, []) == choose_ports(tmp_path / "ports.json", {"temporal": taken})


def test_a_damaged_file_of_ports_says_what_to_do(tmp_path):
    (tmp_path / "ports.json").write_text('{"temporal": 72')

    with pytest.raises(StartError, match=r"ports\.json cannot be read .* delete it"):
        choose_ports(tmp_path / "ports.json", {"temporal": 7233})


async def test_the_market_is_binance_when_it_can_be_reached():
    assert Market.BINANCE is (await choose_market("", problem_of_binance=_answer(""))).market


async def test_the_market_is_simulated_when_binance_cannot_be_reached_and_says_why():
    choice = await choose_market("", problem_of_binance=_answer("no answer within 3 s"))

    assert MarketChoice(market=Market.SIMULATED, why="Binance cannot be reached: no answer within 3 s") == choice


async def test_binance_that_is_asked_for_and_cannot_be_reached_is_refused():
    with pytest.raises(StartError, match=r"cannot be reached \(no answer\)\. Check the network, or use MARKET=simulated"):
        await choose_market("binance", problem_of_binance=_answer("no answer"))
    assert Market.BINANCE is (await choose_market("binance", problem_of_binance=_answer(""))).market


async def test_a_simulated_market_that_is_asked_for_looks_for_no_other():
    async def never():
        raise AssertionError

    assert Market.SIMULATED is (await choose_market("simulated", problem_of_binance=never)).market


async def test_a_recording_is_replayed_from_its_file(tmp_path):
    (tmp_path / "crash.parquet").touch()
    choice = await choose_market(f"replay:{tmp_path / 'crash.parquet'}")

    assert (Market.REPLAY, tmp_path / "crash.parquet") == (choice.market, choice.replay_file)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("nonsense", "MARKET=nonsense is not a market: use MARKET=binance"),
        ("replay", "MARKET=replay is not a market"),
        ("replay:/no/such.csv", "there is no such file"),
        ("replay:/", "there is no such file"),
    ],
)
async def test_a_market_that_makes_no_sense_is_refused(wanted, message):
    with pytest.raises(StartError, match=message):
        await choose_market(wanted)


@pytest.mark.parametrize("text", ["0", "-1", "two", "65", "1.5"])
def test_a_number_of_workers_that_makes_no_sense_is_refused(text):
    with pytest.raises(StartError, match="use 1 to 64"):
        worker_count(text)


@pytest.mark.parametrize("text", ["0", "-1", "many", "401", "1.5"])
def test_a_number_of_symbols_that_makes_no_sense_is_refused(text):
    with pytest.raises(StartError, match="use 1 to 400"):
        simulated_symbols({"MARKET_SYMBOLS": text})


def test_a_simulated_market_has_as_many_symbols_as_are_wanted():
    assert (400, 400, 25) == tuple(simulated_symbols(given) for given in ({}, {"MARKET_SYMBOLS": ""}, {"MARKET_SYMBOLS": "25"}))


def test_settings_are_written_for_the_owner_alone_and_replaced_as_a_whole(tmp_path):
    file = tmp_path / "env"
    write_environment(file, {"A": "1", "B": "x=y"})
    write_environment(file, {"A": "2", "B": "x=y"})

    assert read_environment(file) == {"A": "2", "B": "x=y"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [file] == list(tmp_path.iterdir())


def test_a_setting_with_a_line_break_is_refused(tmp_path):
    with pytest.raises(ValueError, match="A: a value must not have a line break"):
        write_environment(tmp_path / "env", {"A": "1\nB=2"})


@pytest.mark.parametrize("market", list(Market))
def test_the_real_stack_starts_in_an_order_that_holds(tmp_path, market):
    specs = _stack(tmp_path, market, workers=2).specs()

    require_start_order(specs)
    names = [spec.name for spec in specs]
    assert names.index("postgres") < names.index("migrations") < names.index("supabase") < names.index("worker-1")
    assert (market is not Market.BINANCE) is ("exchange" in names)
    assert "worker-2" in names


def test_the_feeder_talks_to_the_market_that_was_chosen(tmp_path):
    live = " ".join(_feeder(_stack(tmp_path, Market.BINANCE)).argv)
    simulated = " ".join(_feeder(_stack(tmp_path, Market.SIMULATED)).argv)

    assert "binance.vision" in live
    assert "binance.vision" not in simulated
    assert "127.0.0.1:9443" in simulated


def test_the_feeder_keeps_its_market_beside_the_rest_of_the_state(tmp_path):
    assert str(tmp_path / "market-snapshot") == _feeder(_stack(tmp_path, Market.SIMULATED)).environment["FEEDER_SNAPSHOT"]


def test_no_command_line_shows_a_secret(tmp_path):
    stack = _stack(tmp_path, Market.SIMULATED)
    secrets = {name: value for name, value in stack.environment().items() if name.endswith(("SECRET_KEY", "TOKEN", "DATABASE_URL"))}
    secrets["password"] = (tmp_path / "postgres" / "password").read_text().strip()
    shown = [(name, spec.name) for spec in stack.specs() for name, secret in secrets.items() if secret in " ".join(spec.argv)]

    assert {"CLOUDTRADER_DATABASE_URL", "CLOUDTRADER_SUPABASE_SECRET_KEY", "CLOUDTRADER_FEEDER_TOKEN", "password"} == secrets.keys()
    assert [] == shown


def test_every_setting_handed_to_the_processes_is_one_that_something_reads(tmp_path):
    known = {f"CLOUDTRADER_{field.upper()}" for field in Settings.model_fields} | {"CLOUDTRADER_STATE", "TEMPORAL_ADDRESS"}

    assert set() == _stack(tmp_path, Market.SIMULATED).environment().keys() - known


def test_the_summary_names_the_market_and_what_to_open(tmp_path):
    text = "\n".join(summary(_stack(tmp_path, Market.SIMULATED), 12.34))

    for expected in ("ready after 12.3 s", "NOT REAL", "http://127.0.0.1:8233", "signals tail", "make down"):
        assert expected in text


def test_the_summary_names_commands_that_find_this_system(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".state").mkdir()

    here = "\n".join(summary(_stack(tmp_path / ".state", Market.SIMULATED), 1))
    elsewhere = "\n".join(summary(_stack(tmp_path, Market.SIMULATED), 1))
    named = [line.split(".venv/bin/cloudtrader ")[1] for line in here.splitlines() if ".venv/bin/cloudtrader " in line]

    assert ["trader list", "signals tail", "doctor"] == named
    assert "CLOUDTRADER_STATE" not in here
    assert f"CLOUDTRADER_STATE={tmp_path} .venv/bin/cloudtrader signals tail" in elsewhere


def _answer(problem: str):
    async def answer() -> str:
        return problem

    return answer


def _stack(folder: Path, market: Market, workers: int = 1) -> Stack:
    (folder / "postgres").mkdir(exist_ok=True)
    replay = folder / "crash.parquet" if market is Market.REPLAY else None
    choice = MarketChoice(market=market, why="test", replay_file=replay)
    return Stack(state=folder, market=choice, ports=usual_ports(workers), workers=workers)


def _feeder(stack: Stack):
    return next(spec for spec in stack.specs() if spec.name == "feeder")
