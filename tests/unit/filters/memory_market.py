"""A market in memory: candles of some symbols as an engine sees them."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from domain.market import Interval
from filters.frames import TICKER_FIELDS, Matrix


@dataclass(frozen=True)
class MemoryFrame:
    interval: Interval
    first_index: int
    columns: dict[str, Matrix]
    closed_from: NDArray[np.int64]
    closed_through: NDArray[np.int64]
    version: int = 1

    def through(self, index: int) -> "MemoryFrame":
        """What was there when candle `index` had just closed: nothing after it."""
        columns = {name: values[:, : index + 1 - self.first_index].copy() for name, values in self.columns.items()}
        return replace(self, columns=columns, closed_through=np.minimum(self.closed_through, index))

    def kept_from(self, index: int) -> "MemoryFrame":
        """The same candles without those before `index`, as a frame that has rolled on."""
        columns = {name: values[:, index - self.first_index :].copy() for name, values in self.columns.items()}
        return replace(self, columns=columns, first_index=index, closed_from=np.maximum(self.closed_from, index))


@dataclass(frozen=True)
class MemoryTickers:
    columns: dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class MemorySnapshot:
    symbols: tuple[str, ...]
    frames: dict[Interval, MemoryFrame]
    seq: int = 1
    tickers: MemoryTickers = field(default_factory=lambda: MemoryTickers({}))

    def frame(self, interval: Interval) -> MemoryFrame:
        return self.frames[interval]

    def at_close(self, base: Interval, index: int) -> "MemorySnapshot":
        """The market as it was when candle `index` of `base` had just closed."""
        frames = {interval: frame.through(interval.last_closed_within(base, index)) for interval, frame in self.frames.items()}
        return replace(self, frames=frames)


def random_frame(interval: Interval, first_index: int, rows: int, width: int, seed: int = 0) -> MemoryFrame:
    """Candles of random walks, all closed."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(scale=0.01, size=(rows, width)), axis=1))
    opened = np.concatenate([close[:, :1], close[:, :-1]], axis=1) * (1 + random.normal(scale=0.001, size=close.shape))
    spread = 1 + np.abs(random.normal(scale=0.004, size=close.shape))
    volume = random.lognormal(mean=5, size=close.shape)
    columns = {
        "open": opened,
        "high": np.maximum(opened, close) * spread,
        "low": np.minimum(opened, close) / spread,
        "close": close,
        "volume": volume,
        "quote_volume": volume * close,
        "trades": np.floor(volume),
        "taker_buy_volume": volume * random.uniform(size=close.shape),
    }
    columns["taker_buy_quote_volume"] = columns["taker_buy_volume"] * close
    last = first_index + width - 1
    return MemoryFrame(interval, first_index, columns, np.full(rows, first_index), np.full(rows, last))


def random_tickers(rows: int, seed: int = 0) -> MemoryTickers:
    random = np.random.default_rng(seed)
    return MemoryTickers({name: random.normal(size=rows) for name in TICKER_FIELDS})


def random_market(base: Interval, last: int, *others: Interval, rows: int = 6, blocks: int = 5, seed: int = 0) -> MemorySnapshot:
    """Frames of `base` and `others` that reach candle `last` of `base` and at least `blocks` - 1 blocks of 256 candles before it."""
    frames = {}
    for place, interval in enumerate((base, *others)):
        end = interval.last_closed_within(base, last)
        first = 256 * (end // 256 - blocks + 1)
        frames[interval] = random_frame(interval, first, rows, end - first + 1, seed * 10 + place)
    return MemorySnapshot(tuple(f"S{row}USDT" for row in range(rows)), frames, tickers=random_tickers(rows, seed))
