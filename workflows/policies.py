"""Retry policies, time-outs and priorities: named values, chosen by tier in one place."""

from datetime import timedelta
from uuid import UUID

from temporalio.common import Priority, RetryPolicy

from domain.tiers import TierLimits

WINDOW = timedelta(seconds=300)
"""How long a screening window lasts when nothing matches."""
NO_TIME = timedelta()
"""The window of one tick."""
WINDOW_START_TO_CLOSE = WINDOW + timedelta(seconds=60)
"""A window also waits for its rows to be committed; past this it is retried from its last heartbeat."""
STORE_START_TO_CLOSE = timedelta(seconds=30)
ASK_TO_CLOSE = timedelta(seconds=60)
"""A user waits for the answer: within this the market's workers must say whether a filter is good."""

PERSISTENT = RetryPolicy(initial_interval=timedelta(seconds=1), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=15))
"""For what must happen however long the outage lasts; the raiser marks what no retry can help."""

WINDOWS_PER_RUN = 50
"""Continue-as-new after this many windows: replaying one costs about 3 ms."""

MONITORED_CANDLES = 24
"""A signal is followed for this many candles of its trader's interval."""

FAIRNESS_WEIGHT = 1.0
"""Users share equally within their priority."""


def priority_of(limits: TierLimits, user_id: UUID) -> Priority:
    """Better tiers first; users share fairly within a tier."""
    return Priority(priority_key=limits.priority, fairness_key=str(user_id), fairness_weight=FAIRNESS_WEIGHT)
