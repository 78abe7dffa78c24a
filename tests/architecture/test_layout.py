"""House rules on names, layers and links."""

import re
from pathlib import Path

from .repository import ROOT, project, tracked_files

BANNED = {"utils", "util", "common", "helpers", "helper", "core", "shared", "misc"}
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def test_nothing_is_named_for_being_a_heap() -> None:
    named = {path: {*path.parent.parts, path.stem} for path in tracked_files()}

    assert [path for path, names in named.items() if names & BANNED] == []


def test_every_package_stands_in_a_layer_and_is_checked() -> None:
    packages = {path.parts[0] for path in tracked_files() if path.name == "__init__.py" and len(path.parts) == 2} - {"tests", "bench"}
    tools = project()["tool"]
    layers = next(contract for contract in tools["importlinter"]["contracts"] if contract["type"] == "layers")["layers"]

    assert packages == {name.strip() for layer in layers for name in layer.split("|")}
    assert packages == set(tools["importlinter"]["root_packages"])
    assert packages == set(tools["mypy"]["packages"])
    assert packages == set(tools["hatch"]["build"]["targets"]["wheel"]["packages"])


def test_links_between_our_own_texts_lead_somewhere() -> None:
    texts = [path for path in tracked_files() if path.suffix == ".md"]
    broken = [(str(text), link) for text in texts for link in _links(text) if not (ROOT / text.parent / link).exists()]

    assert broken == []


def _links(text: Path) -> list[str]:
    return [link for link in LINK.findall((ROOT / text).read_text()) if "://" not in link and not link.startswith("mailto:")]
