"""Recorded candles as an engine sees them: 400 symbols, 5m and the hours made of them."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from domain.market import HISTORY_BLOCK, Interval, history_anchor
from filters.frames import Matrix

SYMBOLS = 400
BASE, HOUR = Interval.M5, Interval.H1
RECORDING = Path(__file__).parents[3] / "shared" / "data" / "klines" / "5m_379usdt_2024-07-22_2024-07-30.parquet"
_COLUMNS = ("open", "high", "low", "close", "volume")
_GENERATED = 2_163


@dataclass(frozen=True)
class RecordedFrame:
    """Candles that have all closed; provides `filters.frames.Frame`."""

    interval: Interval
    first_index: int
    columns: dict[str, Matrix]
    closed_from: NDArray[np.int64]
    closed_through: NDArray[np.int64]
    version: int


@dataclass(frozen=True)
class NoTickers:
    """No rule here reads them."""

    columns: dict[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True)
class RecordedSnapshot:
    """The market at one moment; provides `filters.frames.MarketSnapshot`."""

    symbols: tuple[str, ...]
    frames: dict[Interval, RecordedFrame]
    seq: int
    tickers: NoTickers = field(default_factory=NoTickers)

    def frame(self, interval: Interval) -> RecordedFrame:
        return self.frames[interval]


class RecordedMarket:
    """What the exchange sent, or, where the recording is not on this machine, walks at random of the same size."""

    def __init__(self) -> None:
        self.is_recorded = RECORDING.exists()
        names, columns, first = _recording() if self.is_recorded else _generated()
        rows = np.arange(SYMBOLS) % len(names)
        self.symbols = tuple(f"{names[row]}{place // len(names) or ''}" for place, row in enumerate(rows.tolist()))
        base = {name: values[rows] for name, values in columns.items()}
        base["quote_volume"] = base["close"] * base["volume"]
        self._candles = {BASE: (base, first), HOUR: _hours(base, first)}
        last = first + base["close"].shape[1] - 1
        self.newest = last - (last + 2) % HISTORY_BLOCK
        """The last candle of its block, whose history is the longest there is: 767 candles."""

    def at_close(self, index: int, *, version: int) -> RecordedSnapshot:
        """The market when candle `index` of BASE had just closed."""
        frames = {interval: self._frame(interval, interval.last_closed_within(BASE, index), version) for interval in (BASE, HOUR)}
        return RecordedSnapshot(self.symbols, frames, version)

    def _frame(self, interval: Interval, newest: int, version: int) -> RecordedFrame:
        """The history that ends with candle `newest`, empty where the recording begins later."""
        columns, first = self._candles[interval]
        begin = history_anchor(newest)
        absent = max(0, first - begin)
        kept = {name: values[:, max(0, begin - first) : newest + 1 - first] for name, values in columns.items()}
        padded = {name: np.pad(values, ((0, 0), (absent, 0)), constant_values=np.nan) for name, values in kept.items()}
        rows = (np.full(SYMBOLS, max(begin, first)), np.full(SYMBOLS, newest))
        return RecordedFrame(interval, begin, padded, *rows, version)


def _recording() -> tuple[list[str], dict[str, Matrix], int]:
    table = pl.read_parquet(RECORDING).with_columns(pl.col("symbol").cast(pl.String)).sort("symbol", "open_time")
    counts = table.group_by("symbol").len()
    whole = counts.filter(pl.col("len") == counts["len"].mode()[0])["symbol"].sort().to_list()
    table = table.filter(pl.col("symbol").is_in(whole))
    columns = {name: table[name].to_numpy().reshape(len(whole), -1) for name in _COLUMNS}
    return whole, columns, int(table["open_time"][0]) // BASE.milliseconds


def _generated() -> tuple[list[str], dict[str, Matrix], int]:
    random = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(random.normal(scale=0.003, size=(SYMBOLS, _GENERATED)), axis=1))
    opened = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    spread = 1 + np.abs(random.normal(scale=0.001, size=close.shape))
    high, low = np.maximum(opened, close) * spread, np.minimum(opened, close) / spread
    columns = {"open": opened, "high": high, "low": low, "close": close, "volume": random.lognormal(mean=8, size=close.shape)}
    return [f"S{row}USDT" for row in range(SYMBOLS)], columns, 5_739_000


def _hours(base: dict[str, Matrix], first: int) -> tuple[dict[str, Matrix], int]:
    width = HOUR.milliseconds // BASE.milliseconds
    skip = -first % width
    hours = (base["close"].shape[1] - skip) // width
    grouped = {name: values[:, skip : skip + hours * width].reshape(SYMBOLS, hours, width) for name, values in base.items()}
    columns = {
        "open": grouped["open"][..., 0],
        "high": grouped["high"].max(axis=2),
        "low": grouped["low"].min(axis=2),
        "close": grouped["close"][..., -1],
        "volume": grouped["volume"].sum(axis=2),
        "quote_volume": grouped["quote_volume"].sum(axis=2),
    }
    return columns, (first + skip) // width
