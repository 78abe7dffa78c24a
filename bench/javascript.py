"""Speed (CPU time) and memory of browser filters over 379 symbols of 250 candles, in a minute: `python -m bench.javascript`.

Beside each filter runs the same one the plain way: klines as texts that are in the isolate already, and the helpers as plainly as they can
be written, parsing every text each time. The exit code is 1 where a limit is passed or the two ways find different matches.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time, sleep

import numpy as np
from py_mini_racer import MiniRacer

from bench.measuring.figures import show
from bench.peers.recorded import BASE, RecordedMarket
from domain.filters import FilterSpec, Language
from filters.frames import COLUMNS, TICKER_FIELDS
from filters.javascript.contract import CANDLES, JavaScriptFilter, View, Window
from filters.javascript.engine import new_racer
from filters.javascript.isolate import Isolate
from filters.javascript.syntax import check_syntax
from filters.translation.browser import LIBRARY

SYMBOLS = 379
PASSES = 25
WARM = 20
LEAST_PASSES = 100
SLOWEST_COMPILE = 20.0
MOST_MEMORY = 3.0
ISOLATES = 12
FIVE_HELPERS = """
const rsi = helpers.getLatestRSI(klines, 14), macd = helpers.getLatestMACD(klines), bands = helpers.getLatestBollingerBands(klines, 20, 2);
const average = helpers.calculateAvgVolume(klines, 20), trend = helpers.getLatestEMA(klines, 50);
const last = klines[klines.length - 1], close = parseFloat(last[4]);
return rsi < 60 && macd.histogram > 0 && close > bands.middle && close > trend && parseFloat(last[5]) > average;
"""
NODES = """
const nodes = helpers.calculateHighVolumeNodes(klines, { lookback: 100 }), close = parseFloat(klines[klines.length - 1][4]);
return helpers.isNearHVN(close, nodes, 0.3) && helpers.getLatestStochRSI(klines)?.k < 60;
"""
OWN_LOOPS = """
const closes = klines.map((k) => parseFloat(k[4])), volumes = klines.map((k) => parseFloat(k[5]));
const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
return closes[closes.length - 1] > mean(closes.slice(-50)) && volumes[volumes.length - 1] > mean(volumes.slice(-20));
"""


def seconds(work: Callable[[], object], times: int) -> float:
    """CPU time of this process: the median of some runs after WARM that warm up."""
    for _ in range(WARM):
        work()
    taken = []
    for _ in range(times):
        begin = process_time()
        work()
        taken.append(process_time() - begin)
    return median(taken)


def recorded_view() -> View:
    """The newest candles of every symbol."""
    market = RecordedMarket()
    snapshot = market.at_close(market.newest, version=1)
    frame = snapshot.frame(BASE)
    values = np.zeros((SYMBOLS, len(COLUMNS), CANDLES))
    for place, name in enumerate(COLUMNS):
        if name in frame.columns:
            values[:, place] = np.round(frame.columns[name][:SYMBOLS, -CANDLES:], 8)
    first = np.full(SYMBOLS, frame.first_index + frame.columns["close"].shape[1] - CANDLES, np.int64)
    tickers = np.full((SYMBOLS, len(TICKER_FIELDS)), np.nan)
    return View(symbols=snapshot.symbols[:SYMBOLS], windows={BASE: Window(first_index=first, values=values)}, tickers=tickers)


class PlainWay:
    """A runner as one would write it: everything is a text, and nobody is protected from anybody."""

    def __init__(self, view: View) -> None:
        window = view.windows[BASE]
        self._racer: MiniRacer = new_racer()
        self._racer.eval(f"{LIBRARY}; const market = [];")
        for row in range(len(view.symbols)):
            klines = [_kline(int(window.first_index[row]) + index, candle) for index, candle in enumerate(window.values[row].T.tolist())]
            self._racer.eval(f"market.push({json.dumps(klines)}); 0")

    def passes(self, code: str) -> Callable[[], str]:
        """A pass of the filter; it gives a 1 or 0 for each symbol."""
        self._racer.eval(
            f"globalThis.filter = new Function('ticker', 'timeframes', 'helpers', 'hvnNodes', 'klines', {json.dumps(code)});"
            "globalThis.pass = () => market.map((K) => +filter({}, { '5m': K }, browserHelpers, [], K)).join(''); 0"
        )
        return lambda: str(self._racer.eval("pass()"))


def _kline(index: int, candle: list[float]) -> list[object]:
    opened, width = index * BASE.milliseconds, BASE.milliseconds
    texts = [f"{value:.8f}" for value in candle]
    return [opened, *texts[:5], opened + width - 1, texts[5], int(candle[6]), *texts[7:], "0"]


def measure_filter(name: str, code: str, isolate: Isolate, view: View, plain: PlainWay) -> tuple[float, bool]:
    """Passes a second, and whether both ways agree."""
    compiled = JavaScriptFilter(code=code, interval=BASE)
    isolate.load(compiled)
    plain_pass = plain.passes(code)
    ours = seconds(lambda: isolate.run(compiled.key, view), PASSES)
    theirs = seconds(plain_pass, PASSES)
    show(f"{name}, {SYMBOLS} symbols x {CANDLES} candles", 1 / ours, "passes/s")
    show(f"{name}, the plain way", 1 / theirs, "passes/s")
    show(f"{name}, ours against the plain way", theirs / ours, "times")
    matched = isolate.run(compiled.key, view).matched
    show(f"{name}, symbols that match", float(np.count_nonzero(matched)), "")
    return 1 / ours, plain_pass() == "".join(str(int(match)) for match in matched)


def measure_compiling(isolate: Isolate) -> float:
    """Milliseconds of the slowest of twenty distinct filters."""
    taken = []
    for place in range(20):
        compiled = JavaScriptFilter(code=f"const own = {place};{FIVE_HELPERS}", interval=BASE)
        begin = perf_counter()
        isolate.load(compiled)
        taken.append(1e3 * (perf_counter() - begin))
    show("compile a filter for the first time, median", median(taken), "ms")
    show("compile a filter for the first time, the slowest", max(taken), "ms")
    spec = FilterSpec(code=FIVE_HELPERS, interval=BASE, language=Language.JAVASCRIPT)
    show("a new isolate", 1e3 * seconds(lambda: Isolate().close(), 10), "ms")
    show("check a filter's syntax", 1e3 * seconds(lambda: check_syntax(spec), 20), "ms")
    return max(taken)


def private_megabytes() -> float:
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    fields = dict(line.split(":", 1) for line in lines[1:])
    return sum(int(fields[name].split()[0]) for name in ("Private_Clean", "Private_Dirty")) / 1024


def measure_memory(view: View) -> float:
    """Megabytes of one more isolate that waits for its filter's next pass, as one does that runs a few times a minute."""
    isolates: list[Isolate] = []
    before = private_megabytes()
    for place in range(ISOLATES):
        isolate = Isolate()
        compiled = JavaScriptFilter(code=f"const own = {place};{FIVE_HELPERS}", interval=BASE)
        isolate.load(compiled)
        isolate.run(compiled.key, view)
        isolate.run(compiled.key, view)
        isolates.append(isolate)
    sleep(1.1)
    for isolate in isolates:
        isolate.run(isolate.loaded[0], view)
    each = (private_megabytes() - before) / ISOLATES
    show("memory of one more isolate between two passes of its filter", each, "MB")
    for isolate in isolates:
        isolate.close()
    return each


def main() -> int:
    """Measure; 0 where every limit holds."""
    view, isolate = recorded_view(), Isolate()
    plain = PlainWay(view)
    is_well = True
    for name, code, least in (
        ("five helpers", FIVE_HELPERS, LEAST_PASSES),
        ("volume nodes and a helper", NODES, 0),
        ("own loops", OWN_LOOPS, 0),
    ):
        passes, is_same = measure_filter(name, code, isolate, view, plain)
        is_well = is_well and is_same and passes >= least
    is_well = measure_compiling(isolate) <= SLOWEST_COMPILE and is_well
    is_well = measure_memory(view) <= MOST_MEMORY and is_well
    isolate.close()
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
