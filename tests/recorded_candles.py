"""The recorded candles that stand beside the repository on some machines."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from domain.market import Interval
from filters.frames import Matrix

KLINES = Path(__file__).parents[2] / "shared" / "data" / "klines"
JULY_2024 = KLINES / "5m_379usdt_2024-07-22_2024-07-30.parquet"
MAY_2021 = KLINES / "1m_94usdt_2021-05-11_2021-05-13.parquet"
NO_RECORD = "the recorded candles are not on this machine"


@dataclass(frozen=True, eq=False)
class RecordedCandles:
    """Candles of symbols that were all recorded over the same time, [symbol x candle], without a gap."""

    symbols: tuple[str, ...]
    interval: Interval
    first_index: int
    columns: dict[str, Matrix]
    """open, high, low, close, volume; and quote_volume, which was not recorded, as volume times close."""

    def joined(self, interval: Interval) -> "RecordedCandles":
        """The candles of a longer interval that lie wholly within these."""
        parts = interval.milliseconds // self.interval.milliseconds
        skip = -self.first_index % parts
        rows, width = self.columns["close"].shape
        width = (width - skip) // parts
        grouped = {name: values[:, skip : skip + width * parts].reshape(rows, width, parts) for name, values in self.columns.items()}
        columns = {
            "open": grouped["open"][..., 0],
            "high": grouped["high"].max(axis=2),
            "low": grouped["low"].min(axis=2),
            "close": grouped["close"][..., -1],
            "volume": grouped["volume"].sum(axis=2),
            "quote_volume": grouped["quote_volume"].sum(axis=2),
        }
        return RecordedCandles(self.symbols, interval, (self.first_index + skip) // parts, columns)


def read_recorded(path: Path, interval: Interval, symbols: int | None = None) -> RecordedCandles:
    """The first symbols by name, or all, that have as many candles as most."""
    table = pl.read_parquet(path).with_columns(pl.col("symbol").cast(pl.String)).sort("symbol", "open_time")
    counts = table.group_by("symbol").len()
    whole = counts.filter(pl.col("len") == counts["len"].mode()[0])["symbol"].sort().to_list()[:symbols]
    table = table.filter(pl.col("symbol").is_in(whole))
    columns = {name: table[name].to_numpy().reshape(len(whole), -1).copy() for name in ("open", "high", "low", "close", "volume")}
    columns["quote_volume"] = columns["close"] * columns["volume"]
    return RecordedCandles(tuple(whole), interval, int(table["open_time"][0]) // interval.milliseconds, columns)
