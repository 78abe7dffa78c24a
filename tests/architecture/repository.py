"""The repository's own files, as the tests of its shape read them."""

import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "temporal-compose.yml"


def tracked_files() -> list[Path]:
    """What git keeps or would keep, relative to the repository's root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=30
    )
    return [Path(line) for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def project() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def compose() -> dict[str, Any]:
    """temporal-compose.yml, variables not yet put in."""
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())
    return loaded


@dataclass(frozen=True)
class Documented:
    """One variable of .env.example."""

    description: str
    default: str


def documented_variables() -> dict[str, Documented]:
    """Variables of .env.example by name; one description may stand above several."""
    found: dict[str, Documented] = {}
    description: list[str] = []
    for line in (ROOT / ".env.example").read_text().splitlines():
        if match := re.fullmatch(r"#?([A-Z][A-Z0-9_]*)=(.*)", line):
            found[match[1]] = Documented(" ".join(description), match[2])
        elif line.startswith("# "):
            description.append(line[2:])
        else:
            description = []
    return found
