"""What the first documents name is there: files, targets, commands, options, tests; and their pictures can be drawn."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cli.__main__ import app

from .repository import ROOT, tracked_files

README = (ROOT / "README.md").read_text()
BIN = Path(sys.executable).parent
DECISIONS = sorted((ROOT / "docs/decisions").glob("*.md"))
TEXTS = [path for path in tracked_files() if path.suffix == ".md"]

FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[([^\]]+)\]\(([^)#\s]+)\)")
MAKE = re.compile(r"\bmake ([a-z]+)\b")
PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)+/?")
NOT_KEPT = {"local/node_modules", "migrations/YYYYMMDDHHMMSS_name.sql", "tests/replay", "workflows/patches.py"}
"""Made by a set-up, or by whoever needs the first one."""


def blocks(text: str, language: str) -> list[str]:
    return [body for found, body in FENCED.findall(text) if found == language]


def code(text: str) -> list[str]:
    """What stands in code type, inline and in blocks."""
    return [*CODE.findall(FENCED.sub("", text)), *(body for _, body in FENCED.findall(text))]


@cache
def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def command_lines() -> list[list[str]]:
    """The README's shell lines as words, comments and variables in front left out."""
    lines = (shlex.split(line, comments=True) for block in blocks(README, "sh") for line in block.splitlines())
    return [words for words in lines if words]


def find_your_way() -> Iterator[tuple[str, str]]:
    section = README.split("## Find your way", 1)[1].split("\n## ", 1)[0]
    for line in section.splitlines():
        if line.startswith("| ") and not line.startswith("| question"):
            _, question, files, _ = (cell.strip() for cell in line.split("|"))
            yield question, files


def test_the_readme_says_which_file_answers_which_question() -> None:
    rows = list(find_your_way())
    wrong = [(question, files) for question, files in rows if not question.endswith("?") or LINK.sub("", files).strip(", ") or not files]

    assert len(rows) > 10
    assert [] == wrong
    assert [] == [
        (name, target) for _, files in rows for name, target in LINK.findall(files) if name != target or not (ROOT / target).exists()
    ]


@pytest.mark.parametrize("text", TEXTS, ids=str)
def test_every_make_target_that_is_named_exists(text: Path) -> None:
    named = {target for piece in code((ROOT / text).read_text()) for target in MAKE.findall(piece)}

    assert set() == named - make_targets()


@pytest.mark.parametrize("text", ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/one-tick.md", "docs/glossary.md"])
def test_every_path_that_is_named_in_code_type_is_kept(text: str) -> None:
    kept = {str(part) for path in tracked_files() for part in (path, *path.parents)}
    named = {piece.rstrip("/") for piece in CODE.findall(FENCED.sub("", (ROOT / text).read_text())) if PATH.fullmatch(piece)}
    ours = {name for name in named if name.split("/")[0] in kept}

    assert set() == ours - kept - NOT_KEPT


def test_every_test_folder_that_has_tests_is_explained_to_contributors() -> None:
    explained = (ROOT / "CONTRIBUTING.md").read_text()
    folders = {path.parts[1] for path in tracked_files() if path.parts[0] == "tests" and path.name.startswith("test_")}

    assert set() == {folder for folder in folders if f"`tests/{folder}" not in explained}


@pytest.mark.parametrize("words", command_lines(), ids=" ".join)
def test_a_command_of_the_readme_can_be_given(words: list[str]) -> None:
    known = {"make": check_make, ".venv/bin/cloudtrader": check_cloudtrader, ".venv/bin/temporal": check_temporal}

    known.get(words[0], check_program)(words)


def check_make(words: list[str]) -> None:
    assert set(words[1:]) <= make_targets()


def check_cloudtrader(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    rest = words[1:]
    while hasattr(command, "commands"):
        assert rest, f"{' '.join(words)} names a group only"
        assert rest[0] in command.commands
        command = command.commands[rest.pop(0)]
    # Parsing takes every option and argument as the command itself would, and runs nothing.
    command.make_context(words[0], rest, resilient_parsing=False)


def check_temporal(words: list[str]) -> None:
    group = words[1:3]
    shown = subprocess.run([BIN / "temporal", *group, "--help"], check=True, capture_output=True, text=True, timeout=30).stdout

    assert f"temporal {' '.join(group)} [flags]" in shown
    assert [] == [word for word in words if word.startswith("--") and not re.search(rf"{word}\b", shown.split("Flags:", 1)[1])]


def check_program(words: list[str]) -> None:
    assert shutil.which(words[0])


def test_the_readme_shows_the_two_commands_first() -> None:
    assert [["make", "up"], ["make", "test"]] == command_lines()[:2]


def test_the_filter_that_the_readme_shows_is_the_example_it_names() -> None:
    (shown,) = blocks(README, "python")

    assert shown in (ROOT / "cli/examples/volume-spike.filter").read_text()


@pytest.mark.parametrize("text", [text for text in TEXTS if blocks((ROOT / text).read_text(), "mermaid")], ids=str)
def test_pictures_keep_to_what_every_renderer_draws(text: Path) -> None:
    pictures = blocks((ROOT / text).read_text(), "mermaid")

    assert [] == [picture for picture in pictures if not re.match(r"(flowchart (TD|LR)|sequenceDiagram|erDiagram)\n", picture)]
    # A semicolon ends a statement wherever it stands, and a bare `end` in a message ends its block.
    assert [] == [line for picture in pictures for line in picture.splitlines() if ";" in line or re.search(r":.*\bend\b", line)]


def test_decisions_are_numbered_without_a_gap_and_say_why_and_what_follows() -> None:
    heads = [path.read_text().splitlines()[0] for path in DECISIONS]

    assert [f"{number:04}" for number in range(1, len(DECISIONS) + 1)] == [path.name[:4] for path in DECISIONS]
    assert [] == [head for number, head in enumerate(heads, 1) if not head.startswith(f"# {number}. ")]
    assert [] == [
        path.name
        for path in DECISIONS
        if re.findall(r"^## (.*)$", path.read_text(), re.MULTILINE) != ["Context", "Decision", "Consequences"]
    ]
