"""Indicators in straight loops over one symbol's candles, from their written definitions: what the compiled ones are compared with.

Each takes the candles up to now, oldest first, and gives the value now; `None` stands for none.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

Candles = Mapping[str, Sequence[float]]
Result = dict[str, float | None]


def vwap_bands(candles: Candles, clock: Sequence[int], per_session: int, multiplier: float) -> Result:
    start = next((place for place in range(len(clock) - 1, -1, -1) if clock[place] % per_session == 0), None)
    if start is None:
        return {"upper": None, "middle": None, "lower": None}
    session = range(start, len(clock))
    price = [(candles["high"][i] + candles["low"][i] + candles["close"][i]) / 3 for i in session]
    volume = [candles["volume"][i] for i in session]
    total = sum(volume)
    if total == 0:
        return {"upper": None, "middle": None, "lower": None}
    mean = sum(p * v for p, v in zip(price, volume, strict=True)) / total
    deviation = math.sqrt(sum(v * (p - mean) ** 2 for p, v in zip(price, volume, strict=True)) / total)
    return {"upper": mean + multiplier * deviation, "middle": mean, "lower": mean - multiplier * deviation}


def swing_highs(values: Sequence[float], left: int, right: int) -> list[int]:
    """Places of the swing highs that are confirmed by now."""
    return [
        place
        for place in range(left, len(values) - right)
        if all(values[place] > values[place - back] for back in range(1, left + 1))
        and all(values[place] >= values[place + ahead] for ahead in range(1, right + 1))
    ]


def pivot_high(values: Sequence[float], left: int, right: int) -> Result:
    places = swing_highs(values, left, right)
    return {"value": values[places[-1]], "age": len(values) - 1 - places[-1]} if places else {"value": None, "age": None}


def pivot_low(values: Sequence[float], left: int, right: int) -> Result:
    high = pivot_high([-value for value in values], left, right)
    return {"value": None if high["value"] is None else -high["value"], "age": high["age"]}


def divergence(series: Sequence[float], candles: Candles, left: int, right: int, nearest: int, farthest: int) -> dict[str, bool]:
    low = [-value for value in candles["low"]]
    negative = [-value for value in series]
    return {
        "bullish": _apart(negative, low, left, right, nearest, farthest, 1),
        "bearish": _apart(series, candles["high"], left, right, nearest, farthest, 1),
        "hidden_bullish": _apart(negative, low, left, right, nearest, farthest, -1),
        "hidden_bearish": _apart(series, candles["high"], left, right, nearest, farthest, -1),
    }


def _apart(series: Sequence[float], price: Sequence[float], left: int, right: int, nearest: int, farthest: int, sign: int) -> bool:
    tops = swing_highs(series, left, right)
    if len(tops) < 2 or tops[-1] != len(series) - 1 - right or not nearest <= tops[-1] - tops[-2] <= farthest:
        return False
    now, before = tops[-1], tops[-2]
    return sign * (price[now] - price[before]) > 0 and sign * (series[now] - series[before]) < 0


def volume_nodes(candles: Candles, count: int, bins: int, threshold: float, strength: float) -> Result:
    places = range(len(candles["close"]) - count, len(candles["close"]))
    lowest, highest = min(candles["low"][i] for i in places), max(candles["high"][i] for i in places)
    none: Result = {"above": None, "below": None, "strongest": None, "distance": None}
    if lowest == highest:
        return none
    height = (highest - lowest) / bins
    volume = [0.0] * bins
    for i in places:
        prices = [candles[name][i] for name in ("open", "high", "low", "close")]
        first, last = math.floor((min(prices) - lowest) / height), math.floor((max(prices) - lowest) / height)
        for place in range(max(0, first), min(bins - 1, last) + 1):
            volume[place] += candles["volume"][i] / max(1, last - first + 1)
    least = sorted(volume)[int(threshold / 100 * bins)]
    around = [0.0, *volume, 0.0]
    nodes = [
        place
        for place, here in enumerate(volume)
        if here >= least and here > around[place] * 1.05 and here > around[place + 2] * 1.05 and here / max(volume) * 100 >= strength
    ]
    if not nodes:
        return none
    price = {place: lowest + (place + 0.5) * height for place in nodes}
    close = candles["close"][-1]
    return {
        "above": min((value for value in price.values() if value >= close), default=None),
        "below": max((value for value in price.values() if value <= close), default=None),
        "strongest": price[max(nodes, key=lambda place: volume[place])],
        "distance": min(abs(value - close) for value in price.values()) / close * 100,
    }


def classic_pivots(high: float, low: float, close: float) -> Result:
    pivot = (high + low + close) / 3
    return {
        "pivot": pivot,
        "r1": 2 * pivot - low,
        "s1": 2 * pivot - high,
        "r2": pivot + (high - low),
        "s2": pivot - (high - low),
        "r3": high + 2 * (pivot - low),
        "s3": low - 2 * (high - pivot),
    }


def fibonacci_pivots(high: float, low: float, close: float) -> Result:
    pivot, span = (high + low + close) / 3, high - low
    levels: Result = {"pivot": pivot}
    for place, share in enumerate((0.382, 0.618, 1), start=1):
        levels |= {f"r{place}": pivot + share * span, f"s{place}": pivot - share * span}
    return levels


def camarilla_pivots(high: float, low: float, close: float) -> Result:
    levels: Result = {"pivot": (high + low + close) / 3}
    for place, part in enumerate((12, 6, 4, 2), start=1):
        levels |= {f"r{place}": close + (high - low) * 1.1 / part, f"s{place}": close - (high - low) * 1.1 / part}
    return levels


def ichimoku(candles: Candles, conversion: int, base: int, span: int, displacement: int) -> Result:
    def middle(count: int, ago: int) -> float:
        end = len(candles["high"]) - ago
        return (max(candles["high"][end - count : end]) + min(candles["low"][end - count : end])) / 2

    ago = displacement - 1
    return {
        "conversion": middle(conversion, 0),
        "base": middle(base, 0),
        "span_a": (middle(conversion, ago) + middle(base, ago)) / 2,
        "span_b": middle(span, ago),
    }


def wilder_rsi(values: Sequence[float], count: int) -> list[float | None]:
    changes = [after - before for before, after in pairwise(values)]
    gain = sum(max(change, 0) for change in changes[:count]) / count
    loss = sum(max(-change, 0) for change in changes[:count]) / count
    result: list[float | None] = [None] * count
    for change in [None, *changes[count:]]:
        if change is not None:
            gain = (gain * (count - 1) + max(change, 0)) / count
            loss = (loss * (count - 1) + max(-change, 0)) / count
        result.append(100 * gain / (gain + loss) if gain + loss else 0.0)
    return result


def stoch_rsi(values: Sequence[float], rsi: int, stoch: int, k: int, d: int) -> Result:
    strength = [value for value in wilder_rsi(values, rsi) if value is not None]
    places = []
    for end in range(stoch, len(strength) + 1):
        window = strength[end - stoch : end]
        span = max(window) - min(window)
        places.append((window[-1] - min(window)) / span * 100 if span else 50.0)
    smooth = [sum(places[end - k : end]) / k for end in range(k, len(places) + 1)]
    return {"k": smooth[-1], "d": sum(smooth[-d:]) / d}


def alma(values: Sequence[float], count: int, offset: float, sigma: float) -> float:
    weights = [math.exp(-((place - offset * (count - 1)) ** 2) / (2 * (count / sigma) ** 2)) for place in range(count)]
    return sum(weight * value for weight, value in zip(weights, values[-count:], strict=True)) / sum(weights)
