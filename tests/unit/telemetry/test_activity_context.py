"""Open screening windows are counted by trader and by instance."""

from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from temporalio import activity
from temporalio.testing import ActivityEnvironment

from activities.screening import WATCH
from adapters.telemetry.activity_context import WINDOW, ActivityContext


@dataclass(frozen=True)
class Window:
    """What the context reads of a window's input."""

    trader_id: UUID
    instance_id: UUID


@activity.defn
async def counts_of(context: ActivityContext, *windows: Window) -> list[tuple[int, int]]:
    """Open the windows one in another; the counts inside each, then afterwards."""
    seen = []
    if windows:
        with context.around(windows[0]):
            seen = [(context.traders, context.instances), *await counts_of(context, *windows[1:])]
    return seen


def environment(activity_type: str) -> ActivityEnvironment:
    made = ActivityEnvironment()
    made.info = replace(made.info, activity_type=activity_type)
    return made


async def test_overlapping_windows_of_one_trader_count_once_and_traders_of_one_instance_too() -> None:
    context, instance = ActivityContext(), uuid4()
    one, other, elsewhere = Window(uuid4(), instance), Window(uuid4(), instance), Window(uuid4(), uuid4())

    seen = await environment(WINDOW).run(counts_of, context, one, one, other, elsewhere)

    assert seen == [(1, 1), (1, 1), (2, 1), (3, 2)]
    assert (context.traders, context.instances) == (0, 0)


async def test_other_activities_do_not_count() -> None:
    context = ActivityContext()

    assert await environment("instances.save").run(counts_of, context, Window(uuid4(), uuid4())) == [(0, 0)]


def test_a_window_is_the_activity_of_that_name() -> None:
    assert WATCH == WINDOW
