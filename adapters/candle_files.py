"""Past candles from a file of the user's: parquet or CSV, one row to a candle."""

from pathlib import Path

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from adapters.candle_store import VALUES
from adapters.candle_table import MOST_CELLS, CandleTable, empty_columns
from domain.errors import RefusedError
from domain.market import Interval, from_epoch_milliseconds

PRICES = ("open", "high", "low", "close")
NEEDED = ("symbol", "open_time", *PRICES, "volume")
_MICROSECONDS_FROM = 10**14
"""Epoch times from here on are microseconds: as milliseconds they would be after the year 5000."""


def read_candles(path: Path) -> CandleTable:
    """The candles of a `.parquet`, `.csv` or `.csv.gz` file.

    Columns: symbol, open_time (epoch milliseconds or microseconds, or a time in UTC), open, high, low, close, volume; quote_volume, trades,
    taker_buy_volume and taker_buy_quote_volume where they are known. The interval is that of the file's times. Raises RefusedError with
    what is wrong and where.
    """
    table = _prepared(_read(path), path)
    interval = _interval(table, path)
    symbols = tuple(table["symbol"].unique().sort().to_list())
    indices = table["open_time"].to_numpy() // interval.milliseconds
    first, last = int(indices.min()), int(indices.max())
    if len(symbols) * (last - first + 1) > MOST_CELLS:
        raise RefusedError(f"{path} spans {last - first + 1:,} candles of {len(symbols)} symbols: too many. Give a part of it.")
    columns = empty_columns(len(symbols), last - first + 1)
    rows = np.searchsorted(np.array(symbols), table["symbol"].to_numpy())
    for name in VALUES:
        if name in table.columns:
            columns[name][rows, indices - first] = table[name].to_numpy()
    return CandleTable(symbols=symbols, interval=interval, first_index=first, columns=columns, notes=_fill_in(columns, table.columns))


def _read(path: Path) -> pl.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        if path.name.endswith((".csv", ".csv.gz")):
            return pl.read_csv(path, infer_schema_length=None)
    except (PolarsError, OSError) as error:
        raise RefusedError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    raise RefusedError(f"{path} is neither .parquet nor .csv nor .csv.gz.")


def _prepared(table: pl.DataFrame, path: Path) -> pl.DataFrame:
    """The known columns with their types, in order; every row a possible candle, and no two of the same."""
    if missing := [name for name in NEEDED if name not in table.columns]:
        raise RefusedError(f"{path} has no column {', '.join(missing)}. A file of candles has {', '.join(NEEDED)}.")
    known = [name for name in ("symbol", "open_time", *VALUES) if name in table.columns]
    try:
        table = table.select(known).with_columns(
            pl.col("symbol").cast(pl.String), _milliseconds(table), *(pl.col(name).cast(pl.Float64) for name in known[2:])
        )
    except PolarsError as error:
        raise RefusedError(f"{path}: a value is not what its column holds: {str(error).splitlines()[0]}") from error
    if table.is_empty():
        raise RefusedError(f"{path} holds no candles.")
    _refuse(table.filter(pl.col("symbol").is_null() | pl.col("open_time").is_null()), path, "has no symbol or no time")
    _refuse(
        table.filter(~_possible()), path, "is no possible candle: prices above zero, high the highest, low the lowest, volume not negative"
    )
    table = table.sort("symbol", "open_time")
    _refuse(table.filter(pl.struct("symbol", "open_time").is_duplicated()), path, "is there twice")
    return table


def _milliseconds(table: pl.DataFrame) -> pl.Expr:
    column = pl.col("open_time")
    if table["open_time"].dtype == pl.String:
        column = column.str.to_datetime(time_zone="UTC")
        return column.dt.epoch("ms").alias("open_time")
    if table["open_time"].dtype.is_temporal():
        return column.dt.epoch("ms").alias("open_time")
    whole = column.cast(pl.Int64)
    return pl.when(whole >= _MICROSECONDS_FROM).then(whole // 1000).otherwise(whole).alias("open_time")


def _possible() -> pl.Expr:
    finite = pl.all_horizontal(pl.col(*PRICES, "volume").is_finite())
    ordered = (pl.col("low") <= pl.min_horizontal("open", "close")) & (pl.col("high") >= pl.max_horizontal("open", "close"))
    return (finite & ordered & (pl.col("low") > 0) & (pl.col("volume") >= 0)).fill_null(value=False)


def _refuse(wrong: pl.DataFrame, path: Path, problem: str) -> None:
    if not wrong.is_empty():
        symbol, time = wrong.row(0)[:2]
        when = "without a time" if time is None else f"of {from_epoch_milliseconds(time):%Y-%m-%d %H:%M:%S}"
        raise RefusedError(f"{path}: the candle {when} of {symbol} {problem} ({wrong.height} such rows).")


def _interval(table: pl.DataFrame, path: Path) -> Interval:
    steps = table.select(pl.col("open_time").diff().over("symbol")).to_series().drop_nulls()
    smallest = None if steps.is_empty() else steps.min()
    found = next((interval for interval in Interval if interval.milliseconds == smallest), None)
    if found is None:
        raise RefusedError(f"{path}: its times are no candles of {', '.join(Interval)}.")
    off = table.filter(pl.col("open_time") % found.milliseconds != 0)
    _refuse(off, path, f"does not begin on the grid of {found}")
    return found


def _fill_in(columns: dict[str, np.ndarray[tuple[int, int], np.dtype[np.float64]]], given: list[str]) -> tuple[str, ...]:
    notes = []
    if "quote_volume" not in given:
        columns["quote_volume"] = columns["close"] * columns["volume"]
        notes.append("The file tells no quote volume: volume times close stands in for it.")
    if unknown := [name for name in VALUES if name not in (*PRICES, "volume", "quote_volume", *given)]:
        notes.append(f"The file does not tell {', '.join(unknown)}: what reads them has no value.")
    return tuple(notes)
