"""`cloudtrader exchange` where there is no simulated exchange: what is wrong and what to do."""

import pytest

COMMANDS = [("status",), ("faults",), ("fault", "silence"), ("clear",), ("speed", "60")]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_on_binance_nothing_can_go_wrong_on_purpose(run, monkeypatch, command):
    monkeypatch.setenv("CLOUDTRADER_MARKET", "binance")
    monkeypatch.setenv("CLOUDTRADER_EXCHANGE_URL", "")
    answer = run("exchange", *command)

    assert 1 == answer.exit_code
    assert "The market is Binance itself" in answer.stderr
    assert "make up MARKET=simulated" in answer.stderr


def test_without_a_running_stack_the_command_says_what_to_start(run, monkeypatch):
    monkeypatch.setenv("CLOUDTRADER_MARKET", "simulated")
    monkeypatch.setenv("CLOUDTRADER_EXCHANGE_URL", "")
    answer = run("exchange", "status")

    assert (1, True) == (answer.exit_code, "set CLOUDTRADER_EXCHANGE_URL" in answer.stderr)


def test_an_exchange_that_does_not_answer_is_down(run, monkeypatch):
    monkeypatch.setenv("CLOUDTRADER_EXCHANGE_URL", "http://127.0.0.1:1")
    answer = run("exchange", "status")

    assert (3, True) == (answer.exit_code, "does not answer at http://127.0.0.1:1" in answer.stderr)


def test_help_says_what_every_kind_does(run):
    answer = run("exchange", "fault", "--help")

    assert "silence: Connections (one or all) send nothing more but pings and pongs" in answer.stdout
    assert "withhold_final: A share of closed candles comes only with a trade" in answer.stdout
