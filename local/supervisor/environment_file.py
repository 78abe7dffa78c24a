"""Connection settings of the running system, for the other commands: KEY=VALUE lines in a file that only its owner may read."""

import os
from collections.abc import Mapping
from pathlib import Path


def write_environment(file: Path, values: Mapping[str, str]) -> None:
    """Replace the file as a whole: a reader sees the old one or the new one."""
    broken = [name for name, value in values.items() if "\n" in value]
    if broken:
        raise ValueError(f"{', '.join(broken)}: a value must not have a line break")
    draft = file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.writelines(f"{name}={value}\n" for name, value in values.items())
        out.flush()
        os.fsync(descriptor)
    draft.replace(file)


def read_environment(file: Path) -> dict[str, str]:
    """What `write_environment` wrote; nothing when there is no file."""
    if not file.exists():
        return {}
    return dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)
