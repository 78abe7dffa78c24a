"""The command lines that people type, run against a stack."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.running_stack import RunningStack

PROGRAMS = Path(sys.executable).parent
ENDS_WITHIN = 100.0


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


async def run(*command: object, **environment: str) -> Ended:
    """Run a program to its end."""
    process = await asyncio.create_subprocess_exec(*map(str, command), stdout=PIPE, stderr=PIPE, env=_clean(environment))
    try:
        out, err = await asyncio.wait_for(process.communicate(), ENDS_WITHIN)
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def cloudtrader(stack: RunningStack, *arguments: object, **environment: str) -> Ended:
    """`cloudtrader` with the settings that the stack wrote."""
    return await run(PROGRAMS / "cloudtrader", *arguments, CLOUDTRADER_STATE=str(stack.state), **environment)


async def tell(stack: RunningStack, *arguments: object) -> Ended:
    """`temporal workflow signal` on the stack's Temporal; must succeed."""
    address = stack.settings["TEMPORAL_ADDRESS"]
    ended = await run(PROGRAMS / "temporal", "workflow", "signal", "--address", address, *arguments)
    assert ended.status == 0, ended
    return ended


def _clean(environment: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CLOUDTRADER_", "MARKET", "TEMPORAL_"))}
    return kept | environment
