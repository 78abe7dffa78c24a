"""The Dockerfile builds from what is here, pinned, and runs as nobody."""

import re

from .repository import ROOT, project, tracked_files

LINES = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]


def _copied() -> list[str]:
    return [line.split()[1] for line in LINES if line.startswith("COPY ") and "--from" not in line]


def test_everything_copied_is_there_and_reaches_the_build() -> None:
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert [source for source in _copied() if not (ROOT / source).exists()] == []
    assert set(_copied()) == let_through


def test_the_image_holds_every_package_and_the_migrations() -> None:
    packages = project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

    assert {*packages, "migrations", "requirements.lock"} == set(_copied())


def test_bases_are_pinned_to_the_patch_and_are_the_python_the_project_asks_for() -> None:
    bases = {line.split()[1] for line in LINES if line.startswith("FROM ")}

    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", bases.pop())


def test_dependencies_are_installed_by_their_hashes() -> None:
    assert sum("pip install" in line and "--require-hashes" in line and "requirements.lock" in line for line in LINES) == 1


def test_the_last_user_is_not_root() -> None:
    users = [line.split()[1] for line in LINES if line.startswith("USER ")]

    assert users == ["10001:10001"]


def test_no_secret_is_baked_in() -> None:
    assert [line for line in LINES if re.search("PASSWORD|SECRET|TOKEN|_KEY", line)] == []
    assert not any(path.name == ".env" for path in tracked_files())
