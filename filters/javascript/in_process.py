"""The JavaScript engine without a jail: for tests, benches and parity of our own code only, never for a user's."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import TracebackType

from domain.filters import FilterProblem
from filters.javascript.contract import PASS, JavaScriptFilter, Verdicts, View
from filters.javascript.isolate import Isolate, problems_of


class InProcessEngine:
    """A JavaScriptEngine whose filters run in this process: one isolate per user, replaced when it is poisoned. A context manager."""

    def __init__(self, allowed: timedelta = PASS) -> None:
        self._allowed = allowed
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="javascript")
        self._isolates: dict[str, Isolate] = {}

    def __enter__(self) -> "InProcessEngine":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._thread.submit(self._close).result()
        self._thread.shutdown()

    async def evaluate(self, user: str, compiled: JavaScriptFilter, view: View) -> Verdicts:
        """One pass over all rows. Raises FilterRefusedError when the filter does not compile."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._evaluate, user, compiled, view)

    async def check(self, compiled: JavaScriptFilter) -> tuple[FilterProblem, ...]:
        """What keeps the filter from being run; nothing of it is run."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, problems_of, compiled)

    def _evaluate(self, user: str, compiled: JavaScriptFilter, view: View) -> Verdicts:
        isolate = self._isolates.get(user)
        if isolate is None or isolate.is_poisoned:
            isolate = self._isolates[user] = Isolate()
        isolate.load(compiled)
        return isolate.run(compiled.key, view, self._allowed)

    def _close(self) -> None:
        for isolate in self._isolates.values():
            isolate.close()
