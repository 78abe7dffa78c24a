"""Speed of previews over recorded candles: `python -m bench.preview` prints one line per figure."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from bench.measuring.figures import show
from domain.filters import FilterSpec, Language
from domain.market import Interval
from filters.expression import compile_filter
from filters.preview.expression_steps import expression_steps
from filters.preview.past_candles import PastCandles, PastInterval
from filters.preview.preview import Preview, PreviewRequest, preview
from filters.preview.segments import begin_of_anchored
from workers.filter_sandbox import FilterSandbox

KLINES = Path(__file__).parents[2] / "shared" / "data" / "klines"
M1, M5 = Interval.M1, Interval.M5
THREE_INDICATORS = "match = rsi(close, 14) < 35 and close < ema(close, 50) and volume > 2 * sma(volume, 20)[1]"
FULL = f"""condition("oversold", rsi(close, 14) < 35)
plot("RSI", rsi(close, 14))
{THREE_INDICATORS}"""
BROWSER = """
const rsi = helpers.getLatestRSI(klines, 14), ema = helpers.getLatestEMA(klines, 50), usual = helpers.calculateAvgVolume(klines, 20);
if (rsi === null || ema === null || usual === null) return false;
return {match: rsi < 35 && parseFloat(ticker.c) < ema && parseFloat(klines[klines.length - 1][5]) > 2 * usual, conditions: [`RSI ${rsi}`]};
"""
ROUNDS = 15


def recorded(name: str, interval: Interval, symbols: int) -> PastCandles:
    """Those symbols of a recorded file that have every candle."""
    table = pl.read_parquet(KLINES / name).with_columns(pl.col("symbol").cast(pl.String)).sort("symbol", "open_time")
    counts = table.group_by("symbol").len()
    whole = counts.filter(pl.col("len") == counts["len"].mode()[0])["symbol"].sort().to_list()[:symbols]
    table = table.filter(pl.col("symbol").is_in(whole))
    columns = {column: table[column].to_numpy().reshape(len(whole), -1).copy() for column in ("open", "high", "low", "close", "volume")}
    columns["quote_volume"] = columns["close"] * columns["volume"]
    for name_, of in (("trades", "volume"), ("taker_buy_volume", "volume"), ("taker_buy_quote_volume", "quote_volume")):
        columns[name_] = np.floor(columns[of] / 2)
    first = int(table["open_time"][0]) // interval.milliseconds
    past = PastInterval(interval=interval, first_index=first, known_from=first, columns=columns)
    return PastCandles(symbols=tuple(whole), intervals={interval: past})


def fastest(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Seconds of the fastest of some rounds."""
    times = []
    for _ in range(ROUNDS):
        begin = clock()
        work()
        times.append(clock() - begin)
    return min(times)


def expression() -> None:
    """The engine alone, and the whole command's work."""
    candles = recorded("1m_94usdt_2021-05-11_2021-05-13.parquet", M1, 94)
    past = candles.of(M1)
    first, last = begin_of_anchored(past.known_from), past.end_index - 1
    compiled = compile_filter(FilterSpec(code=THREE_INDICATORS, interval=M1))
    cells = len(candles.symbols) * (last - first + 1)
    engine = fastest(lambda: list(expression_steps(compiled, candles, first, last)), time.process_time)
    show("preview: 3-indicator expression, symbol-candles per core second", cells / engine / 1e6, "M")
    request = PreviewRequest(spec=FilterSpec(code=FULL, interval=M1))
    whole = fastest(lambda: asyncio.run(preview(request, candles)), time.perf_counter)
    show(f"preview: {len(candles.symbols)} symbols x 3 days of 1m, with signals, returns and checks", whole, "s")


async def browser() -> Preview:
    """One day of 100 symbols in the sandbox."""
    candles = recorded("5m_379usdt_2024-07-22_2024-07-30.parquet", M5, 100)
    day = M5.open_time(candles.of(M5).end_index - 288)
    async with FilterSandbox() as engine:
        spec = FilterSpec(code=BROWSER, interval=M5, language=Language.JAVASCRIPT)
        return await preview(PreviewRequest(spec=spec, begin=day), candles, engine=engine)


def main() -> None:
    if not KLINES.is_dir():
        raise SystemExit(f"The recorded candles are not on this machine: {KLINES}")
    expression()
    found = asyncio.run(browser())
    seconds = found.duration.total_seconds()
    show(f"preview: browser filter, 100 symbols x one day of 5m, {found.evaluations:,} evaluations", seconds, "s")


if __name__ == "__main__":
    main()
