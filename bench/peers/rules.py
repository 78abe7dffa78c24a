"""Two hundred and fifty rules as users write them, in the expression language.

`$` marks a threshold, which every trader chooses for himself: `rule(place, trader)` gives the text that one trader deployed, so that no
two filters are the same while most of them use the same few indicators with the parameters everybody uses.
"""

import re
from collections.abc import Iterator

HOURLY = 'hourly = candles("1h")\n'

Shape = tuple[str, tuple[tuple[object, ...], ...]]
"""A text with places, and what stands there in each of its rules."""

SHAPES: tuple[Shape, ...] = (
    # Oscillators
    ("match = rsi(close, {}) < ${}", ((14, 30), (14, 25), (7, 20), (21, 35), (14, 20), (2, 10), (9, 25))),
    ("match = rsi(close, {}) > ${}", ((14, 70), (14, 80), (7, 85), (21, 65))),
    ("r = rsi(close, 14)\nmatch = crosses_above(r, ${})", ((30,), (25,), (50,), (40,))),
    ("r = rsi(close, {})\nmatch = crosses_below(r, ${})", ((14, 70), (14, 50), (7, 80))),
    ("match = rsi(close, 14) < ${} and volume > $1.5 * sma(volume, {})[1]", ((30, 20), (35, 20), (40, 50), (30, 10))),
    ("match = rsi(close, 14) < ${} and close > ema(close, {})", ((45, 200), (40, 200), (50, 100), (40, 50))),
    ("match = all_of(rsi(close, 14) > ${}, {})", ((55, 5), (60, 3), (50, 10))),
    ("r = rsi(close, 14)\nmatch = any_of(r < ${}, {}) and r > r[1] and close > open", ((25, 10), (30, 5), (20, 20))),
    ("match = stoch().k < ${} and stoch().d < $20", ((20,), (15,))),
    ("s = stoch(14, 3, 0, 3, 0)\nmatch = crosses_above(s.k, s.d) and s.k < ${}", ((20,), (30,), (25,))),
    ("s = stochf(14, 3)\nmatch = s.k > ${} and s.d > $80", ((80,), (90,))),
    ("s = stochrsi(close, 14, 14, 3, 0)\nmatch = s.k < ${} and s.d < $20", ((10,), (20,))),
    ("match = cci({}) < -${}", ((20, 100), (14, 100), (20, 200))),
    ("match = cci({}) > ${} and close > ema(close, 50)", ((20, 100), (14, 150))),
    ("match = willr({}) < -${}", ((14, 80), (14, 90), (21, 85))),
    ("match = mfi({}) < ${} and close < bbands(close, 20, 2).lower", ((14, 20), (14, 30))),
    ("match = mfi(14) > ${}", ((80,), (90,))),
    ("match = cmo(close, 14) < -${}", ((50,), (40,))),
    ("match = ultosc(7, 14, 28) < ${}", ((30,), (35,))),
    ("match = crosses_above(roc(close, {}), ${})", ((10, 1), (12, 2), (9, 0.5))),
    ("match = mom(close, 10) / close * 100 > ${}", ((1,), (2,))),
    ("match = trix(close, 15) > ${}", ((0.02,), (0.05,))),
    # Averages
    ("match = crosses_above(ema(close, {}), ema(close, {})) and rsi(close, 14) < $70", ((9, 21), (12, 26), (5, 13), (20, 50), (8, 21))),
    ("match = crosses_below(ema(close, {}), ema(close, {})) and rsi(close, 14) > $30", ((9, 21), (12, 26), (20, 50))),
    ("match = crosses_above(sma(close, {}), sma(close, {})) and volume > $1 * sma(volume, 20)", ((50, 200), (20, 50), (10, 30))),
    ("fast = ema(close, 9)\nslow = ema(close, 21)\nmatch = close > fast and fast > slow and slow > ema(close, 50) and rsi(close, 14) > ${}",
     ((55,), (60,))),
    ("match = close > ema(close, 200) and crosses_above(close, ema(close, {})) and adx(14) > ${}", ((21, 20), (50, 25), (9, 25))),
    ("match = (close - ema(close, {0})) / ema(close, {0}) * 100 < -${1}", ((20, 2), (50, 3), (200, 5))),
    ("match = (close - sma(close, {0})) / sma(close, {0}) * 100 > ${1}", ((20, 2), (50, 4))),
    ("match = ema(close, {0}) > ema(close, {0})[{1}] * (1 + $0.001) and close > ema(close, {0})", ((21, 3), (50, 5), (200, 10))),
    ("match = all_of(close > ema(close, {}), {}) and rsi(close, 14) > ${}", ((21, 5, 50), (50, 10, 55), (9, 3, 60))),
    ("match = crosses_above(wma(close, 10), sma(close, 20)) and rsi(close, 14) > ${}", ((45,), (50,))),
    ("match = crosses_above(close, kama(close, {})) and atr(14) / close * 100 > ${}", ((30, 0.3), (10, 0.2))),
    ("match = dema(close, {}) > tema(close, {}) and rsi(close, 14) < ${}", ((20, 20, 40), (9, 21, 50))),
    ("match = close > t3(close, 5) and rsi(close, 14) > ${}", ((60,),)),
    # MACD
    ("m = macd(close)\nmatch = crosses_above(m.macd, m.signal) and rsi(close, 14) < ${}", ((50,), (60,), (70,))),
    ("m = macd(close)\nmatch = crosses_below(m.macd, m.signal) and rsi(close, 14) > ${}", ((50,), (40,))),
    ("m = macd(close, {}, {}, {})\nmatch = m.histogram > 0 and m.histogram[1] <= 0 and volume > ${} * sma(volume, 20)",
     ((12, 26, 9, 1), (12, 26, 9, 1.5), (8, 17, 9, 1.2), (5, 35, 5, 1))),
    ("m = macd(close)\nmatch = rising(m.histogram, {}) and m.macd < 0 and rsi(close, 14) < ${}", ((3, 50), (2, 45), (4, 55))),
    ("m = macd(close)\nmatch = m.macd > 0 and m.signal > 0 and close > ema(close, 50) and adx(14) > ${}", ((20,), (25,))),
    ("match = macd(close).histogram / close * 100 > ${}", ((0.05,), (0.1,))),
    # Bands
    ("b = bbands(close, {}, {})\nmatch = close < b.lower and rsi(close, 14) < ${}", ((20, 2, 30), (20, 2, 40), (20, 2.5, 35), (50, 2, 40))),
    ("b = bbands(close, {}, {})\nmatch = close > b.upper and volume > ${} * sma(volume, 20)[1]", ((20, 2, 2), (20, 2, 1.5), (20, 3, 1))),
    ("b = bbands(close, 20, 2)\nmatch = (b.upper - b.lower) / b.middle * 100 < ${}", ((1,), (1.5,), (2,))),
    ("b = bbands(close, 20, 2)\nmatch = crosses_above(close, b.lower) and rsi(close, 14) < ${}", ((40,), (45,))),
    ("b = bbands(close, 20, 2)\nwidth = (b.upper - b.lower) / b.middle\nmatch = width < lowest(width, {})[1] * (1 + $0.01)",
     ((50,), (100,))),
    ("b = bbands(close, 20, 2)\nmatch = (close - b.lower) / (b.upper - b.lower) > ${}", ((0.95,), (1,))),
    ("match = close > ema(close, 20) + ${} * atr(10)", ((2,), (1.5,), (3,))),
    ("match = close < ema(close, 20) - ${} * atr(10)", ((2,), (1.5,))),
    # Trend and volatility
    ("match = adx({}) > ${} and plus_di({}) > minus_di({})", ((14, 25, 14, 14), (14, 30, 14, 14), (20, 25, 20, 20))),
    ("match = crosses_above(plus_di(14), minus_di(14)) and adx(14) > ${}", ((15,), (20,), (25,))),
    ("match = adx(14) < ${} and atr(14) / close * 100 < $0.5", ((15,), (20,))),
    ("match = atr({}) / close * 100 > ${}", ((14, 0.5), (14, 1), (10, 0.8), (21, 0.6))),
    ("match = natr(14) > ${} and rsi(close, 14) < $40", ((0.5,), (1,))),
    ("match = atr(14) > ${} * sma(atr(14), 50)", ((1.5,), (2,))),
    ("match = crosses_above(close, sar(0.02, 0.2)) and adx(14) > ${}", ((15,), (20,))),
    ("a = aroon({})\nmatch = a.up > ${} and a.down < $30", ((14, 70), (25, 80))),
    ("match = aroonosc(14) > ${}", ((50,),)),
    ("match = linearreg_slope(close, 14) / close * 100 > ${}", ((0.02,), (0.05,))),
    ("match = stddev(close, 20) / sma(close, 20) * 100 > ${}", ((0.5,), (1,))),
    # Volume
    ("match = volume > ${} * sma(volume, {})[1]", ((2, 20), (3, 20), (5, 20), (2, 50), (10, 20))),
    ("match = volume > ${} * sma(volume, 20)[1] and close > open and (close - open) / open * 100 > $0.5", ((2,), (3,), (1.5,))),
    ("match = obv() > sma(obv(), 20) and close > ema(close, 21) and rsi(close, 14) > ${}", ((50,), (55,))),
    ("match = adosc(3, 10) > 0 and adosc(3, 10)[1] <= 0 and rsi(close, 14) > ${}", ((40,), (50,))),
    ("match = quote_volume > ${} and percent_change(close, 1) > $0.5", ((50_000,), (100_000,))),
    ("match = all_of(volume > ${} * sma(volume, 20), 3)", ((1,), (1.2,))),
    # Breakouts and price
    ("match = close > highest(high, {})[1] and volume > ${} * sma(volume, 20)", ((20, 1.5), (20, 2), (50, 1.5), (12, 1), (100, 1))),
    ("match = close < lowest(low, {})[1] and adx(14) > ${}", ((20, 20), (50, 25), (10, 20))),
    ("match = close > highest(high, {})[1] and rsi(close, 14) > ${}", ((20, 60), (55, 65))),
    ("range = highest(high, 20) - lowest(low, 20)\nmatch = range / close * 100 < ${} and volume > $1.2 * sma(volume, 20)", ((1,), (2,))),
    ("match = percent_change(close, {}) > ${}", ((1, 1), (3, 2), (12, 3), (12, 5), (288, 10))),
    ("match = percent_change(close, {}) < -${}", ((1, 1), (6, 2), (12, 3))),
    ("match = percent_change(close, 12) > ${} and rsi(close, 14) < $75 and volume > $1 * sma(volume, 20)", ((1,), (2,))),
    ("match = rising(close, {}) and volume > ${} * sma(volume, 20)", ((3, 1), (5, 1), (4, 1.5))),
    ("match = falling(close, {}) and rsi(close, 14) < ${}", ((3, 35), (5, 30), (4, 40))),
    ("match = count(close > open, 10) >= {} and rsi(close, 14) > ${}", ((7, 55), (8, 60))),
    ("match = (high - max(open, close)) / (high - low) > ${} and volume > sma(volume, 20)", ((0.6,), (0.7,))),
    ("match = (min(open, close) - low) / (high - low) > ${} and rsi(close, 14) < $45", ((0.6,), (0.7,))),
    ("match = abs(close - open) / (high - low) < ${} and rsi(close, 14) < $40", ((0.1,), (0.15,))),
    ("match = close < (highest(high, {0}) + lowest(low, {0})) / 2 and rsi(close, 14) > ${1}", ((50, 50), (20, 55))),
    # Candle patterns
    ("match = engulfing() > 0 and rsi(close, 14) < ${}", ((40,), (50,), (35,))),
    ("match = engulfing() < 0 and rsi(close, 14) > ${}", ((60,), (50,))),
    ("match = hammer() > 0 and rsi(close, 14) < ${}", ((40,), (45,))),
    ("match = (morningstar() > 0 or piercing() > 0) and rsi(close, 14) < ${}", ((45,),)),
    ("match = shootingstar() < 0 and rsi(close, 14) > ${}", ((60,),)),
    ("match = doji() > 0 and close < bbands(close, 20, 2).lower * (1 + $0.002)", ((),)),
    ("match = threewhitesoldiers() > 0 and volume > ${} * sma(volume, 20)", ((1,),)),
    # Several intervals
    (HOURLY + "match = hourly.close > ema(hourly.close, {}) and rsi(close, 14) < ${}", ((50, 30), (50, 40), (20, 35), (21, 40))),
    (HOURLY + "match = rsi(hourly.close, 14) > ${} and crosses_above(ema(close, 9), ema(close, 21))", ((50,), (55,), (60,))),
    (HOURLY + "match = rsi(hourly.close, 14) < ${} and rsi(close, 14) < $30", ((40,), (35,), (30,))),
    (HOURLY + "match = hourly.adx(14) > ${} and close > highest(high, 20)[1]", ((20,), (25,))),
    (HOURLY + "h = macd(hourly.close)\nmatch = h.histogram > 0 and macd(close).histogram > 0 and rsi(close, 14) < ${}", ((60,), (70,))),
    (HOURLY + "match = crosses_above(ema(hourly.close, 9), ema(hourly.close, 21)) and rsi(close, 14) > ${}", ((50,), (45,))),
    (HOURLY + "match = close < bbands(close, 20, 2).lower and hourly.close > sma(hourly.close, 20) and volume > ${} * sma(volume, 20)",
     ((1,), (1.5,))),
    # With conditions and plots, as the console writes them
    (('oversold = rsi(close, 14) < ${0}\ncross = crosses_above(ema(close, 9), ema(close, 21))\n'
     'condition("oversold lately", any_of(oversold, 10))\ncondition("cross", cross)\nmatch = any_of(oversold, 10) and cross\n'
     'plot("RSI", rsi(close, 14))\nscore = 100 - rsi(close, 14)'), ((35,), (40,))),
    (('spike = volume > ${0} * sma(volume, 20)[1]\nbreakout = close > highest(high, 20)[1]\ncondition("volume", spike)\n'
     'condition("breakout", breakout)\nmatch = spike and breakout\nplot("volume", volume / sma(volume, 20)[1])'), ((2,), (3,), (1.5,))),
    (('trend = close > ema(close, 200) and ema(close, 50) > ema(close, 200)\npullback = rsi(close, 14) < ${0}\ncondition("trend", trend)\n'
     'condition("pullback", pullback)\nmatch = trend and pullback\nplot("ATR %", atr(14) / close * 100)\nplot("RSI", rsi(close, 14))'),
     ((40,), (45,), (50,))),
)  # fmt: skip


def _texts() -> Iterator[str]:
    for text, variants in SHAPES:
        yield from (text.format(*values) for values in variants)


RULES = tuple(_texts())


def rule(place: int, trader: int = 0) -> str:
    """The rule as this trader deployed it: each has thresholds a little different from every other's."""

    def chosen(threshold: re.Match[str]) -> str:
        return repr(float(threshold[1]) * (1 + trader / 100_000))

    return re.sub(r"\$([\d.]+)", chosen, RULES[place % len(RULES)])
