"""A recorded market: a file of real candles, with everything the file lacks derived from them."""

from pathlib import Path

import numpy as np
import polars as pl

from domain.market import Interval, Market
from local.exchange.candles import QUOTE_DECIMALS, Candles, Integers, Listing, aggregate, empty
from local.exchange.noise import Bits, Floats, bits, key, uniform

_COLUMNS = ("symbol", "open_time", "open", "high", "low", "close", "volume")
_EXPECTED = f"a Parquet or CSV(.gz) file with the columns {', '.join(_COLUMNS)}; open_time in epoch milliseconds, candles of 1m or 5m"
_QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "BTC", "ETH", "BNB", "EUR", "TRY")
_MOST_DECIMALS = 8
_LEAST_PRICE = 1e-8
_TRADE_SIZE = 300 * 10**QUOTE_DECIMALS
_TAKERS = 300


class RecordingError(Exception):
    """The file cannot be replayed; the message says why and what is expected."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}. Expected {_EXPECTED}.")


class RecordedMarket:
    """The market of one file. A gap in a symbol's candles is filled with candles without volume at the close before it."""

    kind = Market.REPLAY

    def __init__(self, path: Path) -> None:
        """Raises RecordingError when the file is not what is expected."""
        table = _read(path)
        symbols = sorted(table["symbol"].unique())
        base = _base_interval(path, table)
        self.begins: int = int(table["open_time"].to_numpy().min())
        self.ends: int = int(table["open_time"].to_numpy().max()) + base.milliseconds
        self.keys: Bits = np.array([key(symbol) for symbol in symbols], dtype=np.uint64)
        matrices = _matrices(table, base, symbols, self.begins, self.ends)
        decimals = [(_decimals(matrices[0:4, row]), _decimals(matrices[4:5, row])) for row in range(len(symbols))]
        self.listings: tuple[Listing, ...] = tuple(_listing(symbol, *places) for symbol, places in zip(symbols, decimals, strict=True))
        self.units: Floats = np.array([10.0 ** (QUOTE_DECIMALS - price - volume) for price, volume in decimals])
        self.intervals: tuple[Interval, ...] = tuple(interval for interval in Interval if interval.milliseconds >= base.milliseconds)
        known = _filled(_integers(matrices, self.listings, self.keys))
        self.listed_since: Integers = self.begins + np.argmax(known.close > 0, axis=1) * base.milliseconds
        self._recorded = self._every_interval(known)

    def first_index(self, interval: Interval) -> int:
        """Index of the interval's first candle that the file covers from its beginning."""
        return -(-self.begins // interval.milliseconds)

    def candles(self, rows: Integers, interval: Interval, first: int, count: int) -> Candles:
        """The whole candles [first, first + count), shape [row, count]; what the file does not cover is zero."""
        recorded = self._recorded[interval]
        offset = first - self.first_index(interval)
        start, stop = max(0, offset), max(0, min(offset + count, recorded.shape[1]))
        values = empty((len(rows), count)).values
        if start < stop:
            values[..., start - offset : stop - offset] = recorded.values[:, rows, start:stop]
        return Candles(values)

    def _every_interval(self, base: Candles) -> dict[Interval, Candles]:
        candles = {self.intervals[0]: base}
        for smaller, interval in zip(self.intervals, self.intervals[1:], strict=False):
            size = interval.milliseconds // smaller.milliseconds
            skipped = self.first_index(interval) * size - self.first_index(smaller)
            whole = max(0, (candles[smaller].shape[1] - skipped) // size)
            candles[interval] = aggregate(candles[smaller].columns(skipped, skipped + whole * size), size)
        return candles


def _read(path: Path) -> pl.DataFrame:
    try:
        table = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path)
        if missing := [column for column in _COLUMNS if column not in table.columns]:
            raise RecordingError(path, f"the column {missing[0]} is missing")
        table = table.select(pl.col("symbol").cast(pl.String), pl.col("open_time").cast(pl.Int64), pl.col(*_COLUMNS[2:]).cast(pl.Float64))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise RecordingError(path, f"cannot be read ({str(error).splitlines()[0]})") from error
    if table.is_empty():
        raise RecordingError(path, "has no candles")
    _refuse_nonsense(path, table)
    return table


def _refuse_nonsense(path: Path, table: pl.DataFrame) -> None:
    price = (
        pl.col("low").le(pl.min_horizontal("open", "close"))
        & pl.col("high").ge(pl.max_horizontal("open", "close"))
        & pl.col("low").ge(_LEAST_PRICE)
    )
    sound = (price & pl.col("volume").ge(0) & pl.all_horizontal(pl.col(*_COLUMNS[2:]).is_finite())).fill_null(value=False)
    if (wrong := table.filter(~sound | pl.col("symbol").is_null() | pl.col("open_time").is_null())).height:
        raise RecordingError(path, f"{wrong.height} candles make no sense, the first is {wrong.row(0)}")
    if table.select("symbol", "open_time").is_duplicated().any():
        raise RecordingError(path, "has two candles of one symbol with the same open_time")


def _base_interval(path: Path, table: pl.DataFrame) -> Interval:
    times = np.unique(table["open_time"].to_numpy())
    step = int(np.diff(times).min()) if len(times) > 1 else 0
    for interval in (Interval.M1, Interval.M5):
        if step == interval.milliseconds and not (times % interval.milliseconds).any():
            return interval
    raise RecordingError(path, f"its candles are {step} ms apart" if step else "all its candles have the same open_time")


def _matrices(table: pl.DataFrame, base: Interval, symbols: list[str], begins: int, ends: int) -> Floats:
    # Shape [5, symbol, candle]: open, high, low, close, volume; NaN where the file has no candle.
    rows = np.searchsorted(np.array(symbols), table["symbol"].to_numpy().astype(str))
    columns = (table["open_time"].to_numpy() - begins) // base.milliseconds
    matrices = np.full((5, len(symbols), (ends - begins) // base.milliseconds), np.nan)
    matrices[:, rows, columns] = table.select(*_COLUMNS[2:]).to_numpy().T
    return matrices


def _decimals(values: Floats) -> int:
    known = values[np.isfinite(values)]
    for decimals in range(_MOST_DECIMALS):
        scaled = known * 10.0**decimals
        if np.all(np.abs(scaled - np.rint(scaled)) <= 1e-9 * scaled):
            return decimals
    return _MOST_DECIMALS


def _listing(symbol: str, price_decimals: int, volume_decimals: int) -> Listing:
    quote = next((quote for quote in _QUOTES if symbol.endswith(quote) and symbol != quote), "USDT")
    return Listing(
        symbol=symbol,
        base_asset=symbol.removesuffix(quote),
        quote_asset=quote,
        price_decimals=price_decimals,
        volume_decimals=volume_decimals,
    )


def _integers(matrices: Floats, listings: tuple[Listing, ...], keys: Bits) -> Candles:
    values = empty(matrices.shape[1:]).values
    price_scale = np.array([10.0**listing.price_decimals for listing in listings])[:, None]
    volume_scale = np.array([10.0**listing.volume_decimals for listing in listings])[:, None]
    known = np.nan_to_num(matrices)
    values[0:4] = np.rint(known[0:4] * price_scale)
    values[4] = np.rint(known[4] * volume_scale)
    values[5] = np.rint(known[0:4].sum(axis=0) / 4 * known[4] * 10.0**QUOTE_DECIMALS)
    values[6] = np.where(values[4] > 0, np.maximum(1, values[5] // _TRADE_SIZE), 0)
    bought = 0.35 + 0.3 * uniform(bits(keys, _TAKERS, 0, values.shape[-1]), 0)
    values[7] = np.floor(values[4] * bought)
    values[8] = np.where(values[4] > 0, np.floor(values[5] * (values[7] / np.maximum(values[4], 1))), 0)
    values[9] = np.cumsum(values[6], axis=1) - values[6]
    return Candles(values)


def _filled(candles: Candles) -> Candles:
    # A column without a price takes the newest close before it; before a symbol's first candle everything stays zero.
    values = candles.values
    known = np.maximum.accumulate(np.where(candles.close > 0, np.arange(candles.shape[1]), 0), axis=1)
    last_close = np.take_along_axis(candles.close, known, axis=1)
    values[0:4] = np.where(candles.close > 0, values[0:4], last_close)
    return Candles(values)
