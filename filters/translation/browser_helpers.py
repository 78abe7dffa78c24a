"""What is known of the browser's helpers: their names, what users call in their stead, and what is odd about some."""

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

_NAMES = """
    calculateMA calculateMASeries calculateSMA calculateAvgVolume calculateRSI getLatestRSI detectGenericDivergence detectRSIDivergence
    calculateStochRSI getLatestStochRSI calculateEMASeries getLatestEMA calculateEMA calculateMACDValues getLatestMACD calculateMACD
    calculateADX calculateStochastic getHighestHigh getLowestLow detectEngulfingPattern calculatePVISeries getLatestPVI
    calculateHighVolumeNodes isNearHVN getClosestHVN countHVNInRange clearHVNCache calculateBollingerBands getLatestBollingerBands
    calculateVWAP calculateVWAPSeries getLatestVWAP calculateVWAPBands getLatestVWAPBands
"""
HELPERS = frozenset(_NAMES.split())
"""The browser's own."""
_TRUE_NAMES = "trueADX trueATR trueBollingerBandWidth trueCCI trueMACD trueMFI trueOBV trueResample trueStochastic trueVWAP"
TRUE_HELPERS = frozenset(_TRUE_NAMES.split())
"""Beside them the library has true indicators under new names."""

INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "calculateBollingerBandWidth": "it is helpers.trueBollingerBandWidth(klines, 20, 2)",
        "getLatestMA": "it is helpers.calculateMA(klines, period)",
        "getLatestSMA": "it is helpers.calculateMA(klines, period)",
        "calculateATR": "it is helpers.trueATR(klines, 14)",
        "getLatestATR": "it is helpers.trueATR(klines, 14)",
        "getLatestADX": "it is helpers.trueADX(klines, 14)",
        "getLatestStochastic": "it is helpers.trueStochastic(klines, 14, 3, 3)",
        "calculateStochasticRSI": "it is helpers.calculateStochRSI(klines)",
        "getLatestVolume": "it is parseFloat(klines[klines.length - 1][5])",
        "calculateVolumeAverage": "it is helpers.calculateAvgVolume(klines, period)",
        "getAvgVolume": "it is helpers.calculateAvgVolume(klines, period)",
        "detectEngulfing": "it is helpers.detectEngulfingPattern(klines)",
        "detectDivergence": "it is helpers.detectRSIDivergence(klines)",
        "convertTimeframe": "it is helpers.trueResample(klines, 60), or timeframes['1h']",
        "rsi": "it is helpers.getLatestRSI(klines, period)",
        "sma": "it is helpers.calculateMA(klines, period)",
        "ema": "it is helpers.getLatestEMA(klines, period)",
        "macd": "it is helpers.getLatestMACD(klines)",
        "atr": "it is helpers.trueATR(klines, 14)",
        "bollingerBands": "it is helpers.getLatestBollingerBands(klines, 20, 2)",
        "stochastic": "it is helpers.trueStochastic(klines, 14, 3, 3)",
        "adx": "it is helpers.trueADX(klines, 14)",
        "vwap": "it is helpers.getLatestVWAP(klines, anchor)",
    }
)
"""Functions that never existed and that users' filters call all the same."""

ODDITIES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "calculateADX": (
            "calculateADX is not the ADX: it is the average true range in per mille of the price, at most 100.",
            "It gives here what it gave in the browser; the ADX itself is helpers.trueADX, or adx(14) in an expression.",
        ),
        "calculateStochastic": (
            "calculateStochastic gives %D as 0.9 of %K and ignores smoothing, so %K crosses %D only where both are 0.",
            "The true one is helpers.trueStochastic, or stoch(14, 3, 0, 3, 0) in an expression.",
        ),
        "getLatestStochRSI": (
            "getLatestStochRSI skips a reading of exactly 0 and 0 and gives an older one.",
            "",
        ),
        "calculateEMA": ("calculateEMA starts from the first value, getLatestEMA from a mean: the two differ a little.", ""),
        "calculateMACD": ("calculateMACD starts its averages from the first value, getLatestMACD from means: the two differ a little.", ""),
        "detectEngulfingPattern": (
            "detectEngulfingPattern looks at the two candles before the last one, which in the browser was still forming.",
            "On closed candles that is one candle further back: the signal comes one candle later than it could.",
        ),
    }
)
"""What is odd about a helper whenever it is used, and what to do about it. Results are the browser's all the same."""


def instead_of(name: str, known: frozenset[str] = HELPERS | TRUE_HELPERS) -> str:
    """What to call in place of a helper that does not exist."""
    if name in INSTEAD:
        return f"Nearest true thing: {INSTEAD[name]}."
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"Did you mean helpers.{close[0]}?" if close else "The helpers there are stand in docs/from-pine-and-javascript.md."
