"""The demo's examples compile, and its passwords are made once and kept private."""

import stat
import sys
from pathlib import Path

import pytest

from cli import demo_users
from cli.demo import EXAMPLES, TRADERS, user_lines
from domain.errors import RefusedError
from domain.filters import FilterSpec
from domain.tiers import Tier
from filters.validation import check


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(demo_users, "STATE_DIRECTORY", tmp_path / "state")
    return tmp_path / "state"


@pytest.mark.parametrize("example", TRADERS, ids=lambda example: example.file.stem)
def test_every_example_compiles(example) -> None:
    assert () == check(FilterSpec(code=example.file.read_text(), interval=example.interval))


def test_every_example_file_is_used() -> None:
    assert {example.file for example in TRADERS} == set(EXAMPLES.glob("*.filter"))


def test_passwords_are_made_once_and_only_their_owner_may_read_them(state: Path) -> None:
    first = demo_users.passwords()
    assert first == demo_users.passwords()
    assert {f"demo-{tier}@cloudtrader.test" for tier in Tier} == first.keys()
    assert len(Tier) == len(set(first.values()))
    assert 0o600 == stat.S_IMODE((state / "demo-users.json").stat().st_mode)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_passwords_are_shown_on_a_terminal_and_nowhere_else(is_terminal: bool, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal, raising=False)
    known = demo_users.passwords()

    text = "\n".join(user_lines(known))
    assert [is_terminal] * len(Tier) == [password in text for password in known.values()]
    assert (str(state / "demo-users.json") in text) is not is_terminal
    assert all(email in text for email in known)


@pytest.mark.parametrize("content", ["", "[]", "{}", "{"])
def test_a_damaged_file_is_not_overwritten(state: Path, content: str) -> None:
    state.mkdir()
    (state / "demo-users.json").write_text(content)
    with pytest.raises(RefusedError, match="damaged"):
        demo_users.passwords()
    assert content == (state / "demo-users.json").read_text()
