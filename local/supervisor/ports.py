"""Which port each server gets: the one it had, else its usual one, else the next that is free."""

import json
import socket
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from local.foreground import StartError

HIGHEST = 65535
_Ports = TypeAdapter(dict[str, int])


def choose_ports(kept_in: Path, usual: Mapping[str, int]) -> tuple[dict[str, int], list[str]]:
    """A free port of 127.0.0.1 for every name, kept for the next start, and a sentence for each that is not the expected one.

    Raises StartError when the file of kept ports cannot be understood.
    """
    kept = _read(kept_in)
    chosen: dict[str, int] = {}
    moved = []
    for name, port in usual.items():
        wanted = kept.get(name, port)
        chosen[name] = _next_free(wanted, avoiding=set(chosen.values()))
        if chosen[name] != wanted:
            moved.append(f"port {wanted} is taken: {name} gets {chosen[name]}")
    draft = kept_in.with_suffix(".new")
    draft.write_text(json.dumps(chosen, indent=2))
    draft.replace(kept_in)
    return chosen, moved


def _read(file: Path) -> dict[str, int]:
    if not file.exists():
        return {}
    try:
        return _Ports.validate_json(file.read_bytes())
    except ValidationError as problem:
        raise StartError(f"{file} cannot be read as the ports of the last start: delete it, and they are chosen anew.") from problem


def _next_free(port: int, avoiding: set[int]) -> int:
    for candidate in range(port, HIGHEST + 1):
        if candidate not in avoiding and _is_free(candidate):
            return candidate
    raise StartError(f"No port from {port} upwards is free on 127.0.0.1: stop something that listens there.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection that is only winding down does not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
