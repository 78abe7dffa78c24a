"""Speed of previews over recorded candles, in a minute: `python -m bench.preview`.

The exit code is 1 where a limit is passed.
"""

import asyncio
import sys
import time
from collections.abc import Callable

from bench.measuring.figures import show
from domain.filters import FilterSpec, Language
from domain.market import Interval
from filters.expression import compile_filter
from filters.preview.expression_steps import expression_steps
from filters.preview.preview import PreviewRequest, preview
from filters.preview.segments import begin_of_anchored
from tests.recorded_candles import JULY_2024, MAY_2021, NO_RECORD
from tests.unit.preview.past_market import recorded
from workers.filter_sandbox import FilterSandbox

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
LEAST_CELLS = 8e6
"""A second, on one core that others use as well; the aim is 10 million on one that does nothing else."""
LONGEST_MINUTES, LONGEST_BROWSER = 2.0, 10.0
"""Seconds."""


def fastest(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Seconds of the fastest of some rounds."""
    times = []
    for _ in range(ROUNDS):
        begin = clock()
        work()
        times.append(clock() - begin)
    return min(times)


def expression() -> dict[str, bool]:
    """The engine alone, and the whole command's work; which limits are passed."""
    candles = recorded(MAY_2021, M1, 94)
    past = candles.of(M1)
    first, last = begin_of_anchored(past.known_from), past.end_index - 1
    compiled = compile_filter(FilterSpec(code=THREE_INDICATORS, interval=M1))
    cells = len(candles.symbols) * (last - first + 1)
    engine = cells / fastest(lambda: list(expression_steps(compiled, candles, first, last)), time.process_time)
    show("preview: 3-indicator expression, symbol-candles per core second", engine / 1e6, "M")
    request = PreviewRequest(spec=FilterSpec(code=FULL, interval=M1))
    whole = fastest(lambda: asyncio.run(preview(request, candles)), time.perf_counter)
    show(f"preview: {len(candles.symbols)} symbols x 3 days of 1m, with signals, returns and checks", whole, "s")
    return {
        f"fewer than {LEAST_CELLS:,.0f} symbol-candles a second": engine < LEAST_CELLS,
        f"three days of 1m take more than {LONGEST_MINUTES} s": whole > LONGEST_MINUTES,
    }


async def browser() -> dict[str, bool]:
    """One day of 100 symbols in the sandbox; whether the limit is passed."""
    candles = recorded(JULY_2024, M5, 100)
    day = M5.open_time(candles.of(M5).end_index - 288)
    spec = FilterSpec(code=BROWSER, interval=M5, language=Language.JAVASCRIPT)
    async with FilterSandbox() as engine:
        found = await preview(PreviewRequest(spec=spec, begin=day), candles, engine=engine)
    seconds = found.duration.total_seconds()
    show(f"preview: browser filter, 100 symbols x one day of 5m, {found.evaluations:,} evaluations", seconds, "s")
    return {f"a browser filter's day takes more than {LONGEST_BROWSER} s": seconds > LONGEST_BROWSER}


def main() -> None:
    """Print one line per figure."""
    if not (MAY_2021.exists() and JULY_2024.exists()):
        print(f"preview: not measured, {NO_RECORD}")
        return
    limits = expression() | asyncio.run(browser())
    if passed := [limit for limit, is_passed in limits.items() if is_passed]:
        sys.exit("\n".join(passed))


if __name__ == "__main__":
    main()
