"""What the sandbox counts is what the catalogue of metrics has."""

from adapters.sandbox.pool import Ending
from adapters.telemetry.catalogue import SANDBOX
from workers.filter_sandbox import FilterSandbox
from workers.wiring import levels_of


def test_every_level_of_the_catalogue_is_given() -> None:
    assert set(SANDBOX) == set(levels_of(FilterSandbox()))


def test_passes_are_given_by_their_ending() -> None:
    sandbox = FilterSandbox()
    sandbox.statistics().endings.update([Ending.TIMEOUT, Ending.ANSWERED, Ending.ANSWERED])

    assert {"answered": 2.0, "timeout": 1.0} == levels_of(sandbox)["passes"]
    assert levels_of(sandbox)["weak"] is None, "not known before there is a process"
