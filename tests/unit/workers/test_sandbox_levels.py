"""What the sandbox counts is what the catalogue of metrics has."""

from adapters.telemetry.catalogue import SANDBOX
from domain.market import Interval
from filters.javascript.contract import JavaScriptFilter
from workers.filter_sandbox import FilterSandbox
from workers.wiring import levels_of


def test_before_there_is_a_process_every_level_is_given_and_nobody_knows_whether_the_jail_holds() -> None:
    levels = levels_of(FilterSandbox())

    assert set(SANDBOX) == set(levels)
    assert levels["weak"] is None


async def test_requests_are_counted_by_their_ending() -> None:
    async with FilterSandbox(allow_weak=True) as sandbox:
        problems = await sandbox.check(JavaScriptFilter(code="return true", interval=Interval.M1))
        levels = levels_of(sandbox)

    assert ((), {"answered": 1.0}) == (problems, levels["passes"])
    assert isinstance(levels["weak"], bool)
