"""A call of every function of the language, for tests that cover the whole registry."""

import talib

from filters.expression.functions import Function
from filters.expression.indicators import NOT_OFFERED
from filters.expression.registry import FUNCTIONS

UP = "close > open"
OWN_CALLS = {
    "abs": "abs(close - open)",
    "min": "min(close, open, hl2)",
    "max": "max(close, open, hl2)",
    "round": "round(close, 1)",
    "log": "log(close)",
    "sqrt": "sqrt(close)",
    "sign": "sign(close - open)",
    "nz": "nz(close[3], 7)",
    "crosses_above": "crosses_above(close, sma(close, 5))",
    "crosses_below": "crosses_below(close, sma(close, 5))",
    "between": "between(close, low, open)",
    "all_of": f"all_of({UP}, 3)",
    "any_of": f"any_of({UP}, 3)",
    "count": f"count({UP}, 10)",
    "bars_since": f"bars_since({UP} and volume > sma(volume, 20))",
    "value_when": f"value_when({UP}, high)",
    "highest": "highest(high, 13)",
    "lowest": "lowest(low, 13)",
    "rising": "rising(close, 2)",
    "falling": "falling(close, 2)",
    "change": "change(close, 4)",
    "percent_change": "percent_change(close, 4)",
    "divergence": "divergence(close)",
    "mavp": "mavp(close, round(volume % 20) + 2)",
}


def call_of(function: Function) -> str:
    """A call with standard parameters; what needs no series gets none."""
    return OWN_CALLS.get(function.name, f"{function.name}()")


def program_of(function: Function) -> str:
    """A filter that shows every output of the function: conditions as conditions, numbers as plots."""
    call = call_of(function)
    lines = [f"result = {call}", "match = close > 0"]
    for output in function.outputs:
        part = f"result.{output}" if output else "result"
        kind = "condition" if function.name in CONDITIONS else "plot"
        lines.append(f'{kind}("value {output}", {part})')
    return "\n".join(lines)


CONDITIONS = {"divergence", "crosses_above", "crosses_below", "between", "all_of", "any_of", "rising", "falling"}
ALL = list(FUNCTIONS.values())


def _short(name: str) -> str:
    short = name.removeprefix("CDL").lower()
    return {"2": "two", "3": "three"}.get(short[0], short[0]) + short[1:]


TALIB = {_short(name): name for name in talib.get_functions() if name not in NOT_OFFERED}
"""Names of the language to TA-Lib's."""
