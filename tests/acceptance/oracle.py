"""What the signals must be, found without any of the product's code: recorded candles, pandas and TA-Lib.

Every rule of design/filters.md that decides a signal is written here a second time: the anchored history (512 to 767 candles, from a
multiple of 256), other intervals aligned to what had closed, new against continuing. The limit of signals a candle is not: which ones
are dropped depends on which symbols are late, so the rules here stay below it (`most_at_once`).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import talib

MINUTE = 60_000
WIDTH = {"1m": MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "1h": 60 * MINUTE}
CURRENCIES = ("AUDUSDT", "GBPUSDT")
"""Recorded, but not followed: their base assets stand for a currency."""

Columns = dict[str, np.ndarray]
History = Callable[[str], Columns]
"""The candles of an interval that an evaluation sees, oldest first."""


@dataclass(frozen=True)
class OracleTrader:
    """A trader in both forms: the product's filter, and the same rule for one symbol's history."""

    name: str
    interval: str
    code: str
    rule: Callable[[History], np.ndarray]
    """Whether each candle of the base history matches."""
    others: tuple[str, ...] = ()
    most_symbols: int | None = None
    """It names so many symbols; none: it screens the whole market."""


def _crosses_above(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    above = np.zeros(len(a), dtype=bool)
    above[1:] = (a[1:] > b[1:]) & (a[:-1] <= b[:-1])
    return above


def _seen_from(base: str, other: str, base_opens: np.ndarray, opens: np.ndarray, values: np.ndarray) -> np.ndarray:
    """For each base candle the value of the newest candle of the other interval that had closed when it closed."""
    newest = np.searchsorted(opens + WIDTH[other], base_opens + WIDTH[base], side="right") - 1
    return np.where(newest >= 0, values[np.maximum(newest, 0)], np.nan)


def _oversold_bounce(history: History) -> np.ndarray:
    base = history("1m")
    return _crosses_above(talib.RSI(base["close"], 14), np.full(len(base["close"]), 30.0))


def _volume_spike(history: History) -> np.ndarray:
    base = history("1m")
    average = np.r_[np.nan, talib.SMA(base["volume"], 20)[:-1]]
    return (base["volume"] > 4 * average) & (base["close"] > base["open"])


def _golden_cross(history: History) -> np.ndarray:
    base, hourly = history("5m"), history("1h")
    trend = hourly["close"] > talib.EMA(hourly["close"], 21)
    rising = _seen_from("5m", "1h", base["open_time"], hourly["open_time"], trend.astype(float)) == 1
    return _crosses_above(talib.EMA(base["close"], 9), talib.EMA(base["close"], 21)) & rising


def _squeeze_break(history: History) -> np.ndarray:
    base, quarter = history("1m"), history("15m")
    _, _, lower = talib.BBANDS(base["close"], 20, 2.0, 2.0)
    strength = talib.ADX(quarter["high"], quarter["low"], quarter["close"], 14)
    strong = _seen_from("1m", "15m", base["open_time"], quarter["open_time"], strength) > 20
    return (base["close"] < lower) & strong


def _momentum_turn(history: History) -> np.ndarray:
    base = history("15m")
    line, signal, _ = talib.MACD(base["close"], 12, 26, 9)
    return _crosses_above(line, signal) | (base["high"] >= talib.MAX(base["high"], 20))


TRADERS = (
    OracleTrader("oversold bounce", "1m", "match = crosses_above(rsi(close, 14), 30)", _oversold_bounce, most_symbols=40),
    OracleTrader("volume spike", "1m", "match = volume > 4 * sma(volume, 20)[1] and close > open", _volume_spike),
    OracleTrader(
        "golden cross",
        "5m",
        'hourly = candles("1h")\nmatch = crosses_above(ema(close, 9), ema(close, 21)) and hourly.close > ema(hourly.close, 21)',
        _golden_cross,
        ("1h",),
    ),
    OracleTrader(
        "band break",
        "1m",
        'quarter = candles("15m")\nmatch = close < bbands(close, 20, 2).lower and adx(quarter.high, quarter.low, quarter.close, 14) > 20',
        _squeeze_break,
        ("15m",),
    ),
    OracleTrader(
        "momentum turn",
        "15m",
        "trend = macd(close, 12, 26, 9)\nmatch = crosses_above(trend.macd, trend.signal) or high >= highest(high, 20)",
        _momentum_turn,
    ),
)


class Oracle:
    """Recorded one-minute candles, and what any trader must find on them."""

    def __init__(self, file: str) -> None:
        minutes = pd.read_parquet(file).astype({"symbol": str})
        minutes = minutes[~minutes.symbol.isin(CURRENCIES)]
        self.symbols = tuple(sorted(minutes.symbol.unique()))
        self._candles = {width: self._resampled(minutes, WIDTH[width]) for width in WIDTH}

    def _resampled(self, minutes: pd.DataFrame, width: int) -> dict[str, Columns]:
        """Candles of one width by symbol. Empty minutes count for nothing but their close."""
        frame = minutes.assign(bucket=minutes.open_time // width * width)
        traded = frame.where(frame.volume > 0)
        grouped = frame.groupby(["symbol", "bucket"], sort=True)
        only_traded = traded.assign(symbol=frame.symbol, bucket=frame.bucket).groupby(["symbol", "bucket"], sort=True)
        wide = pd.DataFrame(
            {
                "open": only_traded.open.first().fillna(grouped.open.first()),
                "high": only_traded.high.max().fillna(grouped.high.max()),
                "low": only_traded.low.min().fillna(grouped.low.min()),
                "close": grouped.close.last(),
                "volume": grouped.volume.sum(),
            }
        ).reset_index()
        return {
            symbol: {"open_time": rows.bucket.to_numpy(), **{name: rows[name].to_numpy() for name in wide.columns[2:]}}
            for symbol, rows in wide.groupby("symbol", sort=True)
        }

    def named_by(self, trader: OracleTrader) -> tuple[str, ...]:
        """The symbols that the trader lists; none when it screens the whole market."""
        return self.symbols[: trader.most_symbols] if trader.most_symbols else ()

    def signals(self, trader: OracleTrader, baseline: int, last: int) -> set[tuple[str, int]]:
        """(symbol, open time) of every signal after the candle that opened at `baseline` up to the one that opened at `last`, ms."""
        width = WIDTH[trader.interval]
        opens = list(range(baseline, last + 1, width))
        matched = {symbol: self._matches(trader, symbol, opens) for symbol in self.named_by(trader) or self.symbols}
        return {
            (symbol, opens[position])
            for symbol in matched
            for position in range(1, len(opens))
            if matched[symbol][position] and not matched[symbol][position - 1]
        }

    def _matches(self, trader: OracleTrader, symbol: str, opens: list[int]) -> list[bool]:
        found: dict[int, bool] = {}
        # Candles that see the same beginnings of all histories are computed together: no rule looks ahead.
        groups: dict[tuple[int, ...], list[int]] = {}
        for opened in opens:
            groups.setdefault(self._anchors(trader, opened), []).append(opened)
        for anchors, members in groups.items():
            begin = dict(zip((trader.interval, *trader.others), anchors, strict=True))
            end = members[-1] + WIDTH[trader.interval]

            def history(interval: str, begin: dict[str, int] = begin, end: int = end) -> Columns:
                candles = self._candles[interval][symbol]
                first = np.searchsorted(candles["open_time"], begin[interval])
                stop = np.searchsorted(candles["open_time"] + WIDTH[interval], end, side="right")
                return {name: values[first:stop] for name, values in candles.items()}

            matches = trader.rule(history)
            base = history(trader.interval)["open_time"]
            found |= dict(zip(base.tolist(), matches.tolist(), strict=True)) and {
                opened: bool(matches[np.searchsorted(base, opened)]) for opened in members
            }
        return [found[opened] for opened in opens]

    def _anchors(self, trader: OracleTrader, opened: int) -> tuple[int, ...]:
        closed = opened + WIDTH[trader.interval]
        return tuple(self._anchor(closed // WIDTH[width] - 1, WIDTH[width]) for width in (trader.interval, *trader.others))

    @staticmethod
    def _anchor(index: int, width: int) -> int:
        return 256 * ((index - 511) // 256) * width


def most_at_once(signals: set[tuple[str, int]]) -> int:
    """The greatest number of signals of one candle."""
    return max(Counter(opened for _, opened in signals).values(), default=0)
