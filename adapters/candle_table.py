"""Past closed candles as matrices, wherever they were read from."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.candle_store import VALUES
from domain.market import Interval

MOST_CELLS = 30_000_000
"""Symbols times candles: with nine columns these take 2 GB."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CandleTable:
    """Column j is the candle with grid index `first_index + j`, for every symbol alike; NaN where a symbol has none.

    Where a candle from `first_index` on is not here, there never was one.
    """

    symbols: tuple[str, ...]
    interval: Interval
    first_index: int
    columns: Mapping[str, NDArray[np.float64]]
    """All of candle_store.VALUES, [symbol, candle]."""
    notes: tuple[str, ...] = ()
    """What is not as the exchange tells it."""


def empty_columns(symbols: int, candles: int) -> dict[str, NDArray[np.float64]]:
    """Matrices of a table without candles."""
    return {name: np.full((symbols, candles), np.nan) for name in VALUES}
