"""Whom an activity works for: on every line it logs, and counted while its screening window is open."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from temporalio import activity, client, worker

from adapters.telemetry.logs import log_context

SUBJECTS = ("trader_id", "user_id", "instance_id", "signal_id")
"""Fields of an activity's input that say whom it works for."""
WINDOW = "screening.watch"


class ActivityContext(client.Interceptor, worker.Interceptor):
    """Given to a client, it holds for all of its workers. Everything an activity logs carries the subjects of its input."""

    def __init__(self) -> None:
        self._traders: Counter[UUID] = Counter()
        self._instances: Counter[UUID] = Counter()

    @property
    def traders(self) -> int:
        """Traders with a screening window open in this process."""
        return len(self._traders)

    @property
    def instances(self) -> int:
        """Instances with a trader's screening window open in this process."""
        return len(self._instances)

    def intercept_activity(self, next: worker.ActivityInboundInterceptor) -> worker.ActivityInboundInterceptor:  # noqa: A002
        """Put ourselves before the activity."""
        return _Inbound(next, self)

    @contextmanager
    def around(self, request: object) -> Iterator[None]:
        """While the activity with this input runs."""
        subjects = {name: str(value) for name in SUBJECTS if (value := getattr(request, name, None)) is not None}
        with log_context(**subjects), self._counted(request):
            yield

    @contextmanager
    def _counted(self, request: Any) -> Iterator[None]:
        if activity.info().activity_type != WINDOW:
            yield
            return
        held = ((self._traders, request.trader_id), (self._instances, request.instance_id))
        for counter, key in held:
            counter[key] += 1
        try:
            yield
        finally:
            for counter, key in held:
                counter[key] -= 1
                if not counter[key]:
                    del counter[key]


class _Inbound(worker.ActivityInboundInterceptor):
    def __init__(self, inner: worker.ActivityInboundInterceptor, context: ActivityContext) -> None:
        super().__init__(inner)
        self._context = context

    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:  # noqa: A002
        with self._context.around(input.args[0] if input.args else None):
            return await super().execute_activity(input)
