"""Every option of the feeder's command stands in .env.example, with its default."""

from typing import Any

import pytest
import typer.main

from adapters.settings import Settings
from feeder.__main__ import main
from tests.architecture.repository import documented_variables

ADDRESSES = {"FEEDER_REST_URL", "FEEDER_STREAM_URL"}
"""Left out in the example: unset, they are Binance's."""


def options() -> dict[str, Any]:
    app = typer.Typer()
    app.command()(main)
    return {option.envvar: option for option in typer.main.get_command(app).params if option.envvar}


@pytest.mark.parametrize("name", options())
def test_a_variable_of_the_feeder_is_described_with_its_default(name: str) -> None:
    documented = documented_variables()

    assert name in documented
    default = options()[name].default
    if name not in ADDRESSES:
        assert ("" if default is None else str(getattr(default, "value", default))) == documented[name].default


def test_the_example_names_no_variable_that_the_feeder_does_not_read() -> None:
    assert {name for name in options() if name.startswith("FEEDER_")} == {
        name for name in documented_variables() if name.startswith("FEEDER_")
    }


def test_the_feeder_listens_where_workers_look_for_it() -> None:
    assert Settings.model_fields["feeder_url"].default == f"ws://127.0.0.1:{options()['FEEDER_PORT'].default}"
