"""What TA-Lib's parameters mean, and examples of its functions: TA-Lib's own description has neither."""

from collections.abc import Mapping
from types import MappingProxyType

from filters.expression.functions import Function, Parameter

_AVERAGE = "kind of average: 0 simple, 1 exponential, 2 weighted, 3 double and 4 triple exponential, 5 triangular, 6 Kaufman, 7 MESA, 8 T3, 9 Hull, 12 zero-lag, 13 Wilder"  # noqa: E501
MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "acceleration": "step by which it speeds up at each new extreme",
        "accelerationinitlong": "first step in a rise",
        "accelerationinitshort": "first step in a fall",
        "accelerationlong": "further steps in a rise",
        "accelerationmaxlong": "largest step in a rise",
        "accelerationmaxshort": "largest step in a fall",
        "accelerationshort": "further steps in a fall",
        "atrperiod": "candles of the average true range",
        "fastd_matype": _AVERAGE,
        "fastd_period": "candles of the average that gives d",
        "fastk_period": "candles of the range among which the price is placed",
        "fastlimit": "upper limit of the adaptation",
        "fastmatype": _AVERAGE,
        "fastperiod": "candles of the faster average",
        "firstperiod": "candles of the first smoothing",
        "leftbars": "candles before",
        "matype": _AVERAGE,
        "maximum": "largest step",
        "maxperiod": "longest period taken from `periods`",
        "minperiod": "shortest period taken from `periods`",
        "multiplier": "distance in average true ranges",
        "nbdev": "distance or scale in deviations",
        "nbdevdn": "distance of the lower band in deviations",
        "nbdevup": "distance of the upper band in deviations",
        "offsetonreverse": "distance at a reversal, as a share",
        "penetration": "share of the candle before that must be entered",
        "percentile": "which percentile, 0 to 100",
        "rightbars": "candles after, by which it is known later",
        "roc1period": "candles of the first rate of change",
        "roc2period": "candles of the second rate of change",
        "rocperiod": "candles of the rate of change",
        "secondperiod": "candles of the second smoothing",
        "signalmatype": _AVERAGE,
        "signalperiod": "candles of the signal line",
        "slowd_matype": _AVERAGE,
        "slowd_period": "candles of the average that gives d",
        "slowk_matype": _AVERAGE,
        "slowk_period": "candles of the average that gives k",
        "slowlimit": "lower limit of the adaptation",
        "slowmatype": _AVERAGE,
        "slowperiod": "candles of the slower average",
        "startvalue": "where it starts; 0 lets it find out",
        "stddevperiod": "candles of the standard deviation",
        "timeperiod": "how many candles",
        "timeperiod1": "candles of the shortest window",
        "timeperiod2": "candles of the middle window",
        "timeperiod3": "candles of the longest window",
        "vfactor": "0 to 1: how much it reacts",
        "wmaperiod": "candles of the weighted average",
    }
)
_EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "adx": "adx(14) > 25",
        "aroon": "crosses_above(aroon(14).up, aroon(14).down)",
        "atr": "atr(14) / close > 0.02",
        "bbands": "close < bbands(close, 20, 2).lower",
        "cci": "cci(20) < -100",
        "cmf": "cmf(20) > 0",
        "ema": "crosses_above(ema(close, 9), ema(close, 21))",
        "fractal": "fractal().low > 0",
        "ha": "ha().close > ha().open",
        "heikin_ashi": "heikin_ashi().close > heikin_ashi().open",
        "kama": "close > kama(close, 30)",
        "macd": "crosses_above(macd(close).macd, macd(close).signal)",
        "mavp": "close > mavp(close, round(volume % 20) + 2)",
        "mfi": "mfi(14) < 20",
        "minmaxindex": "minmaxindex(close, 30).highest < 3",
        "natr": "natr(14) > 2",
        "obv": "obv() > sma(obv(), 20)",
        "roc": "roc(close, 10) > 3",
        "rsi": "rsi(close, 14) < 30",
        "rvol": "rvol(20) > 3",
        "sar": "crosses_above(close, sar())",
        "stddev": "stddev(close, 20) > 2 * stddev(close, 20)[20]",
        "stoch": "crosses_above(stoch(14, 3, 0, 3).k, 20)",
        "stochrsi": "stochrsi(close, 14).k < 20",
        "supertrend": "supertrend(10, 3).trend > 0 and supertrend(10, 3).trend[1] < 0",
        "willr": "willr(14) < -80",
    }
)
_BELOW_PRICE = {"Overlap Studies", "Price Transform"}
PATTERNS = "Pattern Recognition"


def example(function: Function) -> str:
    """A condition that uses the function."""
    if function.name in _EXAMPLES:
        return _EXAMPLES[function.name]
    if function.group == PATTERNS:
        return f"{function.name}() > 0"
    call = f"{function.name}({', '.join([*_series(function), *_first(function.parameters)])})"
    if "lower" in function.outputs:
        return f"close < {call}.lower"
    if len(function.outputs) > 1:
        return f"{call}.{function.outputs[0]} > {call}.{function.outputs[1]}"
    return f"close > {call}" if function.group in _BELOW_PRICE else f"{call} > {call}[1]"


def _series(function: Function) -> list[str]:
    first = function.inputs[0].name
    return [first] if len(function.inputs) == 1 else []


def _first(parameters: tuple[Parameter, ...]) -> list[str]:
    return [f"{parameter.default:g}" for parameter in parameters[:1] if parameter.default is not None and parameter.is_whole]
