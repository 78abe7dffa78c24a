"""`cloudtrader doctor` says whether this machine can hold filter processes."""

from adapters.settings import Settings
from cli.checks import CHECKS


async def test_it_names_the_layers_that_hold_here() -> None:
    said = await CHECKS["filter processes"](Settings())

    assert said.startswith("held by environment, ")
    assert "seccomp" in said
