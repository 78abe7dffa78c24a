"""A small market to replay: made up, a few symbols, a few days, so that a stack spends its time on traders."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from domain.market import Interval, epoch_milliseconds

BEGINS = datetime(2026, 3, 2, tzinfo=UTC)
START = "2026-03-04T12:00"
"""Long enough after the beginning for the history of 1m and 5m candles."""
DAYS = 7
SYMBOLS = tuple(f"{base}USDT" for base in ("BTC", "ETH", "BNB", "XRP", "SOL", "ADA", "DOT", "LTC", "TRX", "UNI", "XLM", "ETC"))


def write_recording(file: Path) -> None:
    """One-minute candles of every symbol, as a Parquet file; the same at every call."""
    minutes = DAYS * 24 * 60
    opens = epoch_milliseconds(BEGINS) + np.arange(minutes) * Interval.M1.milliseconds
    pl.concat([_candles(symbol, opens, seed) for seed, symbol in enumerate(SYMBOLS)]).write_parquet(file)


def _candles(symbol: str, opens: np.ndarray, seed: int) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    closes = 100 * np.exp(np.cumsum(random.normal(0, 0.001, len(opens))))
    before = np.r_[100.0, closes[:-1]]
    spread = 1 + np.abs(random.normal(0, 0.0005, (2, len(opens))))
    columns = {
        "open": before,
        "high": np.maximum(before, closes) * spread[0],
        "low": np.minimum(before, closes) / spread[1],
        "close": closes,
        "volume": random.lognormal(3, 1, len(opens)),
    }
    rounded = {name: np.round(values, 4) for name, values in columns.items()}
    return pl.DataFrame({"symbol": [symbol] * len(opens), "open_time": opens, **rounded})
