"""Rolling 24 h statistics of every symbol as columns."""

import numpy as np
from numpy.typing import NDArray

WIRE_VALUES = ("last", "open", "high", "low", "volume", "quote_volume")
TICKER = np.dtype([("row", "<u2"), ("event_time", "<i8"), *((name, "<f8") for name in WIRE_VALUES)])
"""One symbol's ticker, packed, little-endian: 58 bytes; `event_time` in epoch milliseconds."""
COLUMNS = (*WIRE_VALUES, "change", "change_percent", "weighted_average")


class TickerTable:
    """The newest ticker of each row; provides `filters.frames.Tickers`."""

    def __init__(self) -> None:
        self.columns: dict[str, NDArray[np.float64]] = {name: np.empty(0) for name in COLUMNS}
        self.event_time = np.empty(0, np.int64)

    def append(self, rows: int) -> None:
        """Add rows about which nothing is known."""
        self.columns = {name: np.append(column, np.full(rows, np.nan)) for name, column in self.columns.items()}
        self.event_time = np.append(self.event_time, np.zeros(rows, np.int64))

    def apply(self, records: np.ndarray[tuple[int], np.dtype[np.void]]) -> None:
        """Take over tickers (dtype TICKER, at most one per row) that are newer than what is known."""
        newer = records[records["event_time"] > self.event_time[records["row"]]]
        rows = newer["row"]
        self.event_time[rows] = newer["event_time"]
        for name in WIRE_VALUES:
            self.columns[name][rows] = newer[name]
        change = newer["last"] - newer["open"]
        self.columns["change"][rows] = change
        with np.errstate(divide="ignore", invalid="ignore"):
            self.columns["change_percent"][rows] = np.where(newer["open"] > 0, 100 * change / newer["open"], np.nan)
            self.columns["weighted_average"][rows] = np.where(newer["volume"] > 0, newer["quote_volume"] / newer["volume"], np.nan)

    def records(self) -> np.ndarray[tuple[int], np.dtype[np.void]]:
        """Everything known, as it would be sent."""
        rows = np.flatnonzero(self.event_time)
        records = np.empty(len(rows), TICKER)
        records["row"], records["event_time"] = rows, self.event_time[rows]
        for name in WIRE_VALUES:
            records[name] = self.columns[name][rows]
        return records
