"""What an engine needs of the market: candles as matrices. The worker's replica provides it by structure."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from domain.market import Interval

COLUMNS = ("open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume")
"""What is known of a candle."""
TICKER_FIELDS = ("last", "open", "high", "low", "volume", "quote_volume", "change", "change_percent", "weighted_average")
"""What is known of a symbol's rolling 24 h."""

Matrix = NDArray[np.float64]
"""Shape [symbol, candle]; NaN where a symbol has no such candle."""


class Frame(Protocol):
    """The candles of one interval. Column j is the candle with grid index `first_index + j`, for every symbol alike."""

    @property
    def interval(self) -> Interval: ...
    @property
    def first_index(self) -> int:
        """Grid index of column 0; a multiple of HISTORY_BLOCK."""

    @property
    def version(self) -> int:
        """Grows whenever a closed candle of this interval arrives or changes; same version, same closed candles."""

    @property
    def columns(self) -> dict[str, Matrix]:
        """By name, see COLUMNS. Views: read them only within one evaluation."""

    @property
    def closed_from(self) -> NDArray[np.int64]:
        """Per symbol: grid index of the first candle of its unbroken closed history."""

    @property
    def closed_through(self) -> NDArray[np.int64]:
        """Per symbol: grid index of the last candle of its unbroken closed history; -1 when the history is not complete yet."""


class Tickers(Protocol):
    """Rolling 24 h statistics, shape [symbol], NaN where unknown."""

    @property
    def columns(self) -> dict[str, NDArray[np.float64]]:
        """By name, see TICKER_FIELDS."""


class MarketSnapshot(Protocol):
    """One consistent view of the market."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Row order of every matrix. Rows are only ever appended while a replica lives."""

    @property
    def seq(self) -> int:
        """The feeder's sequence number this view includes."""

    @property
    def tickers(self) -> Tickers: ...
    def frame(self, interval: Interval) -> Frame:
        """The candles of one interval."""
