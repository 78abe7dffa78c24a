"""The recorded market: real files as they are, unsuitable ones refused with a reason."""

import functools
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from domain.market import Interval
from local.exchange.market import every_row
from local.exchange.recorded import RecordedMarket, RecordingError

DATA = Path(__file__).parents[4] / "shared" / "data" / "klines"
REAL = [DATA / "1m_94usdt_2021-05-11_2021-05-13.parquet", DATA / "5m_379usdt_2024-07-22_2024-07-30.parquet"]
PRICES = ("open", "high", "low", "close", "volume")
MINUTE = 60_000
START = 1_700_006_400_000  # a whole hour


@functools.cache
def recorded(path: Path) -> RecordedMarket:
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    return RecordedMarket(path)


def candle(symbol: str, index: int, close: float = 1.5, volume: float = 10.0) -> dict[str, object]:
    return {
        "symbol": symbol, "open_time": START + index * MINUTE, "open": 1.0, "high": 2.0, "low": 0.5, "close": close, "volume": volume
    }  # fmt: skip


def written(path: Path, rows: list[dict[str, object]]) -> Path:
    pl.DataFrame(rows).write_parquet(path)
    return path


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
@pytest.mark.parametrize("interval", [Interval.M5, Interval.M15, Interval.H1, Interval.H4, Interval.D1])
def test_larger_intervals_equal_a_group_by_of_the_file(path, interval):
    market = recorded(path)
    traded = pl.col("volume") > 0
    grouped = (
        pl.read_parquet(path)
        .with_columns(symbol=pl.col("symbol").cast(pl.String), index=pl.col("open_time") // interval.milliseconds)
        .filter(pl.col("index") >= market.first_index(interval), (pl.col("index") + 1) * interval.milliseconds <= market.ends)
        .sort("symbol", "open_time")
        .group_by("symbol", "index", maintain_order=True)
        .agg(
            pl.coalesce(pl.col("open").filter(traded).first(), pl.col("open").first()),
            pl.coalesce(pl.col("high").filter(traded).max(), pl.col("high").last()),
            pl.coalesce(pl.col("low").filter(traded).min(), pl.col("low").last()),
            pl.col("close").last(),
            pl.col("volume").sum(),
        )
    )
    first, names = market.first_index(interval), [listing.symbol for listing in market.listings]
    rows = np.searchsorted(names, grouped["symbol"].to_numpy().astype(str))
    columns = grouped["index"].to_numpy() - first
    candles = market.candles(every_row(market), interval, first, int(columns.max()) + 1).values[:5, rows, columns]
    price = np.array([10.0**listing.price_decimals for listing in market.listings])[rows]
    lots = np.array([10.0**listing.volume_decimals for listing in market.listings])[rows]

    np.testing.assert_allclose(candles / np.stack([price] * 4 + [lots]), grouped.select(*PRICES).to_numpy().T, rtol=1e-9)


def test_intervals_below_the_base_are_not_offered():
    assert recorded(REAL[1]).intervals == (Interval.M5, Interval.M15, Interval.H1, Interval.H4, Interval.D1)


def test_a_gap_repeats_the_close_before_it_without_volume(tmp_path):
    market = RecordedMarket(
        written(tmp_path / "gap.parquet", [candle("AUSDT", 0, close=1.7), candle("AUSDT", 1, close=1.9), candle("AUSDT", 3)])
    )
    filled = market.candles(np.array([0]), Interval.M1, START // MINUTE + 2, 1).values[:, 0, 0]

    assert market.listings[0].price_decimals == 1
    assert filled[:7].tolist() == [19, 19, 19, 19, 0, 0, 0]


def test_a_symbol_that_came_later_has_nothing_before(tmp_path):
    rows = [candle("AUSDT", index) for index in range(4)] + [candle("BUSDT", index) for index in (2, 3)]
    market = RecordedMarket(written(tmp_path / "late.parquet", rows))
    candles = market.candles(np.array([1]), Interval.M1, START // MINUTE, 4)

    assert (candles.close[0] == 0).tolist() == [True, True, False, False]


def test_csv_and_parquet_give_the_same_market(tmp_path):
    rows = [candle("AUSDT", index, close=1 + index / 16, volume=index * 1.25) for index in range(10)]
    from_parquet = RecordedMarket(written(tmp_path / "a.parquet", rows))
    pl.DataFrame(rows).write_csv(tmp_path / "a.csv")
    from_csv = RecordedMarket(tmp_path / "a.csv")
    wanted = (np.array([0]), Interval.M1, START // MINUTE, 10)

    assert np.array_equal(from_parquet.candles(*wanted).values, from_csv.candles(*wanted).values)


def spoiled(**changes: object) -> list[dict[str, object]]:
    return [candle("AUSDT", 0), candle("AUSDT", 1) | changes]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([{"symbol": "AUSDT", "open_time": START}], "column open is missing"),
        (spoiled(low=1.7), "1 candles make no sense"),
        (spoiled(high=float("nan")), "1 candles make no sense"),
        (spoiled(volume=-1.0), "1 candles make no sense"),
        (spoiled(open_time=START), "two candles of one symbol"),
        (spoiled(open_time=START + 7_000), "7000 ms apart"),
        ([candle("AUSDT", 0)], "same open_time"),
    ],
)
def test_an_unsuitable_file_is_refused_with_the_reason(tmp_path, rows, reason):
    with pytest.raises(RecordingError, match=reason):
        RecordedMarket(written(tmp_path / "bad.parquet", rows))


@pytest.mark.parametrize(
    ("name", "content"), [("a.parquet", b""), ("a.parquet", b"PAR1 nothing"), ("a.csv", b""), ("a.csv.gz", b"\x1f\x8bno")]
)
def test_a_broken_file_is_refused_as_unreadable(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(RecordingError, match=r"cannot be read|is missing"):
        RecordedMarket(path)
