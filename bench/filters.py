"""Speed of the filter engine over 400 symbols of random candles: `python -m bench.filters` prints one line per figure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from domain.filters import FilterSpec
from domain.market import HISTORY_BLOCK, Interval
from filters.evaluation import Evaluator
from filters.expression import CompiledFilter, compile_filter
from filters.frames import Matrix

SYMBOLS = 400
BASE = Interval.M5
NEWEST = 256 * 23_000 + 254
"""The last candle of its block, so that its history is the longest there is: 767 candles."""
DISTINCT = 1_000

TEMPLATES = (
    "match = rsi(close, 14) < {a}",
    "match = rsi(close, 14) > {b} and volume > {c} * sma(volume, 20)[1]",
    "match = crosses_above(ema(close, 9), ema(close, 21)) and rsi(close, 14) < {b}",
    "match = crosses_below(ema(close, 9), ema(close, 21)) and adx(14) > {a}",
    "match = crosses_above(sma(close, 50), sma(close, 200)) or rsi(close, 14) < {a}",
    'h = candles("1h")\nmatch = h.close > ema(h.close, 50) and rsi(close, 14) < {a}',
    'h = candles("1h")\nmatch = rsi(h.close, 14) > {b} and crosses_above(close, sma(close, 20))',
    "m = macd(close)\nmatch = crosses_above(m.macd, m.signal) and m.histogram > {c} / 100",
    "b = bbands(close, 20, 2)\nmatch = close < b.lower and rsi(close, 14) < {a}",
    "b = bbands(close, 20, 2)\nmatch = (b.upper - b.lower) / b.middle < {c} / 100",
    "match = stoch().k < {a} and stoch().d < {a}",
    "match = close > highest(high, 20)[1] and volume > {c} * sma(volume, 20)",
    "match = close < lowest(low, 20)[1] and adx(14) > {a}",
    "match = engulfing() > 0 and rsi(close, 14) < {b}",
    "match = atr(14) / close * 100 > {c} and adx(14) > {a}",
    "match = percent_change(close, 12) > {c} and volume > sma(volume, 20)",
    "match = all_of(close > ema(close, 21), 5) and rsi(close, 14) > {b}",
    "match = count(close > open, 10) >= 7 and mfi(14) < {b}",
    "match = cci(14) > 100 + {a} and obv() > sma(obv(), 20)",
    'condition("oversold", rsi(close, 14) < {a})\nmatch = rsi(close, 14) < {a} and close > open\nplot("m", macd(close).histogram)',
)


@dataclass(frozen=True)
class BenchFrame:
    interval: Interval
    first_index: int
    columns: dict[str, Matrix]
    closed_from: NDArray[np.int64]
    closed_through: NDArray[np.int64]
    version: int


@dataclass(frozen=True)
class BenchTickers:
    columns: dict[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True)
class BenchSnapshot:
    symbols: tuple[str, ...]
    frames: dict[Interval, BenchFrame]
    seq: int = 1
    tickers: BenchTickers = field(default_factory=BenchTickers)

    def frame(self, interval: Interval) -> BenchFrame:
        return self.frames[interval]


def snapshot(newest: int, version: int) -> BenchSnapshot:
    """The market when candle `newest` of the base interval had closed."""
    frames = {interval: _frame(interval, interval.last_closed_within(BASE, newest), version) for interval in (BASE, Interval.H1)}
    return BenchSnapshot(tuple(f"S{row}" for row in range(SYMBOLS)), frames)


def _frame(interval: Interval, newest: int, version: int) -> BenchFrame:
    first = HISTORY_BLOCK * (newest // HISTORY_BLOCK - 3)
    random = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(random.normal(scale=0.01, size=(SYMBOLS, newest - first + 1)), axis=1))
    volume = random.lognormal(size=close.shape)
    columns = {"open": np.roll(close, 1, axis=1), "high": close * 1.01, "low": close / 1.01, "close": close, "volume": volume}
    columns["quote_volume"] = close * volume
    return BenchFrame(interval, first, columns, np.full(SYMBOLS, first), np.full(SYMBOLS, newest), version)


def programs() -> list[CompiledFilter]:
    """Distinct filters over few columns, as many users write them."""
    codes = [
        TEMPLATES[place % len(TEMPLATES)].format(a=20 + place / 100, b=50 + place / 100, c=1 + place / 500) for place in range(DISTINCT)
    ]
    return [compile_filter(FilterSpec(code=code, interval=BASE)) for code in codes]


def milliseconds(work: Callable[[], object]) -> float:
    """Wall-clock time of one run."""
    begin = perf_counter()
    work()
    return (perf_counter() - begin) * 1e3


def timed(evaluator: Evaluator, item: CompiledFilter, market: BenchSnapshot, index: int = NEWEST) -> float:
    """Milliseconds of one evaluation."""
    return milliseconds(lambda: evaluator.evaluate_closed(item, market, index))


def show(name: str, value: float, unit: str) -> None:
    print(f"{name:<58}{value:>10.3f} {unit}")


def main() -> None:
    code = TEMPLATES[5].format(a=30, b=60, c=2)
    show("compile one filter", median(milliseconds(lambda: compile_filter(FilterSpec(code=code, interval=BASE))) for _ in range(50)), "ms")
    filters = programs()
    market = snapshot(NEWEST, version=1)
    for indicator in ("rsi(close, 14)", "ema(close, 50)", "atr(14)", "macd(close).macd"):
        one = compile_filter(FilterSpec(code=f"match = {indicator} > 1", interval=BASE))
        times = [timed(Evaluator(), one, market) for _ in range(15)]
        show(f"first evaluation: {indicator}, 400 x 767 candles", min(times), "ms")
    evaluator = Evaluator()
    cold = [timed(evaluator, item, market) for item in filters[: len(TEMPLATES)]]
    show("first evaluation of 20 filters together", sum(cold), "ms")
    warm = [timed(evaluator, item, market) for item in filters[len(TEMPLATES) :]]
    show("warm evaluation of a distinct filter, median", median(warm) * 1e3, "us")
    show("warm evaluation of a distinct filter, 99 %", sorted(warm)[len(warm) * 99 // 100] * 1e3, "us")
    again = [timed(evaluator, item, market) for item in filters]
    show("evaluation of an identical filter, median", median(again) * 1e3, "us")
    following = snapshot(NEWEST, version=2)
    whole = milliseconds(lambda: [evaluator.evaluate_closed(item, following, NEWEST) for item in filters])
    show(f"a new candle for {DISTINCT} distinct filters", whole, "ms")
    back = [timed(evaluator, filters[2], following, NEWEST - back) for back in range(1, 201)]
    show("catching up: one filter, per candle", sum(back) / len(back) * 1e3, "us")


if __name__ == "__main__":
    main()
