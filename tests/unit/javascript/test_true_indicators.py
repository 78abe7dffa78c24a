"""The indicators under new names, against TA-Lib."""

import math
from typing import Any

import numpy as np
import pytest
import talib

from domain.market import Interval
from filters.javascript.contract import CANDLES
from filters.javascript.isolate import Isolate
from tests.unit.javascript.javascript_market import FIRST, M5, klines_of, say, view, walk

SEEDS = range(12)
SETS = [walk(seed, quiet=seed % 2 == 1) for seed in SEEDS]


def _last(values: np.ndarray) -> float | None:
    return None if math.isnan(values[-1]) else float(values[-1])


def _macd(o: np.ndarray, h: np.ndarray, low: np.ndarray, c: np.ndarray, v: np.ndarray) -> dict[str, float | None]:
    return dict(zip(("macd", "signal", "histogram"), map(_last, talib.MACD(c, 12, 26, 9)), strict=True))


def _stochastic(o: np.ndarray, h: np.ndarray, low: np.ndarray, c: np.ndarray, v: np.ndarray) -> dict[str, float | None]:
    return dict(zip("kd", map(_last, talib.STOCH(h, low, c, 14, 3, 0, 3, 0)), strict=True))


CASES = {
    "trueATR(K)": lambda o, h, low, c, v: _last(talib.ATR(h, low, c, 14)),
    "trueATR(K, 1)": lambda o, h, low, c, v: _last(talib.ATR(h, low, c, 1)),
    "trueADX(K)": lambda o, h, low, c, v: _last(talib.ADX(h, low, c, 14)),
    "trueADX(K, 5)": lambda o, h, low, c, v: _last(talib.ADX(h, low, c, 5)),
    "trueStochastic(K)": _stochastic,
    "trueOBV(K)": lambda o, h, low, c, v: _last(talib.OBV(c, v)),
    "trueCCI(K)": lambda o, h, low, c, v: _last(talib.CCI(h, low, c, 20)),
    "trueMFI(K)": lambda o, h, low, c, v: _last(talib.MFI(h, low, c, v, 14)),
    "trueMACD(K)": _macd,
    "getLatestEMA(K, 50)": lambda o, h, low, c, v: _last(talib.EMA(c, 50)),
    "getLatestRSI(K)": lambda o, h, low, c, v: _last(talib.RSI(c, 14)),
}


def _near(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _near(part) for name, part in value.items()}
    return value if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("call", CASES)
@pytest.mark.parametrize("length", [CANDLES, 100, 33])
def test_it_equals_talib(isolate: Isolate, call: str, length: int) -> None:
    found = say(isolate, f"const K = klines.slice(-{length}); return helpers.{call};", view(*SETS))

    expected = [CASES[call](*(np.ascontiguousarray(candles[k, -length:]) for k in range(5))) for candles in SETS]
    assert [_near(value) for value in expected] == found


def test_the_width_of_the_bands_is_relative_to_their_middle(isolate: Isolate) -> None:
    bands = [[b[-1] for b in talib.BBANDS(np.ascontiguousarray(candles[3]), 20, 2, 2)] for candles in SETS]

    assert [pytest.approx((upper - lower) / middle, rel=1e-9) for upper, middle, lower in bands] == say(
        isolate, "return helpers.trueBollingerBandWidth(klines);", view(*SETS)
    )


def test_the_average_price_of_the_day_begins_at_midnight_utc(isolate: Isolate) -> None:
    of_today = (FIRST + CANDLES - 1) % 288 + 1
    expected = []
    for candles in SETS:
        high, low, close, volume = candles[1:5, -of_today:]
        expected.append(float(((high + low + close) / 3 * volume).sum() / volume.sum()))

    assert 1 < of_today < CANDLES
    assert [pytest.approx(value, rel=1e-9) for value in expected] == say(isolate, "return helpers.trueVWAP(klines);", view(*SETS))


def test_too_few_candles_give_null(isolate: Isolate) -> None:
    body = """const names = Object.keys(helpers).filter((name) => name.startsWith("true") && name !== "trueResample");
      return [klines.slice(0, 0), undefined].map((K) => names.map((name) => helpers[name](K)));"""
    empty = {"k": None, "d": None}, {"macd": None, "signal": None, "histogram": None}
    for answers in say(isolate, body, view(SETS[0]))[0]:
        assert [None] * 7 + list(empty) == sorted(answers, key=lambda answer: 0 if answer is None else len(answer))


def test_candles_are_joined_on_the_grid_of_utc(isolate: Isolate) -> None:
    whole = 12 - FIRST % 12 if FIRST % 12 else 0
    rows = klines_of(SETS[1])[whole:]
    expected = []
    for first in range(0, len(rows), 12):
        part = rows[first : first + 12]
        traded = [row for row in part if float(row[5]) > 0] or part
        highs, lows = [float(row[2]) for row in traded], [float(row[3]) for row in traded]
        sums = [sum(float(row[cell]) for row in part) for cell in (5, 7, 9, 10)]
        expected.append(
            [part[0][0], float(traded[0][1]), max(highs), min(lows), float(part[-1][4]), part[0][0] + Interval.H1.milliseconds - 1, sums]
        )
    body = "return helpers.trueResample(klines, 60).map((k) => [k[0], +k[1], +k[2], +k[3], +k[4], k[6], [+k[5], +k[7], +k[9], +k[10]]]);"

    assert Interval.H1.milliseconds == 12 * M5.milliseconds
    assert [[*row[:6], pytest.approx(row[6])] for row in expected] == say(isolate, body, view(SETS[1]))[0]


def test_joined_candles_are_klines_again(isolate: Isolate) -> None:
    body = """const K = helpers.trueResample(klines, 15);
      return [K.every((k) => k.length === 12), K[1].map((cell) => typeof cell).join(), helpers.getLatestRSI(K)];"""
    whole, types, rsi = say(isolate, body, view(SETS[0]))[0]

    assert (True, ",".join(["number", *["string"] * 5, "number", "string", "number", *["string"] * 3])) == (whole, types)
    assert 0 < rsi < 100
