"""The demo users of a local stack: one per tier, with passwords made once and kept beside the stack's state."""

import json
import os
import secrets
from pathlib import Path

from adapters.settings import STATE_DIRECTORY
from domain.errors import RefusedError
from domain.tiers import Tier

DOMAIN = "cloudtrader.test"
"""Reserved: mail to it reaches nobody (RFC 6761)."""


def email_of(tier: Tier) -> str:
    """The demo user of this tier."""
    return f"demo-{tier}@{DOMAIN}"


def users_file() -> Path:
    """Where the passwords are."""
    return STATE_DIRECTORY / "demo-users.json"


def passwords() -> dict[str, str]:
    """Password by address; made at the first call, readable by their owner only. Raises RefusedError when the file is damaged."""
    file = users_file()
    if not file.exists():
        _write(file, {email_of(tier): secrets.token_urlsafe(15) for tier in Tier})
    try:
        known = json.loads(file.read_text())
        return {email_of(tier): known[email_of(tier)] for tier in Tier}
    except (ValueError, KeyError, TypeError) as problem:
        raise RefusedError(f"{file} is damaged: put a copy of it back, or delete it together with the demo users.") from problem


def _write(file: Path, made: dict[str, str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump(made, out, indent=1)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)
