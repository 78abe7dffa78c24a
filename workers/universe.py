"""Which symbols a trader looks at."""

import difflib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from activities.ports import ScreenRequest
from adapters.candle_store import STATUS_CODES, CandleStore
from domain.errors import RefusedError
from domain.market import SymbolStatus
from workers.looking import Watched


class Universe:
    """A trader's symbols as rows: those it lists, or the largest that trade up to the tier's number, or all where that has none."""

    def __init__(self, store: CandleStore, request: ScreenRequest) -> None:
        self._store = store
        self._request = request
        self._ranks: NDArray[np.uint16] | None = None
        self._watched: Watched

    def watched(self) -> Watched:
        """The symbols now. Who is largest changes with the feeder's listing."""
        if self._ranks is not self._store.rank:  # the store never changes its ranks and statuses in place
            self._ranks = self._store.rank
            rows = self._rows()
            self._watched = Watched(
                rows=rows,
                names=tuple(self._store.symbols[row] for row in rows.tolist()),
                max_matches=self._request.limits.max_signals_per_tick,
                late_after=self._request.limits.stale_after,
            )
        return self._watched

    def _rows(self) -> NDArray[np.intp]:
        if wanted := self._request.settings.symbols:
            return np.flatnonzero(np.isin(self._store.symbols, wanted))
        if (most := self._request.limits.max_symbols) is None:
            return np.arange(len(self._store.symbols))
        trading = np.flatnonzero(self._store.status == STATUS_CODES[SymbolStatus.TRADING])
        return np.sort(trading[np.argsort(self._store.rank[trading], kind="stable")[:most]])


def refuse_unknown(symbols: Iterable[str], known: tuple[str, ...]) -> None:
    """Raises RefusedError for the first symbol that the market does not have."""
    for symbol in sorted(set(symbols) - set(known)):
        near = difflib.get_close_matches(symbol, known, n=1)
        raise RefusedError(f"The market has no symbol {symbol}." + (f" Did you mean {near[0]}?" if near else ""))
