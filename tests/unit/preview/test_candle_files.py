"""Candles from a user's file: what is read, and what is wrong with one that is not."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from adapters.candle_files import read_candles
from domain.errors import RefusedError
from domain.market import Interval

OPENED = 1_721_606_400_000


def rows(symbol: str = "AUSDT", count: int = 4, **changes: object) -> pl.DataFrame:
    """Candles of 5m from 2024-07-22 on."""
    table = {
        "symbol": [symbol] * count,
        "open_time": [OPENED + 300_000 * place for place in range(count)],
        "open": [1.0] * count,
        "high": [1.5] * count,
        "low": [0.5] * count,
        "close": [1.2] * count,
        "volume": [10.0] * count,
    }
    return pl.DataFrame(table).with_columns(*(pl.lit(value).alias(name) for name, value in changes.items()))


def written(path: Path, table: pl.DataFrame) -> Path:
    if path.suffix == ".parquet":
        table.write_parquet(path)
    else:
        table.write_csv(path)
    return path


@pytest.mark.parametrize("name", ["a.parquet", "a.csv"])
def test_symbols_of_different_length(tmp_path: Path, name: str) -> None:
    found = read_candles(written(tmp_path / name, pl.concat([rows("BUSDT", 5), rows("AUSDT", 3)])))

    assert (("AUSDT", "BUSDT"), Interval.M5, OPENED // 300_000) == (found.symbols, found.interval, found.first_index)
    assert [[1.2, 1.2, 1.2, None, None], [1.2] * 5] == [
        [None if np.isnan(value) else value for value in row] for row in found.columns["close"].tolist()
    ]
    assert 12.0 == found.columns["quote_volume"][0, 0]
    assert np.isnan(found.columns["trades"]).all()
    assert ["quote volume" in note or "trades, taker_buy_volume" in note for note in found.notes] == [True, True]


def test_every_column_is_taken_where_it_is_known(tmp_path: Path) -> None:
    known = rows(quote_volume=7.0, trades=3, taker_buy_volume=4.0, taker_buy_quote_volume=5.0)
    found = read_candles(written(tmp_path / "a.parquet", known))

    assert [7.0, 3.0, 4.0, 5.0] == [
        found.columns[name][0, 0] for name in ("quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume")
    ]
    assert () == found.notes


@pytest.mark.parametrize(
    "times",
    [
        pl.col("open_time") * 1000,
        pl.from_epoch("open_time", "ms"),
        pl.from_epoch("open_time", "ms").dt.strftime("%Y-%m-%d %H:%M:%S"),
        pl.from_epoch("open_time", "ms").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
    ],
    ids=["microseconds", "datetime", "text", "text with zone"],
)
def test_times_in_other_forms(tmp_path: Path, times: pl.Expr) -> None:
    found = read_candles(written(tmp_path / "a.parquet", rows().with_columns(times.alias("open_time"))))
    assert (OPENED // 300_000, 4) == (found.first_index, found.columns["close"].shape[1])


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (rows().drop("close", "volume"), "has no column close, volume"),
        (rows().clear(), "holds no candles"),
        (pl.concat([rows(), rows()]), "is there twice"),
        (rows(close=2.0), "is no possible candle"),
        (rows(low=0.0), "is no possible candle"),
        (rows(volume=-1.0), "is no possible candle"),
        (rows(open=float("nan")), "is no possible candle"),
        (rows(close="cheap"), "a value is not what its column holds"),
        (rows(symbol=None), "has no symbol or no time"),
        (rows(count=1), "its times are no candles"),
        (rows().with_columns(pl.col("open_time") + 1), "does not begin on the grid of 5m"),
        (rows().with_columns(pl.col("open_time") * 2 - OPENED), "its times are no candles"),
        (pl.concat([rows(), rows("BUSDT").with_columns(pl.col("open_time") + 40_000_000 * 300_000)]), "too many"),
    ],
)
def test_file_that_is_not_one_of_candles(tmp_path: Path, table: pl.DataFrame, problem: str) -> None:
    with pytest.raises(RefusedError, match=problem):
        read_candles(written(tmp_path / "a.parquet", table))


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.xlsx", "a.csv"):
        (tmp_path / name).write_bytes(b"\x00\xff no table")
        with pytest.raises(RefusedError, match=r"a\.(parquet|csv|xlsx)"):
            read_candles(tmp_path / name)
