"""Every indicator on recorded candles: TA-Lib's against TA-Lib called plainly, ours against straight loops."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import talib
from talib import abstract

from domain.filters import FilterSpec
from domain.market import Interval, history_anchor
from filters.evaluation import Evaluator
from filters.expression import compile_filter
from filters.expression.registry import FUNCTIONS
from tests.unit.filters import naive_indicators as naive
from tests.unit.filters.calls import TALIB, program_of
from tests.unit.filters.memory_market import MemoryFrame, MemorySnapshot
from tests.unit.filters.recorded_market import needs_recorded_candles, recorded_market

M5, D1 = Interval.M5, Interval.D1
SYMBOLS = 12
PER_DAY = D1.milliseconds // M5.milliseconds

pytestmark = needs_recorded_candles


@pytest.fixture(scope="module")
def market() -> MemorySnapshot:
    return recorded_market(SYMBOLS, D1)


@pytest.fixture(scope="module")
def last(market: MemorySnapshot) -> int:
    return int(market.frames[M5].closed_through[0])


def shown(market: MemorySnapshot, call: str, outputs: tuple[str, ...], index: int) -> Mapping[str, np.ndarray]:
    """What the engine says of each output at candle `index`, per symbol."""
    kind = "condition" if call.startswith("divergence") else "plot"
    lines = [f"x = {call}", "match = close > 0", *(f'{kind}("x{output}", x{"." + output if output else ""})' for output in outputs)]
    evaluation = Evaluator().evaluate_closed(compile_filter(FilterSpec(code="\n".join(lines), interval=M5)), market, index)
    assert evaluation.ready.all()
    shown = evaluation.series if kind == "plot" else evaluation.labelled
    return {output: shown[f"x{output}"] for output in outputs}


def candles(frame: MemoryFrame, row: int, index: int) -> dict[str, list[float]]:
    """The history of a symbol that ends with candle `index`."""
    begin = max(history_anchor(index), int(frame.closed_from[row])) - frame.first_index
    return {name: values[row, begin : index + 1 - frame.first_index].tolist() for name, values in frame.columns.items()}


def clock(frame: MemoryFrame, row: int, index: int) -> range:
    return range(max(history_anchor(index), int(frame.closed_from[row])), index + 1)


@pytest.mark.parametrize("name", [name for name in TALIB if name != "mavp"])
def test_talib_indicator_is_talibs_own(name: str, market: MemorySnapshot, last: int) -> None:
    function = FUNCTIONS[name]
    parameters = abstract.Function(TALIB[name]).parameters.values()
    evaluation = Evaluator().evaluate_closed(compile_filter(FilterSpec(code=program_of(function), interval=M5)), market, last)
    for row in range(0, SYMBOLS, 3):
        history = {column: np.array(values) for column, values in candles(market.frames[M5], row, last).items()}
        expected = getattr(talib, TALIB[name])(*(history[item.name] for item in function.inputs), *parameters)
        newest = [float(output[-1]) for output in (expected if isinstance(expected, tuple | list) else (expected,))]
        if name in {"maxindex", "minindex", "minmaxindex"}:
            newest = [len(history["close"]) - 1 - value for value in newest]
        found = [float(evaluation.series[f"value {output}"][row]) for output in function.outputs]

        np.testing.assert_allclose(found, [value if np.isfinite(value) else np.nan for value in newest], rtol=1e-9)


Naive = Callable[[MemorySnapshot, int, int], naive.Result]
"""Market, row, index."""


def _of_candles(function: Callable[..., naive.Result], *arguments: float, column: str = "") -> Naive:
    def value(market: MemorySnapshot, row: int, index: int) -> naive.Result:
        history = candles(market.frames[M5], row, index)
        return function(history[column] if column else history, *arguments)

    return value


def _of_session(hours: int, multiplier: float, *outputs: str) -> Naive:
    def value(market: MemorySnapshot, row: int, index: int) -> naive.Result:
        frame = market.frames[M5]
        bands = naive.vwap_bands(candles(frame, row, index), clock(frame, row, index), hours * 12, multiplier)
        return bands if outputs else {"": bands["middle"]}

    return value


def _of_day_before(function: Callable[[float, float, float], naive.Result]) -> Naive:
    def value(market: MemorySnapshot, row: int, index: int) -> naive.Result:
        frame = market.frames[M5]
        end = (index + 1) // PER_DAY * PER_DAY - frame.first_index
        day = {name: values[row, end - PER_DAY : end] for name, values in frame.columns.items()}
        return function(float(day["high"].max()), float(day["low"].min()), float(day["close"][-1]))

    return value


OURS: dict[str, Naive] = {
    "vwap()": _of_session(24, 1),
    "vwap(hours=4)": _of_session(4, 1),
    "vwap_bands()": _of_session(24, 1, "bands"),
    "vwap_bands(hours=8, multiplier=2.5)": _of_session(8, 2.5, "bands"),
    "pivot_high()": _of_candles(naive.pivot_high, 5, 5, column="high"),
    "pivot_high(close, 10, 2)": _of_candles(naive.pivot_high, 10, 2, column="close"),
    "pivot_low()": _of_candles(naive.pivot_low, 5, 5, column="low"),
    "volume_nodes()": _of_candles(naive.volume_nodes, 250, 30, 70, 50),
    "volume_nodes(100, bins=12, threshold=50, strength=20)": _of_candles(naive.volume_nodes, 100, 12, 50, 20),
    "classic_pivots()": _of_day_before(naive.classic_pivots),
    "fibonacci_pivots()": _of_day_before(naive.fibonacci_pivots),
    "camarilla_pivots()": _of_day_before(naive.camarilla_pivots),
    "ichimoku()": _of_candles(naive.ichimoku, 9, 26, 52, 26),
    "ichimoku(7, 22, 44, 22)": _of_candles(naive.ichimoku, 7, 22, 44, 22),
    "stoch_rsi()": _of_candles(naive.stoch_rsi, 14, 14, 3, 3, column="close"),
    "stoch_rsi(close, 21, 10, 5, 1)": _of_candles(naive.stoch_rsi, 21, 10, 5, 1, column="close"),
    "alma()": lambda market, row, index: {"": naive.alma(candles(market.frames[M5], row, index)["close"], 9, 0.85, 6)},
}


@pytest.mark.parametrize("call", OURS)
def test_our_indicator_is_what_straight_loops_give(call: str, market: MemorySnapshot, last: int) -> None:
    outputs = FUNCTIONS[call.split("(", maxsplit=1)[0]].outputs
    for back in (0, 1, 12, 57, 280, 300):
        found = shown(market, call, outputs, last - back)
        for row in range(0, SYMBOLS, 2):
            expected = OURS[call](market, row, last - back)
            values = [expected[output] for output in outputs]

            np.testing.assert_allclose(
                [found[output][row] for output in outputs],
                [np.nan if value is None else value for value in values],
                rtol=1e-9,
                atol=1e-9 if call.startswith("stoch") else 0,
            )


@pytest.mark.parametrize(("arguments", "numbers"), [("", (5, 5, 5, 60)), (", 3, 2, 3, 40", (3, 2, 3, 40))])
def test_divergence_is_what_straight_loops_give(arguments: str, numbers: tuple[int, ...], market: MemorySnapshot, last: int) -> None:
    outputs = FUNCTIONS["divergence"].outputs
    seen = dict.fromkeys(outputs, 0)
    for back in range(150):
        found = shown(market, f"divergence(rsi(close, 14){arguments})", outputs, last - back)
        for row in range(SYMBOLS):
            history = candles(market.frames[M5], row, last - back)
            strength = talib.RSI(np.array(history["close"]), 14).tolist()
            tail = slice(-80, None)
            expected = naive.divergence(strength[tail], {name: values[tail] for name, values in history.items()}, *numbers)
            for output in outputs:
                seen[output] += expected[output]
                assert expected[output] == (found[output][row] == 1)

    assert all(count > 0 for count in seen.values())
