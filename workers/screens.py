"""Opens screens on the worker's replica of the market: what is wrong with a filter or its symbols is said here, before anything runs."""

from functools import lru_cache, partial

from activities.ports import ScreenRequest
from adapters.feeder_client import MarketReplica
from domain.errors import FilterRefusedError, RefusedError, UnavailableError
from domain.filters import NEEDS_CONVERSION, FilterSpec, Language
from filters.bounded_cache import BoundedCache
from filters.evaluation import Evaluator
from filters.expression import CompiledFilter, compile_filter, problems_beyond
from filters.javascript.contract import JavaScriptEngine, JavaScriptFilter
from filters.javascript.views import Views
from workers.passes import ExpressionPasses, JavaScriptPasses, Passes
from workers.screen import ReplicaScreen
from workers.staleness import Restoration, Standings
from workers.universe import refuse_unknown

COMPILED_FILTERS_KEPT = 10_000
CODE_BYTES = 32 * 2**20
"""Texts of JavaScript filters kept that were found good."""


class ReplicaScreens:
    """Opens screens on one replica. Compiled filters are shared between traders that wrote the same one."""

    def __init__(self, replica: MarketReplica, evaluator: Evaluator, engine: JavaScriptEngine | None = None) -> None:
        """Without an engine JavaScript filters cannot be had here."""
        self._replica = replica
        self._evaluator = evaluator
        self._engine = engine
        self._views = Views()
        self._restoration = Restoration(replica)
        self._standings = Standings(replica.store)
        self._found_good: BoundedCache[str, JavaScriptFilter] = BoundedCache(CODE_BYTES)

    async def open(self, request: ScreenRequest) -> ReplicaScreen:
        """Compile the filter and find the symbols, or say what is wrong with them."""
        if self._replica.as_of is None or self._replica.market is None:
            raise UnavailableError("No market data has arrived yet. It comes with the feeder; `cloudtrader market status` shows it.")
        refuse_unknown(request.settings.symbols, self._replica.store.symbols)
        passes = await self._passes(request)
        return ReplicaScreen(self._replica, self._restoration, self._standings, passes, request)

    async def _passes(self, request: ScreenRequest) -> Passes:
        spec = request.settings.filter
        match spec.language:
            case Language.EXPRESSION:
                compiled = await self._replica.thread.call(request.user_id, partial(_compiled, spec))
                if problems := problems_beyond(compiled, request.limits):
                    raise FilterRefusedError(problems)
                return ExpressionPasses(self._replica, self._evaluator, request.user_id, compiled)
            case Language.JAVASCRIPT:
                return await self._javascript(request)
            case Language.GO:
                raise RefusedError(NEEDS_CONVERSION)

    async def _javascript(self, request: ScreenRequest) -> Passes:
        if self._engine is None:
            raise UnavailableError("JavaScript filters cannot be run here: this worker has no sandbox. Its log says why.")
        loaded = JavaScriptFilter.of(request.settings.filter)
        compiled = self._found_good.get(loaded.key)
        if compiled is None:
            if problems := await self._engine.check(loaded):
                raise FilterRefusedError(problems)
            compiled = loaded
            self._found_good.put(compiled.key, compiled, len(compiled.code))
        return JavaScriptPasses(self._replica, self._views, self._engine, request.user_id, compiled)


@lru_cache(maxsize=COMPILED_FILTERS_KEPT)
def _compiled(spec: FilterSpec) -> CompiledFilter:
    return compile_filter(spec)
