"""The same filters written by hand in both languages, for every definition on which they coincide.

Windows of so many candles, the shape of candles, counts and comparisons coincide wherever both see the candles. What remembers all it
has seen does not: an expression sees 512 to 767 candles, a browser filter 250. Where two numbers are equal but for the last bit, as a
close and the mean of closes a price step apart can be, that bit decides: TA-Lib keeps a running sum, the browser adds anew.
"""

from dataclasses import dataclass

from domain.market import Interval


@dataclass(frozen=True)
class Pair:
    name: str
    javascript: str
    expression: str
    others: tuple[Interval, ...] = ()
    may_never_match: bool = False


LAST = "const k = klines[klines.length - 1]; const [o, h, l, c, v] = k.slice(1, 6).map(parseFloat); "
CLOSES = "const closes = klines.map((k) => parseFloat(k[4])); const last = closes[closes.length - 1]; "

COINCIDING = [
    Pair(
        "moving averages",
        "return helpers.calculateMA(klines, 9) > helpers.calculateMA(klines, 21);",
        "match = sma(close, 9) > sma(close, 21)",
    ),
    Pair(
        "averages cross",
        "const a = helpers.calculateMASeries(klines, 9), b = helpers.calculateMASeries(klines, 21), n = a.length;"
        "return a[n - 2] <= b[n - 2] && a[n - 1] > b[n - 1];",
        "match = crosses_above(sma(close, 9), sma(close, 21))",
    ),
    Pair(
        "averages cross below",
        "const a = helpers.calculateMASeries(klines, 7), b = helpers.calculateMASeries(klines, 25), n = a.length;"
        "return a[n - 2] >= b[n - 2] && a[n - 1] < b[n - 1];",
        "match = crosses_below(sma(close, 7), sma(close, 25))",
    ),
    Pair(
        "average by reduce",
        CLOSES + "const mean = closes.slice(-50).reduce((sum, close) => sum + close, 0) / 50; return last > mean * 1.001;",
        "match = close > sma(close, 50) * 1.001",
    ),
    Pair(
        "average of numbers", CLOSES + "return last < helpers.calculateSMA(closes, 30) * 0.9995;", "match = close < sma(close, 30) * 0.9995"
    ),
    Pair("longest average", CLOSES + "return last > helpers.calculateMA(klines, 250);", "match = close > sma(close, 250)"),
    Pair(
        "volume over its average", LAST + "return v > 2 * helpers.calculateAvgVolume(klines, 20);", "match = volume > 2 * sma(volume, 20)"
    ),
    Pair(
        "volume over the average before it",
        LAST + "return v > 2.5 * helpers.calculateAvgVolume(klines.slice(0, -1), 20);",
        "match = volume > 2.5 * sma(volume, 20)[1]",
    ),
    Pair("breakout", LAST + "return c > helpers.getHighestHigh(klines.slice(0, -1), 20);", "match = close > highest(high, 20)[1]"),
    Pair("breakdown", LAST + "return c < helpers.getLowestLow(klines.slice(0, -1), 20);", "match = close < lowest(low, 20)[1]"),
    Pair(
        "breakout that includes itself",
        LAST + "return c > helpers.getHighestHigh(klines, 30);",
        "match = close > highest(high, 30)",
        may_never_match=True,
    ),
    Pair("highest close", CLOSES + "return last === Math.max(...closes.slice(-40));", "match = close == highest(close, 40)"),
    Pair(
        "percent change",
        CLOSES + "const then = closes[closes.length - 13]; return ((last - then) / then) * 100 > 0.8;",
        "match = percent_change(close, 12) > 0.8",
    ),
    Pair(
        "below the band",
        LAST + "const bands = helpers.getLatestBollingerBands(klines, 20, 2); return bands.lower !== null && c < bands.lower;",
        "match = close < bbands(close, 20, 2).lower",
    ),
    Pair(
        "narrow bands",
        "const { upper, middle, lower } = helpers.getLatestBollingerBands(klines, 20, 2); return (upper - lower) / middle < 0.01;",
        "bands = bbands(close, 20, 2)\nmatch = (bands.upper - bands.lower) / bands.middle < 0.01",
    ),
    Pair(
        "back inside the band",
        CLOSES + "const { upper } = helpers.calculateBollingerBands(klines, 30, 1.5); const n = upper.length;"
        "return closes[n - 2] > upper[n - 2] && last <= upper[n - 1];",
        "upper = bbands(close, 30, 1.5).upper\nmatch = close[1] > upper[1] and close <= upper",
    ),
    Pair(
        "deviation by hand",
        CLOSES + "const recent = closes.slice(-20), mean = recent.reduce((a, b) => a + b) / 20;"
        "const variance = recent.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 20; return (last - mean) / Math.sqrt(variance) > 1.5;",
        "match = (close - sma(close, 20)) / stddev(close, 20) > 1.5",
    ),
    Pair(
        "bullish engulfing",
        "return helpers.detectEngulfingPattern(klines) === 'bullish';",
        "match = (close[2] < open[2] and close[1] > open[1] and open[1] < close[2] and close[1] > open[2])",
    ),
    Pair(
        "bearish engulfing",
        "return helpers.detectEngulfingPattern(klines) === 'bearish';",
        "match = (close[2] > open[2] and close[1] < open[1] and open[1] > close[2] and close[1] < open[2])",
    ),
    Pair(
        "three rising candles",
        "return klines.slice(-3).every((k) => parseFloat(k[4]) > parseFloat(k[1]));",
        "match = all_of(close > open, 3)",
    ),
    Pair(
        "rising closes",
        CLOSES + "for (let i = closes.length - 4; i < closes.length; i++) if (!(closes[i] > closes[i - 1])) return false; return true;",
        "match = rising(close, 4)",
    ),
    Pair(
        "most of ten green",
        "let green = 0; for (const k of klines.slice(-10)) if (parseFloat(k[4]) > parseFloat(k[1])) green++; return green >= 7;",
        "match = count(close > open, 10) >= 7",
    ),
    Pair(
        "hammer",
        LAST + "const body = Math.abs(c - o); return Math.min(o, c) - l > 2 * body && h - Math.max(o, c) < body && body > 0;",
        "body = abs(close - open)\nmatch = min(open, close) - low > 2 * body and high - max(open, close) < body and body > 0",
    ),
    Pair(
        "doji", LAST + "return h > l && Math.abs(c - o) <= (h - l) * 0.1;", "match = high > low and abs(close - open) <= (high - low) * 0.1"
    ),
    Pair(
        "inside candle",
        LAST + "const p = klines[klines.length - 2].map(parseFloat); return h < p[2] && l > p[3];",
        "match = high < high[1] and low > low[1]",
    ),
    Pair(
        "outside candle",
        LAST + "const p = klines[klines.length - 2].map(parseFloat); return h > p[2] && l < p[3] && c > o;",
        "match = high > high[1] and low < low[1] and close > open",
    ),
    Pair("close near the high", LAST + "return h > l && (c - l) / (h - l) > 0.8;", "match = (close - low) / (high - low) > 0.8"),
    Pair(
        "what the browser calls ADX",
        "return helpers.calculateADX(klines, 14) > 4;",
        "match = min(sma(trange(), 14) / sma(close, 14) * 1000, 100) > 4",
    ),
    Pair(
        "what the browser calls stochastic",
        "const { k, d } = helpers.calculateStochastic(klines, 14); return k < 20 && d < 17;",
        "k = (close - lowest(low, 14)) / (highest(high, 14) - lowest(low, 14)) * 100\nmatch = k < 20 and k * 0.9 < 17",
    ),
    Pair(
        "volume weighted over all candles",
        LAST + "return c > helpers.calculateVWAP(klines) * 1.002;",
        "match = close > sum(hlc3 * volume, 250) / sum(volume, 250) * 1.002",
    ),
    Pair(
        "volume weighted since an anchor",
        LAST + "return c < helpers.getLatestVWAP(klines, 48);",
        "match = close < sum(hlc3 * volume, 48) / sum(volume, 48)",
    ),
    Pair(
        "quote volume",
        "const quote = (k) => parseFloat(k[7]); const recent = klines.slice(-30, -1).map(quote);"
        "return quote(klines[klines.length - 1]) > Math.max(...recent);",
        "match = quote_volume > highest(quote_volume, 29)[1]",
    ),
    Pair(
        "ticker's price over the average",
        "return parseFloat(ticker.c) > helpers.calculateMA(klines, 100) && parseFloat(ticker.quoteVolume) > 1e6;",
        "match = ticker.last > sma(close, 100) and ticker.quote_volume > 1000000",
    ),
    Pair(
        "two of three",
        LAST + "let score = 0; if (c > helpers.calculateMA(klines, 20)) score++; if (v > helpers.calculateAvgVolume(klines, 20)) score++;"
        "if (c > o) score += 1; return score >= 2;",
        "match = count(close > sma(close, 20), 1) + count(volume > sma(volume, 20), 1) + count(close > open, 1) >= 2",
    ),
    Pair(
        "another interval",
        LAST + "const higher = timeframes['15m']; return c > helpers.calculateMA(higher, 20) && c < helpers.calculateMA(klines, 20);",
        'higher = candles("15m")\nmatch = close > sma(higher.close, 20) and close < sma(close, 20)',
        others=(Interval.M15,),
    ),
    Pair(
        "breakout of another interval",
        LAST + "const higher = timeframes['15m']; return c > helpers.getHighestHigh(higher.slice(0, -1), 4);",
        'higher = candles("15m")\nmatch = close > highest(higher.high, 4)[1]',
        others=(Interval.M15,),
    ),
]

NEARLY = [
    (
        Pair("a close that is its average", CLOSES + "return last < helpers.calculateMA(klines, 30);", "match = close < sma(close, 30)"),
        0.005,
    ),
    (Pair("RSI", "return helpers.getLatestRSI(klines, 14) < 35;", "match = rsi(close, 14) < 35"), 0.0),
    (Pair("EMA of 20", CLOSES + "return last > helpers.getLatestEMA(klines, 20);", "match = close > ema(close, 20)"), 0.0),
    (
        Pair("MACD", "return helpers.getLatestMACD(klines).histogram > 0;", "match = macd(close, 12, 26, 9).histogram > 0"),
        0.0,
    ),
    (
        Pair(
            "stochastic RSI",
            "const s = helpers.getLatestStochRSI(klines); return s.k > s.d + 0.01 && s.k < 20;",
            "s = stoch_rsi(close, 14, 14, 3, 3)\nmatch = s.k > s.d + 0.01 and s.k < 20",
        ),
        0.0,
    ),
    (Pair("EMA of 200", CLOSES + "return last > helpers.getLatestEMA(klines, 200);", "match = close > ema(close, 200)"), 0.1),
]
"""Pairs that remember all they have seen, or compare what may be equal but for the last bit, and the share that may differ."""
