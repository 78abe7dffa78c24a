"""What runs on which task queue. A test holds that nothing is left out."""

from collections.abc import Callable
from typing import Any

from activities.instances import InstanceActivities
from activities.screening import ScreeningActivities
from activities.signals import SignalActivities
from activities.traders import TraderActivities
from workflows.instance import InstanceWorkflow
from workflows.signal_monitor import SignalMonitorWorkflow
from workflows.trader import TraderWorkflow

WORKFLOWS: list[type] = [InstanceWorkflow, TraderWorkflow, SignalMonitorWorkflow]
"""All of them on the queue `traders`."""

Activities = list[Callable[..., Any]]


def store_activities(traders: TraderActivities, signals: SignalActivities, instances: InstanceActivities) -> Activities:
    """On the queue `traders`: they need the database and Temporal only."""
    return [traders.load, traders.start, traders.signal, traders.set_status, signals.record, signals.set_status, instances.save]


def market_activities(screening: ScreeningActivities) -> Activities:
    """On the queue `market`: they need the replica of the market."""
    return [screening.check, screening.watch]
