"""The same filters in both languages on the real candles there are, in two minutes: `python -m bench.both_languages [N]`.

What the tests do with a few symbols of the end, this does with each Nth symbol at every candle that has the history; with every symbol it
takes half an hour. Prints one line per filter. The exit code is 1 where filters whose definitions coincide differ in more than the last
bit of a number.
"""

import asyncio
import sys
import time
from dataclasses import replace

from domain.filters import FilterSpec, Language
from domain.market import Interval
from filters.javascript.in_process import InProcessEngine
from filters.preview.coarser import coarser
from filters.preview.languages import prepare
from filters.preview.past_candles import PastCandles
from filters.translation.agreement import Agreement, compare
from filters.translation.translate import Translation, translate
from tests.recorded_candles import JULY_2024, MAY_2021, NO_RECORD
from tests.unit.preview.past_market import recorded
from tests.unit.translation.pairs import COINCIDING, NEARLY, Pair

ALL = 1_000_000
EACH = 20


async def main(every: int) -> int:
    """Compare every pair on both records."""
    if not (MAY_2021.exists() and JULY_2024.exists()):
        print(f"both languages: not compared, {NO_RECORD}")
        return 0
    differing = 0
    with InProcessEngine() as engine:
        for path, interval in ((MAY_2021, Interval.M1), (JULY_2024, Interval.M5)):
            whole = recorded(path, interval, ALL)
            candles = _with_quarters(whole.of_symbols(whole.symbols[::every]), interval)
            print(f"# {path.stem}: {len(candles.symbols)} symbols")
            for pair in COINCIDING:
                differing += await _told(pair, interval, candles, engine)
            for pair, _ in NEARLY:
                await _told(pair, interval, candles, engine)
    print(f"evaluations that differ where definitions coincide, and not by the last bit: {differing}")
    return 1 if differing else 0


def _with_quarters(candles: PastCandles, interval: Interval) -> PastCandles:
    quarters = replace(coarser(candles.of(interval), Interval.M15), known_from=0)  # the record is too short for 512 of them
    return PastCandles(symbols=candles.symbols, intervals={**candles.intervals, Interval.M15: quarters})


async def _told(pair: Pair, interval: Interval, candles: PastCandles, engine: InProcessEngine) -> int:
    began = time.perf_counter()
    found = await _agreement(pair, interval, candles, engine)
    print(f"{pair.name}: {found} ({time.perf_counter() - began:.1f} s)", flush=True)
    return found.differing - found.ties


async def _agreement(pair: Pair, interval: Interval, candles: PastCandles, engine: InProcessEngine) -> Agreement:
    spec = FilterSpec(code=pair.javascript, interval=interval, language=Language.JAVASCRIPT, required_intervals=pair.others)
    browsers = await prepare(spec, engine, "pairs")
    ours = await prepare(FilterSpec(code=pair.expression, interval=interval), None, "pairs")
    translated = translate(spec)
    ties = translated.ties if isinstance(translated, Translation) else None
    return await compare(browsers, ours, interval, candles, ALL, await prepare(ties, None, "pairs") if ties else None)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else EACH)))
