"""docs/commands.md names every command and every option."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from cli.__main__ import app
from cli.exits import ExitCode

PAGE = (Path(__file__).parents[3] / "docs/commands.md").read_text()


def commands(group: Any, prefix: str = "cloudtrader") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


ALL = dict(commands(typer.main.get_command(app)))


def test_every_command_has_its_row() -> None:
    assert [] == [name for name in ALL if f"| `{name}" not in PAGE]


def test_every_option_is_named_in_its_commands_row() -> None:
    rows = {name: next(line for line in PAGE.splitlines() if f"| `{name}" in line) for name in ALL}
    common = {"--json", "--user"}
    missing = [
        (name, option.opts[0])
        for name, command in ALL.items()
        for option in command.params
        if option.opts[0].startswith("--") and option.opts[0] not in common and option.opts[0] not in rows[name]
    ]
    assert [] == missing


def test_every_command_says_what_it_does_and_can_answer_a_program() -> None:
    assert [] == [name for name, command in ALL.items() if not command.help]
    assert [] == [name for name, command in ALL.items() if "--json" not in [option.opts[0] for option in command.params]]


def test_every_exit_code_is_explained() -> None:
    assert [] == [code for code in ExitCode if f"| {int(code)} |" not in PAGE]
