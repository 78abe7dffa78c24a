"""A filter as the browser evaluated it: whole lists of klines made beforehand, and helpers that calculate everything anew."""

from dataclasses import replace
from importlib import resources

from domain.filters import FilterProblem
from filters.javascript.contract import JavaScriptEngine, JavaScriptFilter, Verdicts, View, Window, joined

ROWS_AT_ONCE = 32
_LINES = (resources.files("filters.translation") / "browser_library.js").read_text(encoding="utf-8").splitlines()
LIBRARY = " ".join(line.strip() for line in _LINES if not line.startswith("//"))
"""The browser's helpers as `browserHelpers`, in one line."""
_BEFORE = (
    LIBRARY + " const plainTimeframes = Object.fromEntries("
    "Object.entries(timeframes).map(([interval, rows]) => [interval, Array.from(rows, (row) => Array.from(row))])); "
    "return (function (klines) { return (function (ticker, timeframes, helpers, hvnNodes) { "
)
_AFTER = "\n})(ticker && { ...ticker }, plainTimeframes, browserHelpers, []); })(plainTimeframes["


class AsInTheBrowser:
    """A JavaScriptEngine: filters as the browser evaluated them, in the isolation of another engine, and many times slower than it."""

    def __init__(self, engine: JavaScriptEngine) -> None:
        self._engine = engine

    async def evaluate(self, user: str, compiled: JavaScriptFilter, view: View) -> Verdicts:
        """All rows, a few to a pass of the engine: they take long. Raises UnavailableError."""
        wrapped, rows = _wrapped(compiled), len(view.symbols)
        return joined([await self._engine.evaluate(user, wrapped, _part(view, first)) for first in range(0, rows, ROWS_AT_ONCE)])

    async def check(self, compiled: JavaScriptFilter) -> tuple[FilterProblem, ...]:
        """What keeps the filter from being run."""
        return await self._engine.check(compiled)


def _part(view: View, first: int) -> View:
    part = slice(first, first + ROWS_AT_ONCE)
    windows = {
        interval: Window(first_index=window.first_index[part], values=window.values[part]) for interval, window in view.windows.items()
    }
    return View(symbols=view.symbols[part], windows=windows, tickers=view.tickers[part])


def _wrapped(compiled: JavaScriptFilter) -> JavaScriptFilter:
    """Every line of the filter keeps its number. The filter may declare `klines` itself, as it may where that is no argument."""
    return replace(compiled, code=f"{_BEFORE}{compiled.code}{_AFTER}{str(compiled.interval)!r}]);")
