"""The trickier helpers as their definitions are written, value by value. `None` is null."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

Values = Sequence[float | None]


def rsi(closes: Sequence[float], period: int) -> list[float | None] | None:
    if len(closes) < period + 1:
        return None
    changes = [b - a for a, b in pairwise(closes)]
    gain = sum(c for c in changes[:period] if c > 0) / period
    loss = sum(-c for c in changes[:period] if c <= 0) / period
    found: list[float | None] = [None] * period
    for index in range(period, len(closes)):
        if index > period:
            change = changes[index - 1]
            gain = (gain * (period - 1) + max(change, 0)) / period
            loss = (loss * (period - 1) + max(-change, 0)) / period
        found.append((100 if gain > 0 else 50) if loss == 0 else 100 - 100 / (1 + gain / loss))
    return found


def _means(values: Values, period: int) -> list[float | None]:
    means: list[float | None] = []
    for index in range(len(values)):
        window = values[index - period + 1 : index + 1] if index >= period - 1 else [None]
        means.append(None if None in window else sum(reversed(window)) / period)  # type: ignore[arg-type]
    return means


def stochastic_rsi(closes: Sequence[float], rsi_period: int, stoch: int, k_period: int, d_period: int) -> list[dict[str, float]] | None:
    strengths = rsi(closes, rsi_period)
    if strengths is None or len(strengths) < stoch + k_period - 1:
        return None
    valid = [(index, value) for index, value in enumerate(strengths) if value is not None]
    if len(valid) < stoch:
        return None
    raw: list[float | None] = [None] * len(closes)
    for j in range(stoch - 1, len(valid)):
        window = [value for _, value in valid[j - stoch + 1 : j + 1]]
        low, high = min(window), max(window)
        raw[valid[j][0]] = 50 if high == low else (valid[j][1] - low) / (high - low) * 100
    k = _means(raw, k_period)
    d = _means(k, d_period)
    return [{"k": k[i], "d": d[i]} if d[i] is not None else {"k": 0, "d": 0} for i in range(len(closes))]  # type: ignore[dict-item]


def latest_stochastic_rsi(*arguments: Any) -> dict[str, float] | None:
    items = stochastic_rsi(*arguments) or []
    return next((item for item in reversed(items) if item["k"] != 0 or item["d"] != 0), None)


def divergence(values: Values, others: Values, lookback: int, separation: int) -> str | None:
    if len(values) != len(others) or len(values) < max(lookback, 2 * separation + 2):
        return None
    values, others = values[-lookback:], others[-lookback:]
    if len(values) < separation + 2:
        return None
    for name, sign in (("bullish_regular", 1), ("bearish_regular", -1)):
        places = [i for i in range(1, len(values) - 1) if _is_extreme(values, others, i, sign)]
        for newer in reversed(places):
            for older in places:
                moves = values[older] - values[newer], others[newer] - others[older]  # type: ignore[operator]
                if newer - older >= separation and min(sign * move for move in moves) > 0:
                    return name
    return None


def _is_extreme(values: Values, others: Values, i: int, sign: int) -> bool:
    before, value, after = values[i - 1 : i + 2]
    if before is None or value is None or after is None or others[i] is None:
        return False
    return sign * (before - value) > 0 and sign * (after - value) > 0


def rsi_divergence(closes: Sequence[float], period: int, lookback: int, separation: int) -> str | None:
    if len(closes) < max(period + 1, lookback, 2 * separation + 2):
        return None
    strengths = rsi(closes, period)
    return None if strengths is None else divergence(closes, strengths, lookback, separation)


def ema_series(values: Values, period: int) -> list[float | None]:
    found: list[float | None] = [None] * len(values)
    seeds = [i for i in range(period - 1, len(values)) if None not in values[i - period + 1 : i + 1]]
    if not seeds:
        return found
    weight, mean = 2 / (period + 1), sum(values[seeds[0] - period + 1 : seeds[0] + 1]) / period  # type: ignore[arg-type]
    found[seeds[0]] = mean
    for i in range(seeds[0] + 1, len(values)):
        value = values[i]
        if value is None:
            break
        mean = found[i] = value * weight + mean * (1 - weight)
    return found


def macd_values(closes: Sequence[float], short: int, long: int, signal: int) -> dict[str, list[float | None]]:
    nothing: list[float | None] = [None] * len(closes)
    if len(closes) < max(short, long, signal):
        return {"macdLine": nothing, "signalLine": nothing, "histogram": nothing}
    line = [None if a is None or b is None else a - b for a, b in zip(ema_series(closes, short), ema_series(closes, long), strict=True)]
    smooth = ema_series(line, signal)
    histogram = [None if a is None or b is None else a - b for a, b in zip(line, smooth, strict=True)]
    return {"macdLine": line, "signalLine": smooth, "histogram": histogram}


def ema(values: Sequence[float], period: int) -> float:
    if len(values) < period:
        return 0
    mean = values[0]
    for value in values[1:]:
        mean = value * (2 / (period + 1)) + mean * (1 - 2 / (period + 1))
    return mean


def macd(closes: Sequence[float], short: int, long: int, signal: int) -> dict[str, float]:
    if len(closes) < long:
        return {"MACD": 0, "signal": 0, "histogram": 0}
    line = [ema(closes[: i + 1], short) - ema(closes[: i + 1], long) for i in range(long - 1, len(closes))]
    return {"MACD": line[-1], "signal": ema(line, signal), "histogram": line[-1] - ema(line, signal)}


def nodes(
    candles: Sequence[Sequence[float]], bins: int, threshold: float, lookback: int, strength: float, tolerance: float
) -> list[dict[str, Any]]:
    """Rows of open, high, low, close, volume, bought."""
    rows = candles[-lookback:] if lookback else candles
    bottom, top = min(row[2] for row in rows), max(row[1] for row in rows)
    if bottom >= top:
        return []
    size = (top - bottom) / bins
    volumes, bought = [0.0] * bins, [0.0] * bins
    for opened, high, low, close, volume, buys in rows:
        first = math.floor((min(opened, close, low) - bottom) / size)
        last = math.floor((max(opened, close, high) - bottom) / size)
        for place in range(max(0, first), min(bins - 1, last) + 1):
            volumes[place] += volume / max(1, last - first + 1)
            bought[place] += buys / max(1, last - first + 1)
    rank = math.floor(threshold / 100 * bins)
    limit = sorted(volumes)[rank] if rank < bins else 0
    padded = [0.0, *volumes, 0.0]
    found = []
    for place, volume in enumerate(volumes):
        is_peak = all(volume > padded[beside] * (1 + tolerance) for beside in (place, place + 2))
        if volume >= limit and volume > 0 and is_peak and volume / max(volumes) * 100 >= strength:
            start = bottom + place * size
            node = {
                "price": (start + (start + size)) / 2,
                "volume": volume,
                "buyVolume": bought[place],
                "sellVolume": volume - bought[place],
            }
            found.append(node | {"strength": volume / max(volumes) * 100, "priceRange": [start, start + size]})
    return sorted(found, key=lambda node: -node["strength"])


def vwap_bands(candles: Sequence[Sequence[float]], anchor: int, multiplier: float) -> dict[str, list[float | None]]:
    start = len(candles) - anchor if anchor and anchor < len(candles) else 0
    bands: dict[str, list[float | None]] = {name: [None] * len(candles) for name in ("vwap", "upperBand", "lowerBand")}
    typical = [sum(row[1:4]) / 3 for row in candles]
    for i in range(start, len(candles)):
        volume = sum(row[4] for row in candles[start : i + 1])
        if volume <= 0:
            continue
        vwap = sum(typical[j] * candles[j][4] for j in range(start, i + 1)) / volume
        width = multiplier * math.sqrt(sum((typical[j] - vwap) ** 2 for j in range(start, i + 1)) / (i - start + 1))
        bands["vwap"][i], bands["upperBand"][i], bands["lowerBand"][i] = vwap, vwap + width, vwap - width
    return bands
