"""What browser filters see of the market, packed once for all that look at the same candle, and what their verdicts mean for its rows."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.market import Interval
from filters.bounded_cache import BoundedCache
from filters.frames import COLUMNS, TICKER_FIELDS, MarketSnapshot
from filters.history import History, Moment, Stamp, closed_moment, forming_moment
from filters.javascript.contract import CANDLES, JavaScriptFilter, Verdicts, View, Window
from filters.outcome import Evaluation

VIEW_BYTES = 96 * 2**20
"""Views kept of the candles looked at last. One of 400 symbols and one interval takes 7 MB."""
CLOSED_SHARED_MILLISECONDS = 5_000
"""Exchange's time for which a view of closed candles is shared: only the ticker in it grows old."""
FORMING_SHARED_MILLISECONDS = 250
"""The same for a view of forming candles."""

Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Packed:
    """A view, and what belongs to it of the snapshot it was taken from. Never changes."""

    view: View
    """Of the ready symbols among those asked for."""
    rows: Rows
    """Row of the snapshot, by row of the view."""
    close: NDArray[np.float64]
    """By row of the snapshot."""
    quote_volume_24h: NDArray[np.float64]
    """By row of the snapshot."""
    as_of: int
    """The exchange's time it was taken, epoch milliseconds."""

    def evaluation(self, verdicts: Verdicts) -> Evaluation:
        """The verdicts on the view, by row of the snapshot. Symbols that were not asked for count as not ready."""
        return Evaluation(
            ready=self._spread(np.ones(len(self.rows), np.bool_)),
            failed=self._spread(verdicts.failed),
            matched=self._spread(verdicts.matched & ~verdicts.failed),
            close=self.close,
            quote_volume_24h=self.quote_volume_24h,
            said={int(self.rows[row]): conditions for row, conditions in verdicts.conditions.items()},
            failures=verdicts.failures,
        )

    def _spread(self, values: Mask) -> Mask:
        spread = np.zeros(len(self.close), np.bool_)
        spread[self.rows] = values
        return spread


class Views:
    """Packs views of snapshots; belongs to one thread. Holds at most VIEW_BYTES, and none of data that has been superseded.

    A symbol is in a view when every interval the filter reads has CANDLES unbroken candles up to the newest it may see: with fewer a
    helper gives null, and to JavaScript `null < 35` is true. The newest is, as for expressions, what had closed when the trader's own
    candle closed; of forming candles, the one that contains this moment.
    """

    def __init__(self, capacity: int = VIEW_BYTES) -> None:
        self._packed: BoundedCache[_Key, Packed] = BoundedCache(capacity)

    def closed(self, compiled: JavaScriptFilter, snapshot: MarketSnapshot, index: int, rows: Rows, as_of: int) -> Packed:
        """Closed candle `index` of the filter's interval, for those of `rows` that are ready."""
        moment = closed_moment(snapshot, compiled.interval, compiled.required, index)
        return self._shared(compiled, snapshot, moment, rows, as_of, CLOSED_SHARED_MILLISECONDS)

    def forming(self, compiled: JavaScriptFilter, snapshot: MarketSnapshot, rows: Rows, as_of: int) -> Packed:
        """The candle that forms when the exchange's clock shows `as_of` (epoch milliseconds), for those of `rows` that are ready."""
        moment = forming_moment(snapshot, compiled.interval, compiled.required, as_of)
        return self._shared(compiled, snapshot, moment, rows, as_of, FORMING_SHARED_MILLISECONDS)

    def _shared(
        self, compiled: JavaScriptFilter, snapshot: MarketSnapshot, moment: Moment, rows: Rows, as_of: int, shared_for: int
    ) -> Packed:
        # A forming candle's stamp is of one message of the feeder alone: what makes its views shared is their age.
        stamps = () if moment.is_forming else moment.stamp(sorted(compiled.required))
        key = (moment.base, moment.index, moment.is_forming, tuple(sorted(compiled.required)), moment.rows, stamps, rows.tobytes())
        packed = self._packed.get(key)
        if packed is None or not 0 <= as_of - packed.as_of < shared_for:
            self._packed.discard(lambda old: _is_superseded(old, key))
            packed = _pack(compiled, snapshot, moment, rows, as_of)
            self._packed.put(key, packed, _size(packed))
        return packed


_Key = tuple[Interval, int, bool, tuple[Interval, ...], int, tuple[Stamp, ...], bytes]


def _is_superseded(old: _Key, new: _Key) -> bool:
    """Whether `old` holds an older version of what `new` holds."""
    versions = {stamp.interval: stamp.version for stamp in new[5]}
    is_older_data = any(versions.get(stamp.interval, stamp.version) != stamp.version for stamp in old[5])
    return is_older_data or (old[2] and new[2] and old[0] == new[0] and old[1] != new[1])


def _pack(compiled: JavaScriptFilter, snapshot: MarketSnapshot, moment: Moment, rows: Rows, as_of: int) -> Packed:
    if moment.is_kept:
        close, volume = moment.close(), moment.quote_volume_24h()
        chosen = rows[moment.ready(compiled.required)[rows]]
    else:
        close, volume = np.full(moment.rows, np.nan), np.zeros(moment.rows)
        chosen = rows[:0]
    tickers = snapshot.tickers.columns
    view = View(
        symbols=tuple(snapshot.symbols[row] for row in chosen.tolist()),
        windows={interval: _window(moment.histories[interval], chosen) for interval in compiled.required},
        tickers=_stacked((tickers[field][chosen] for field in TICKER_FIELDS), len(chosen)),
    )
    return Packed(view=view, rows=chosen, close=close, quote_volume_24h=volume, as_of=as_of)


def _window(history: History, rows: Rows) -> Window:
    first = history.last + 1 - CANDLES
    start = first - history.frame.first_index
    values = np.empty((len(rows), len(COLUMNS), CANDLES))
    columns = history.frame.columns
    if len(rows):
        for place, name in enumerate(COLUMNS):
            values[:, place] = columns[name][rows, start : start + CANDLES]
    return Window(first_index=np.full(len(rows), first, np.int64), values=values)


def _stacked(columns: Iterable[NDArray[np.float64]], rows: int) -> NDArray[np.float64]:
    stacked = np.empty((rows, len(TICKER_FIELDS)))
    for place, values in enumerate(columns):
        stacked[:, place] = values
    return stacked


def _size(packed: Packed) -> int:
    windows = sum(window.values.nbytes for window in packed.view.windows.values())
    return windows + packed.view.tickers.nbytes + packed.close.nbytes + packed.quote_volume_24h.nbytes
