"""Names from other languages and libraries, and letters that only look like ours: what to write instead."""

import re
import unicodedata
from collections.abc import Container, Iterable, Mapping
from types import MappingProxyType

from filters.expression.problems import Misuse, nearest

WRITTEN_HERE: Mapping[str, str] = MappingProxyType(
    {
        "accdist": "ad()",
        "average": "sma(close, 20)",
        "avgvolume": "sma(volume, 20)",
        "awesomeoscillator": "ao()",
        "barssince": "bars_since(close > open)",
        "bb": "bbands(close, 20, 2).upper",
        "bbw": "(bbands(close, 20, 2).upper - bbands(close, 20, 2).lower) / bbands(close, 20, 2).middle",
        "bollinger": "bbands(close, 20, 2).upper",
        "bollingerbands": "bbands(close, 20, 2).upper",
        "bollingerbandwidth": "(bbands(close, 20, 2).upper - bbands(close, 20, 2).lower) / bbands(close, 20, 2).middle",
        "correlation": "correl(high, low, 30)",
        "cross": "crosses_above(close, open) or crosses_below(close, open)",
        "crossabove": "crosses_above(close, open)",
        "crossbelow": "crosses_below(close, open)",
        "crossover": "crosses_above(close, open)",
        "crossunder": "crosses_below(close, open)",
        "cum": "cumsum(close)",
        "cumulative": "cumsum(close)",
        "dev": "avgdev(close, 14)",
        "diff": "change(close, 1)",
        "dmi": "plus_di(14) - minus_di(14)",
        "donchianchannels": "donchian(20).upper",
        "genericdivergence": "divergence(rsi(close, 14)).bullish",
        "heikenashi": "heikin_ashi().close",
        "heikinashi": "heikin_ashi().close",
        "highestbars": "maxindex(high, 20)",
        "highesthigh": "highest(high, 20)",
        "highvolumenodes": "volume_nodes().above",
        "hhv": "highest(high, 20)",
        "hvn": "volume_nodes().above",
        "ichimokucloud": "ichimoku().span_a",
        "iff": "value_when(close > open, close)",
        "keltnerchannels": "keltner(20).upper",
        "linreg": "linearreg(close, 14)",
        "llv": "lowest(low, 20)",
        "lowestbars": "minindex(low, 20)",
        "lowestlow": "lowest(low, 20)",
        "mean": "sma(close, 20)",
        "median": "percentile(close, 20, 50)",
        "moneyflowindex": "mfi(14)",
        "na": "nz(close, 0)",
        "parabolicsar": "sar()",
        "pctchange": "percent_change(close, 1)",
        "pivothigh": "pivot_high(high, 5, 5).value",
        "pivotlow": "pivot_low(low, 5, 5).value",
        "pow": "close ** 2",
        "power": "close ** 2",
        "prev": "close[1]",
        "previous": "close[1]",
        "psar": "sar()",
        "ref": "close[1]",
        "rsidivergence": "divergence(rsi(close, 14)).bullish",
        "security": 'candles("1h").close',
        "shift": "close[1]",
        "smma": "rma(close, 14)",
        "std": "stddev(close, 20)",
        "stdev": "stddev(close, 20)",
        "stochastic": "stoch().k",
        "tr": "trange()",
        "truerange": "trange()",
        "valuewhen": "value_when(close > open, close)",
        "variance": "var(close, 20)",
        "volumeprofile": "volume_nodes().strongest",
        "volumesma": "sma(volume, 20)",
        "wilders": "rma(close, 14)",
        "williamsr": "willr(14)",
        "wpr": "willr(14)",
        "amount": "quote_volume",
        "buyvolume": "taker_buy_volume",
        "hlcc4": "(high + low + 2 * close) / 4",
        "klines": "close",
        "last": "ticker.last",
        "price": "close",
        "source": "close",
        "src": "close",
        "timeframes": 'candles("1h").close',
        "vol": "volume",
    }
)
"""Without case and underscores: an example of how it is written here."""
PREFIXES = frozenset({"ta", "math", "talib", "np", "numpy", "pd", "helpers", "indicators", "request", "input", "array", "str", "Math"})
"""What other languages put before their functions."""

_AROUND = re.compile(r"^(calculate|getlatest|getclosest|get|detect)|(series|values|pattern)$")
_LOOK_ALIKES: Mapping[int, str] = MappingProxyType(
    {
        ord(other): letter
        for letter, others in {
            "a": "\u0430\u03b1",
            "b": "\u042c",
            "c": "\u0441\u03f2",
            "d": "\u0501",
            "e": "\u0435\u04bd",
            "h": "\u04bb",
            "i": "\u0456\u0131\u03b9",
            "j": "\u0458",
            "k": "\u043a\u03ba",
            "l": "\u04cf",
            "m": "\u043c",
            "n": "\u0578",
            "o": "\u043e\u03bf\u0585",
            "p": "\u0440\u03c1",
            "q": "\u051b",
            "r": "\u0433",
            "s": "\u0455",
            "t": "\u0442\u03c4",
            "u": "\u057d\u03c5",
            "v": "\u03bd\u0475",
            "w": "\u051d\u0461",
            "x": "\u0445\u03c7",
            "y": "\u0443\u03b3",
        }.items()
        for other in others
    }
)


def looks_like(name: str, known: Container[str]) -> str:
    """The known name that this one only looks like, because it has letters of another alphabet; or nothing."""
    plain = name.translate(_LOOK_ALIKES)
    return plain if plain != name and plain in known else ""


def unknown(kind: str, name: str, known: Iterable[str]) -> Misuse:
    """The refusal of a name that does not exist, with what to write instead."""
    names = {*known}
    if plain := looks_like(name, names):
        return Misuse(f"there is no {kind}{name!r}: {_disguised(name)}", suggestion=plain)
    plain = name.lower().replace("_", "")
    stripped = _AROUND.sub("", _AROUND.sub("", plain))
    written = WRITTEN_HERE.get(plain) or WRITTEN_HERE.get(stripped)
    if written and name.lower() not in names:
        return Misuse(f"there is no {kind}{name!r}; here one writes {written}")
    return Misuse(f"there is no {kind}{name!r}", suggestion=stripped if stripped in names else nearest(name, names))


def _disguised(name: str) -> str:
    letter = next(letter for letter in name if ord(letter) in _LOOK_ALIKES)
    return f"its {letter!r} is a {unicodedata.name(letter).lower()}, not the {_LOOK_ALIKES[ord(letter)]!r} it looks like"
