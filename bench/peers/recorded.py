"""Recorded candles as an engine sees them: 400 symbols, 5m and the hours made of them."""

import numpy as np

from domain.market import HISTORY_BLOCK, Interval, history_anchor
from filters.held import HeldFrame, HeldSnapshot, HeldTickers
from tests.recorded_candles import JULY_2024, RecordedCandles, read_recorded

SYMBOLS = 400
BASE, HOUR = Interval.M5, Interval.H1
_GENERATED = 2_163


class RecordedMarket:
    """What the exchange sent, or, where the recording is not on this machine, walks at random of the same size."""

    def __init__(self) -> None:
        self.is_recorded = JULY_2024.exists()
        candles = read_recorded(JULY_2024, BASE) if self.is_recorded else _generated()
        names = candles.symbols
        rows = np.arange(SYMBOLS) % len(names)
        self.symbols = tuple(f"{names[row]}{place // len(names) or ''}" for place, row in enumerate(rows.tolist()))
        base = RecordedCandles(self.symbols, BASE, candles.first_index, {name: values[rows] for name, values in candles.columns.items()})
        self._candles = {BASE: base, HOUR: base.joined(HOUR)}
        last = base.first_index + base.columns["close"].shape[1] - 1
        self.newest = last - (last + 2) % HISTORY_BLOCK
        """The last candle of its block, whose history is the longest there is: 767 candles."""

    def at_close(self, index: int, *, version: int) -> HeldSnapshot:
        """The market when candle `index` of BASE had just closed."""
        frames = {interval: self._frame(interval, interval.last_closed_within(BASE, index), version) for interval in (BASE, HOUR)}
        return HeldSnapshot(self.symbols, version, HeldTickers({}), frames)

    def _frame(self, interval: Interval, newest: int, version: int) -> HeldFrame:
        """The history that ends with candle `newest`, empty where the recording begins later."""
        columns, first = self._candles[interval].columns, self._candles[interval].first_index
        begin = history_anchor(newest)
        absent = max(0, first - begin)
        kept = {name: values[:, max(0, begin - first) : newest + 1 - first] for name, values in columns.items()}
        padded = {name: np.pad(values, ((0, 0), (absent, 0)), constant_values=np.nan) for name, values in kept.items()}
        return HeldFrame(interval, begin, version, padded, np.full(SYMBOLS, max(begin, first)), np.full(SYMBOLS, newest))


def _generated() -> RecordedCandles:
    """Of another past."""
    random = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(random.normal(scale=0.003, size=(SYMBOLS, _GENERATED)), axis=1))
    opened = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    spread = 1 + np.abs(random.normal(scale=0.001, size=close.shape))
    high, low = np.maximum(opened, close) * spread, np.minimum(opened, close) / spread
    columns = {"open": opened, "high": high, "low": low, "close": close, "volume": random.lognormal(mean=8, size=close.shape)}
    columns["quote_volume"] = close * columns["volume"]
    return RecordedCandles(tuple(f"S{row}USDT" for row in range(SYMBOLS)), BASE, 5_739_000, columns)
