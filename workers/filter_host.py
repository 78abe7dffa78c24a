"""The program of filter processes: V8 and nothing else, in a jail. Started by `FilterSandbox`, never by hand."""

from collections import OrderedDict
from datetime import timedelta

import numpy as np

from adapters.sandbox.host import Memories
from adapters.sandbox.limits import Limits
from adapters.sandbox.nursery import run
from domain.errors import FilterRefusedError
from domain.filters import FailureKind, FilterFailure
from domain.market import Interval
from filters.frames import COLUMNS, TICKER_FIELDS
from filters.javascript.contract import CANDLES, JavaScriptFilter, Verdicts, View, Window
from filters.javascript.isolate import Isolate, problems_of
from workers.filter_messages import Pass, order_from_bytes, problems_to_bytes, verdicts_to_bytes, view_of

ISOLATES = 16
"""Users whose filters stay warm in one process."""
FILTERS = 64
"""Filters that one isolate holds; then its user begins with a new one."""


class FilterHost:
    """One isolate per user, made when needed and forgotten when others were needed more lately."""

    def __init__(self) -> None:
        self._isolates: OrderedDict[str, Isolate] = OrderedDict()
        self.is_spent = False
        """A filter was ended by V8: what is left of it is better ended with the process than repaired."""

    def answer(self, owner: str, request: bytes, memories: Memories) -> bytes:
        """A pass of a filter, or the problems of one that is only to be checked."""
        order = order_from_bytes(request)
        if not isinstance(order, Pass):
            return problems_to_bytes(problems_of(order))
        isolate = self._isolate(owner)
        verdicts = _run(isolate, order, view_of(order, memories[order.memory]))
        self.is_spent = isolate.is_poisoned
        return verdicts_to_bytes(verdicts)

    def forget(self, owner: str) -> None:
        """The user's filters run in another process from now on."""
        isolate = self._isolates.pop(owner, None)
        if isolate is not None:
            isolate.close()

    def _isolate(self, owner: str) -> Isolate:
        isolate = self._isolates.get(owner)
        if isolate is None or len(isolate.loaded) >= FILTERS:
            self.forget(owner)
            while len(self._isolates) >= ISOLATES:
                self.forget(next(iter(self._isolates)))
            isolate = self._isolates[owner] = Isolate()
        self._isolates.move_to_end(owner)
        return isolate


def _run(isolate: Isolate, order: Pass, view: View) -> Verdicts:
    try:
        isolate.load(order.compiled)
    except FilterRefusedError as refused:
        first = refused.problems[0]
        failure = FilterFailure(kind=FailureKind.COMPILE, message=first.message, line=first.line)
        return Verdicts.all_failed(failure, len(view.symbols))
    return isolate.run(order.compiled.key, view, order.allowed)


def _warm_up() -> None:
    """Load whatever a filter needs: later there are no files. What is forked from this program finds it in its memory."""
    compiled = JavaScriptFilter(code="return helpers.getLatestRSI(klines, 14) < 50", interval=Interval.M5)
    window = Window(first_index=np.zeros(1, np.int64), values=np.ones((1, len(COLUMNS), CANDLES)))
    view = View(symbols=("BTCUSDT",), windows={Interval.M5: window}, tickers=np.ones((1, len(TICKER_FIELDS))))
    order = Pass(compiled=compiled, memory=0, rows=1, first=0, symbols=view.symbols, allowed=timedelta(seconds=10))
    isolate = Isolate()
    verdicts_to_bytes(_run(isolate, order, view))
    isolate.close()


if __name__ == "__main__":
    _warm_up()
    run(FilterHost, Limits())
