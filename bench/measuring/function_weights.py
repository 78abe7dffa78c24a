"""Measures what each function of the expression language costs, and writes the table the cost of a filter is estimated with:
`python -m bench.measuring.function_weights > filters/expression/weights.py`, on a machine that does nothing else.

Thread time, the least of several runs, over 400 symbols of random candles in the longest history there is.
"""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import thread_time

import numpy as np
import talib

from domain.market import HISTORY_BLOCK, MINIMUM_HISTORY, Interval
from filters.expression.functions import Function
from filters.expression.graph import Graph
from filters.expression.kernels import POINTWISE, WINDOWED, Array
from filters.expression.nodes import Column, Constant, Node, Window
from filters.expression.problems import Misuse
from filters.expression.registry import FUNCTIONS

SYMBOLS = 400
CANDLES = MINIMUM_HISTORY + HISTORY_BLOCK - 1
LONG = 500.0
"""A long window, to see whether a function's time grows with its window."""
RUNS = 5
WHOLE = "Column functions over a whole history: a fixed part and one per candle of their longest window."
HEADER = '''"""What functions cost, in microseconds of one core. Written by `python -m bench.measuring.function_weights`: do not edit.

Measured on {date} on {machine} ({software}), over {symbols} symbols.
"""

from collections.abc import Mapping
'''


def main() -> None:
    columns: dict[str, tuple[float, float]] = {}
    windows: dict[str, tuple[float, float]] = {}
    for name, kind, weight in sorted(_functions(), key=lambda found: found[0]):
        (columns if kind is Column else windows)[name] = weight
    pointwise = {name: _rounded(_pointwise(name)) for name in POINTWISE}
    windowed = {name: _rounded(_windowed(name)) for name in WINDOWED}
    print(HEADER.format(date=f"{datetime.now(UTC):%Y-%m-%d}", machine=_machine(), software=_software(), symbols=SYMBOLS))
    print(f"SYMBOLS = {SYMBOLS}\nCANDLES = {CANDLES}\n" + '"""The longest history there is."""\n')
    _show("COLUMNS", columns, "tuple[float, float]", WHOLE)
    _show("WINDOWS", windows, "tuple[float, float]", "Window functions at one candle: a fixed part and one per candle of the window.")
    _show("POINTWISE", pointwise, "float", "Kernels over a whole history.")
    _show("WINDOWED", windowed, "float", "Windowed kernels over a whole history.", end="")


def _show(name: str, table: Mapping[str, object], value: str, meaning: str, end: str = "\n") -> None:
    print(f"{name}: Mapping[str, {value}] = {{")
    for key, weight in table.items():
        print(f'    "{key}": {weight},')
    print(f'}}\n"""{meaning}"""' + end)


def _functions() -> Iterator[tuple[str, type[Node], tuple[float, float]]]:
    for function in FUNCTIONS.values():
        defaults = [float(LONG if item.default is None else item.default) for item in function.parameters]
        usual = _calls(function, defaults)
        long = _calls(function, _lengthened(function, defaults))
        for place, node in enumerate(usual):
            least = _measured(node)
            longer = _measured(long[place]) if place < len(long) else least
            yield node.function.name, type(node), _line(least, _length(node), longer, _length(long[place]) if place < len(long) else 0)


def _line(least: float, length: float, longer: float, long: float) -> tuple[float, float]:
    """A fixed part and one per candle."""
    if long <= length or longer < 1.5 * least:
        return _rounded(least), 0.0
    slope = (longer - least) / (long - length)
    return _rounded(max(0.0, least - slope * length)), _rounded(slope)


def _length(node: Column | Window) -> float:
    return max((value for value in node.parameters if value.is_integer()), default=0.0)


def _lengthened(function: Function, defaults: Sequence[float]) -> list[float]:
    wholes = [value for value, item in zip(defaults, function.parameters, strict=True) if item.is_whole]
    longest = max(wholes, default=0)
    return [LONG if item.is_whole and value == longest else value for value, item in zip(defaults, function.parameters, strict=True)]


def _calls(function: Function, parameters: Sequence[float]) -> list[Column | Window]:
    """One node of each column or window function that the call computes."""
    graph = Graph(Interval.M5)
    inputs = [graph.candles(Interval.M5, item.default or ("open" if place else "close")) for place, item in enumerate(function.inputs)]
    if any(item.is_condition for item in function.inputs):
        inputs = [graph.pointwise("greater", node, graph.candles(Interval.M5, "hl2"), is_condition=True) for node in inputs]
    try:
        function.build(graph, inputs, parameters)
    except Misuse:
        return []
    nodes = {node.call: node for node in graph.since(0) if isinstance(node, Column | Window)}
    return list(nodes.values())


def _measured(node: Column | Window) -> float:
    width = CANDLES if isinstance(node, Column) else node.candles
    inputs = [_values(argument, width) for argument in node.arguments]
    return _least(lambda: node.function.compute(inputs, node.parameters))


def _values(node: Node, width: int) -> Array:
    """Values such as the node might have."""
    close = MARKET["close"][:, -width:]
    if node.is_condition:
        return np.where(close > MARKET["open"][:, -width:], 1, -1).astype(np.int8)
    if isinstance(node, Constant):
        return np.full(close.shape, node.value)
    return MARKET.get(getattr(node, "column", "close"), MARKET["close"])[:, -width:]


def _pointwise(name: str) -> float:
    left, right = MARKET["close"], MARKET["open"]
    kernel = POINTWISE[name]
    if name == "not":
        return _least(lambda: kernel((left > right).view(np.int8)))
    if name == "round":
        return _least(lambda: kernel(left, 2.0))
    if name in ("negative", "absolute", "log", "sqrt", "sign"):
        return _least(lambda: kernel(left))
    return _least(lambda: kernel(left, right))


def _windowed(name: str) -> float:
    values = np.where(MARKET["close"] > MARKET["open"], 1, -1).astype(np.int8) if name == "count" else MARKET["close"]
    return _least(lambda: WINDOWED[name](values, 20))


def _least(work: Callable[[], object]) -> float:
    """Microseconds."""
    times = []
    with np.errstate(all="ignore"):
        for _ in range(RUNS):
            begin = thread_time()
            work()
            times.append(thread_time() - begin)
    return min(times) * 1e6


def _rounded(value: float) -> float:
    return float(f"{value:.2g}")


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _software() -> str:
    return f"Python {platform.python_version()}, numpy {np.__version__}, TA-Lib {talib.__version__}"


def _market() -> dict[str, Array]:
    random = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(random.normal(scale=0.01, size=(SYMBOLS, CANDLES)), axis=1))
    volume = random.lognormal(size=close.shape)
    opened = np.roll(close, 1, axis=1)
    high, low = np.maximum(opened, close) * 1.002, np.minimum(opened, close) / 1.002
    return {"open": opened, "high": high, "low": low, "close": close, "hl2": (high + low) / 2, "volume": volume}


MARKET = _market()

if __name__ == "__main__":
    main()
