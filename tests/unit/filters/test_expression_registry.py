"""Every function of the language: causal, independent of the company it is evaluated in, and TA-Lib's where it is TA-Lib's."""

import numpy as np
import pytest
import talib
from talib import abstract

from domain.filters import FilterSpec
from domain.market import Interval, history_anchor
from filters.evaluation import Evaluator
from filters.expression import compile_filter
from filters.expression.functions import Function
from filters.expression.indicators import NOT_OFFERED
from filters.expression.registry import FUNCTIONS
from filters.outcome import Evaluation
from tests.unit.filters.calls import ALL, TALIB, program_of
from tests.unit.filters.memory_market import MemorySnapshot, random_market

M5 = Interval.M5
LAST = 256 * 23_000 + 130
ANCHOR = history_anchor(LAST)
YOUNG, HOLED = 1, 2
EVALUATED = [LAST, LAST - 1, LAST - 77, LAST - 131, LAST - 140, LAST - 250]


def _market() -> MemorySnapshot:
    market = random_market(M5, LAST, Interval.D1)
    frame = market.frames[M5]
    born = LAST - 400
    for values in frame.columns.values():
        values[YOUNG, : born - frame.first_index] = np.nan
    frame.closed_from[YOUNG] = born
    # older candles lie before the hole: they must not be seen
    frame.closed_from[HOLED] = ANCHOR + 17
    for values in frame.columns.values():
        values[HOLED, ANCHOR + 16 - frame.first_index] = np.nan
    return market


MARKET = _market()


def _bits(evaluation: Evaluation) -> list[list[bytes]]:
    arrays = [evaluation.ready, evaluation.matched, *evaluation.labelled.values(), *evaluation.series.values()]
    return [[array[row : row + 1].tobytes() for array in arrays] for row in np.flatnonzero(evaluation.ready)]


@pytest.mark.parametrize("function", ALL, ids=lambda function: function.name)
def test_result_does_not_depend_on_later_candles_nor_on_what_was_evaluated_before(function: Function) -> None:
    compiled = compile_filter(FilterSpec(code=program_of(function), interval=M5))
    shared = Evaluator()
    caught_up = {index: shared.evaluate_closed(compiled, MARKET, index) for index in EVALUATED}
    live = {index: Evaluator().evaluate_closed(compiled, MARKET.at_close(M5, index), index) for index in EVALUATED}

    assert {index: _bits(evaluation) for index, evaluation in live.items()} == {
        index: _bits(evaluation) for index, evaluation in caught_up.items()
    }
    assert all(evaluation.ready.sum() >= 4 for evaluation in live.values())


def test_every_talib_function_is_offered_or_left_out_for_a_stated_reason() -> None:
    assert set(TALIB) <= set(FUNCTIONS)
    assert set(NOT_OFFERED) <= set(talib.get_functions())


@pytest.mark.parametrize("row", [0, YOUNG, HOLED])
@pytest.mark.parametrize("name", [name for name in TALIB if name != "mavp"])
def test_value_is_talibs_own_over_the_symbols_history(name: str, row: int) -> None:
    function = FUNCTIONS[name]
    evaluation = Evaluator().evaluate_closed(compile_filter(FilterSpec(code=program_of(function), interval=M5)), MARKET, LAST)
    frame = MARKET.frames[M5]
    begin = max(ANCHOR, int(frame.closed_from[row]))
    history = {column: values[row, begin - frame.first_index :] for column, values in frame.columns.items()}
    arguments = [history[item.name] for item in function.inputs]
    expected = getattr(talib, TALIB[name])(*arguments, *abstract.Function(TALIB[name]).parameters.values())
    outputs = expected if isinstance(expected, tuple | list) else (expected,)
    newest = np.array([output[-1] for output in outputs], dtype=np.float64)
    if name in {"maxindex", "minindex", "minmaxindex"}:
        newest = LAST - begin - newest
    shown = np.array([evaluation.series[f"value {output}"][row] for output in function.outputs])

    assert np.where(np.isinf(newest), np.nan, newest).tobytes() == shown.tobytes()


WITHOUT_VALUES = {"acos", "asin"}  # of a price
NEEDING_AN_EVENT = {"bars_since", "value_when", "mavp", "pivot_high", "pivot_low", "volume_nodes"}


@pytest.mark.parametrize(
    "function", [item for item in ALL if item.name not in WITHOUT_VALUES | NEEDING_AN_EVENT], ids=lambda item: item.name
)
def test_required_history_is_just_enough_for_a_first_value(function: Function) -> None:
    compiled = compile_filter(FilterSpec(code=program_of(function), interval=M5))
    required = compiled.required[M5]
    market = random_market(M5, LAST, Interval.D1, rows=2)
    frame = market.frames[M5]
    frame.closed_from[:] = [LAST - required + 1, LAST - required + 2]
    evaluation = Evaluator().evaluate_closed(compiled, market, LAST)

    assert evaluation.ready.tolist() == [True, False]
    assert all(np.isfinite(values[0]) for values in evaluation.series.values())
    assert all(values[0] != 0 for values in evaluation.labelled.values())


@pytest.mark.parametrize("name", TALIB)
def test_holes_in_a_series_are_handled_alike_whatever_comes_later(name: str) -> None:
    function = FUNCTIONS[name]
    holed = ", ".join(f"holed + {place}" for place in range(len(function.inputs)))
    code = program_of(function).replace(f"result = {name}()", f"holed = log(close - sma(close, 5)) ** 301\nresult = {name}({holed})")
    compiled = compile_filter(FilterSpec(code=code, interval=M5))
    shared = Evaluator()

    for index in EVALUATED:
        live = Evaluator().evaluate_closed(compiled, MARKET.at_close(M5, index), index)
        assert _bits(live) == _bits(shared.evaluate_closed(compiled, MARKET, index))
