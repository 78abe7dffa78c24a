"""Speed of expression filters on one core and of others at the same work, in two minutes: `python -m bench.filters`.

An evaluation is one trader's filter over all 400 symbols of recorded candles at one candle. Traders are drawn from the rules of
bench/peers/rules.py; each has thresholds of his own, so that no two filters are the same. *Warm*: somebody else's filter has used the
same indicators at this candle. Times are those of the one core, for all alike: what else the machine does counts for nothing. The exit
code is 1 where a limit is passed or the others find different matches.
"""

import gc
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median
from time import process_time

from bench.measuring.figures import show
from bench.peers.comparison import on_one_core, with_freqtrade, with_talib
from bench.peers.recorded import BASE, SYMBOLS, RecordedMarket
from bench.peers.rules import RULES, rule
from domain.filters import FilterSpec
from filters.evaluation import Evaluator
from filters.expression import CompiledFilter, compile_filter
from filters.held import HeldSnapshot

TRADERS = 5_000
FREQTRADE_PAIRS = 2
"""A pair costs freqtrade the same whichever it is; all 400 would take an hour."""
FASTEST_COMPILE = 5.0
LEAST_WARM = 5_000
MOST_MEMORY = 100_000


def compiled(place: int, trader: int) -> CompiledFilter:
    """A trader's filter."""
    return compile_filter(FilterSpec(code=rule(place, trader), interval=BASE))


def traders(count: int, first: int = 1) -> list[CompiledFilter]:
    """Distinct filters, in an order in which each rule comes once before any comes again."""
    return [compiled(place, first + place // len(RULES)) for place in range(count)]


def seconds(work: Callable[[], object]) -> float:
    """CPU time of one run."""
    begin = process_time()
    work()
    return process_time() - begin


def evaluate(evaluator: Evaluator, filters: Sequence[CompiledFilter], market: HeldSnapshot, index: int) -> None:
    for item in filters:
        evaluator.evaluate_closed(item, market, index)


def measure_compiling() -> float:
    """Milliseconds of the slowest of the rules, each compiled for the first time."""
    times = [1e3 * seconds(lambda place=place: compiled(place, 0)) for place in range(len(RULES))]
    show(f"compile one of {len(RULES)} rules, median", median(times), "ms")
    show("compile, the slowest", max(times), "ms")
    return max(times)


def measure_memory() -> float:
    """Bytes of one more compiled filter."""
    gc.collect()
    tracemalloc.start()
    kept = traders(1_000, first=1_000)
    gc.collect()
    size = tracemalloc.get_traced_memory()[0] / len(kept)
    tracemalloc.stop()
    show("memory of one more compiled filter", size / 1e3, "kB")
    return size


def measure_columns(market: RecordedMarket) -> None:
    """What the first filter that uses an indicator at a new candle pays."""
    snapshot = market.at_close(market.newest, version=1)
    for indicator in ("rsi(close, 14)", "ema(close, 50)", "atr(14)", "macd(close).macd", "bbands(close).upper"):
        item = compile_filter(FilterSpec(code=f"match = {indicator} > 1", interval=BASE))
        times = [seconds(lambda item=item: Evaluator().evaluate_closed(item, snapshot, market.newest)) for _ in range(15)]
        show(f"first use of {indicator} at a candle, 400 x 767", 1e3 * min(times), "ms")


def measure_warm(market: RecordedMarket) -> float:
    """Evaluations a second where others have used the indicators."""
    filters, others = traders(TRADERS), traders(len(RULES), first=0)
    for count in (1_000, TRADERS):
        measure_new_candle(market, filters[:count])
    evaluator, snapshot = Evaluator(), market.at_close(market.newest, version=1)
    evaluate(evaluator, others, snapshot, market.newest)
    warm = TRADERS / seconds(lambda: evaluate(evaluator, filters, snapshot, market.newest))
    show("warm: evaluations of distinct filters at a new candle", warm, "/s")
    again = TRADERS / seconds(lambda: evaluate(evaluator, filters, snapshot, market.newest))
    show("the same filters at the same candle again", again, "/s")
    measure_catching_up(market, filters)
    measure_forming(market)
    return warm


def measure_new_candle(market: RecordedMarket, filters: Sequence[CompiledFilter]) -> None:
    """Everybody's first evaluation of a candle, indicators included."""
    evaluator, snapshot = Evaluator(), market.at_close(market.newest, version=2)
    evaluate(evaluator, filters, market.at_close(market.newest - 1, version=1), market.newest - 1)
    took = seconds(lambda: evaluate(evaluator, filters, snapshot, market.newest))
    show(f"a new candle for {len(filters):,} traders, all in all", 1e3 * took, "ms")
    show("  evaluations, indicators included", len(filters) / took, "/s")


def measure_forming(market: RecordedMarket) -> None:
    """Every rule at the forming candle, after a twelfth of the symbols moved: what the market sends in 50 ms."""
    filters, evaluator, snapshot = traders(len(RULES)), Evaluator(), market.at_close(market.newest, version=1)
    as_of = market.newest * BASE.milliseconds
    for frame in snapshot.frames.values():
        frame.closed_through[:] -= 1
    first = seconds(lambda: [evaluator.evaluate_forming(item, snapshot, as_of) for item in filters])
    for values in snapshot.frames[BASE].columns.values():
        values[::12, -1] *= 1.001
    moved = replace(snapshot, seq=2)
    later = seconds(lambda: [evaluator.evaluate_forming(item, moved, as_of) for item in filters])
    show(f"{len(filters)} rules at a forming candle, for the first time", 1e3 * first, "ms")
    show("  after a twelfth of the symbols moved", 1e3 * later, "ms")


def measure_catching_up(market: RecordedMarket, filters: Sequence[CompiledFilter]) -> None:
    """One filter over the candles of an outage."""
    evaluator, snapshot, item = Evaluator(), market.at_close(market.newest, version=1), filters[len(RULES) // 2]
    evaluator.evaluate_closed(item, snapshot, market.newest)
    took = seconds(lambda: [evaluator.evaluate_closed(item, snapshot, market.newest - back) for back in range(1, 201)])
    show("catching up: one filter, candles", 200 / took, "/s")


def compare(market: RecordedMarket) -> bool:
    """The same rules, each once over all symbols at a new candle, by each way of doing it; whether all find the same matches."""
    filters, snapshot, evaluator = traders(len(RULES)), market.at_close(market.newest, version=1), Evaluator()
    cold = seconds(lambda: evaluate(evaluator, filters, snapshot, market.newest)) / len(filters)
    everybody = traders(TRADERS, first=2)
    warm = seconds(lambda: evaluate(evaluator, everybody, snapshot, market.newest)) / len(everybody)
    ours = [set(_names(evaluator.evaluate_closed(item, snapshot, market.newest).matched, snapshot)) for item in filters]
    loop = with_talib(filters, snapshot, range(SYMBOLS))
    few = range(FREQTRADE_PAIRS)
    freqtrade = with_freqtrade(filters, snapshot, few)
    show(f"{len(filters)} rules, nothing cached: this engine", 1 / cold, "/s")
    for name, other in (("a loop over TA-Lib", loop), (f"freqtrade, from {FREQTRADE_PAIRS} pairs", freqtrade)):
        per_evaluation = other.seconds * SYMBOLS
        show(f"{len(filters)} rules: {name}", 1 / per_evaluation, "/s")
        show("  this engine is faster, nothing cached", per_evaluation / cold, "times")
        show("  this engine is faster, warm", per_evaluation / warm, "times")
    seen = set(snapshot.symbols[: len(few)])
    differing = sum(mine != theirs for mine, theirs in zip(ours, loop.matches, strict=True))
    differing += sum(mine & seen != theirs for mine, theirs in zip(ours, freqtrade.matches, strict=True))
    show(f"rules whose matches differ, of {sum(map(len, ours)):,} matches", differing, "")
    return differing == 0


def _names(matched: Sequence[bool], snapshot: HeldSnapshot) -> list[str]:
    return [symbol for symbol, holds in zip(snapshot.symbols, matched, strict=True) if holds]


def main() -> None:
    """Print one line per figure."""
    on_one_core()
    market = RecordedMarket()
    show("symbols" + ("" if market.is_recorded else " (no recording on this machine: candles at random)"), SYMBOLS, "")
    limits = {
        f"compiling takes more than {FASTEST_COMPILE} ms": measure_compiling() > FASTEST_COMPILE,
        f"a compiled filter takes more than {MOST_MEMORY:,} bytes": measure_memory() > MOST_MEMORY,
    }
    measure_columns(market)
    limits[f"fewer than {LEAST_WARM:,} warm evaluations a second"] = measure_warm(market) < LEAST_WARM
    limits["others find different matches"] = not compare(market)
    if passed := [limit for limit, is_passed in limits.items() if is_passed]:
        sys.exit("\n".join(passed))


if __name__ == "__main__":
    main()
