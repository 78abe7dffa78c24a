"""What the workers run is all there is, on the right queue, under names that last."""

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from temporalio import activity, workflow

import activities
import workflows
from activities.instances import InstanceActivities
from activities.screening import ScreeningActivities
from activities.signals import SignalActivities
from activities.traders import TraderActivities
from workers.registry import WORKFLOWS, market_activities, store_activities

Kind = TypeVar("Kind")
DOTTED = re.compile(r"[a-z]+\.[a-z_]+")
KEBAB = re.compile(r"[a-z]+(-[a-z]+)*")


def modules_of(package: Any) -> Iterator[Any]:
    for path in sorted(Path(package.__path__[0]).glob("*.py")):
        if path.stem != "__init__":
            yield importlib.import_module(f"{package.__name__}.{path.stem}")


def activity_name(function: Callable[..., Any]) -> str | None:
    definition = activity._Definition.from_callable(function)
    return definition.name if definition else None


def workflow_definition(kind: type) -> Any:
    return workflow._Definition.from_class(kind)


def bare(kind: type[Kind]) -> Kind:
    """Without its ports: the registry only takes bound methods, and nothing is called."""
    return kind.__new__(kind)


def registered() -> tuple[list[str | None], list[str | None]]:
    stores = store_activities(bare(TraderActivities), bare(SignalActivities), bare(InstanceActivities))
    market = market_activities(bare(ScreeningActivities))
    return [activity_name(one) for one in stores], [activity_name(one) for one in market]


def defined_activities() -> list[str]:
    found = {
        name
        for module in modules_of(activities)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__
        for _, method in inspect.getmembers(kind, inspect.isfunction)
        if (name := activity_name(method))
    }
    return sorted(found)


def defined_workflows() -> list[type]:
    return [
        kind
        for module in modules_of(workflows)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__ and workflow_definition(kind)
    ]


def handlers(kind: str) -> list[Any]:
    return [
        pytest.param(handler, id=f"{workflow_definition(one).name}.{name}")
        for one in WORKFLOWS
        for name, handler in getattr(workflow_definition(one), kind).items()
    ]


def test_every_activity_is_registered_once() -> None:
    stores, market = registered()

    assert defined_activities() == sorted(map(str, stores + market))


def test_screening_runs_where_the_market_is_and_everything_else_elsewhere() -> None:
    stores, market = registered()

    assert {"screening"} == {str(name).partition(".")[0] for name in market}
    assert "screening" not in {str(name).partition(".")[0] for name in stores}


def test_every_workflow_is_registered_once() -> None:
    assert sorted(map(str, defined_workflows())) == sorted(map(str, WORKFLOWS))


def test_activity_types_are_dotted_names_and_workflow_types_kebab_ones() -> None:
    assert [name for name in defined_activities() if not DOTTED.fullmatch(name)] == []
    assert [name for one in WORKFLOWS if not KEBAB.fullmatch(name := workflow_definition(one).name)] == []


@pytest.mark.parametrize("signal", handlers("signals"))
def test_temporal_signals_take_any_number_of_anything(signal: Any) -> None:
    """An input that does not fit its handler's parameters keeps a workflow from ever completing a task again."""
    (_, said) = inspect.signature(signal.fn).parameters.values()

    assert said.kind is inspect.Parameter.VAR_POSITIONAL
    assert signal.name is not None, "a name of its own: unknown signals are not taken"
    assert signal.description, "the Web UI shows it"


@pytest.mark.parametrize("message", handlers("updates"))
def test_updates_and_queries_take_at_most_one_thing_and_say_what_they_do(message: Any) -> None:
    assert len(inspect.signature(message.fn).parameters) <= 2
    assert message.description


@pytest.mark.parametrize("kind", WORKFLOWS, ids=lambda kind: kind.__name__)
def test_state_exists_before_the_first_message_is_handled(kind: type) -> None:
    started, run = inspect.signature(kind.__init__), inspect.signature(workflow_definition(kind).run_fn)

    assert [(one.name, one.annotation) for one in started.parameters.values()] == [
        (one.name, one.annotation) for one in run.parameters.values()
    ]
    assert len(run.parameters) == 2, "one input"
