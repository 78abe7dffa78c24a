"""Past candles for tests: recorded ones, with holes and young symbols where wanted, and the market as it was live at each close."""

from pathlib import Path

import numpy as np

from domain.market import HISTORY_BLOCK, Interval, history_anchor
from filters.preview.past_candles import PastCandles, PastInterval
from filters.preview.rolling_ticker import RollingTicker
from tests.recorded_candles import read_recorded
from tests.unit.filters.memory_market import MemoryFrame, MemorySnapshot, MemoryTickers, random_frame

M1, M5, H1 = Interval.M1, Interval.M5, Interval.H1
LAST = 256 * 23_000 + 130


def recorded(path: Path, interval: Interval, symbols: int) -> PastCandles:
    """Recorded candles of the first symbols; trades and taker volumes, which were not recorded, are made up."""
    candles = read_recorded(path, interval, symbols)
    first, columns = candles.first_index, candles.columns
    columns["trades"] = np.floor(columns["volume"])
    columns["taker_buy_volume"] = columns["volume"] / 3
    columns["taker_buy_quote_volume"] = columns["quote_volume"] / 3
    return PastCandles(
        symbols=candles.symbols,
        intervals={interval: PastInterval(interval=interval, first_index=first, known_from=first, columns=columns)},
    )


def random_past(base: Interval, *others: Interval, rows: int = 5, candles: int = 1_500, last: int = LAST, seed: int = 0) -> PastCandles:
    """Random walks of `base` up to candle `last`; of other intervals as many candles."""
    intervals = {}
    for place, interval in enumerate((base, *others)):
        end = last if interval is base else interval.last_closed_within(base, last)
        frame = random_frame(interval, end - candles + 1, rows, candles, seed * 10 + place)
        intervals[interval] = PastInterval(
            interval=interval, first_index=frame.first_index, known_from=frame.first_index, columns=frame.columns
        )
    return PastCandles(symbols=tuple(f"S{row}USDT" for row in range(rows)), intervals=intervals)


def drop(past: PastInterval, row: int, first: int, last: int) -> None:
    """There never were candles of this symbol from `first` to `last`."""
    for values in past.columns.values():
        values[row, first - past.first_index : last + 1 - past.first_index] = np.nan


def live_at(candles: PastCandles, base: Interval, index: int) -> MemorySnapshot:
    """The market as a worker saw it when candle `index` of `base` had just closed: unbroken histories, and nothing after it."""
    frames = {interval: _frame(past, interval.last_closed_within(base, index)) for interval, past in candles.intervals.items()}
    ticker = RollingTicker(candles.of(base), slice(None), index, index)
    return MemorySnapshot(candles.symbols, frames, tickers=MemoryTickers(ticker.at(index)))


def _frame(past: PastInterval, last: int) -> MemoryFrame:
    first = min(history_anchor(last), past.first_index // HISTORY_BLOCK * HISTORY_BLOCK)
    columns = past.window(slice(None), first, last)
    closes = columns["close"]
    closed_from, closed_through = np.zeros(len(closes), np.int64), np.full(len(closes), -1)
    for row, there in enumerate(~np.isnan(closes)):
        if there.any():
            end = int(np.flatnonzero(there)[-1])
            holes = np.flatnonzero(~there[: end + 1])
            closed_from[row] = first + (int(holes[-1]) + 1 if len(holes) else 0)
            closed_through[row] = first + end
    own = {name: values.copy() for name, values in columns.items()}
    return MemoryFrame(past.interval, first, own, closed_from, closed_through, version=last)
