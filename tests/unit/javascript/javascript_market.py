"""Candles for filters in V8, and what filters say of them."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from domain.market import Interval
from filters.frames import COLUMNS, TICKER_FIELDS
from filters.javascript.contract import CANDLES, JavaScriptFilter, Verdicts, View, Window
from filters.javascript.isolate import Isolate

M5, H1 = Interval.M5, Interval.H1
FIRST = 5_700_000
"""Grid index of the first candle: 2024-03-11 08:00 UTC."""
SAY = """
const text = JSON.stringify((() => {{ {body} }})(), (key, value) => typeof value === "number" && !isFinite(value) ? String(value) : value);
const conditions = [];
for (let at = 0; at < text.length; at += 200) conditions.push(text.slice(at, at + 200));
return {{ match: true, conditions }};
"""


def walk(seed: int, *, flat: bool = False, quiet: bool = False) -> np.ndarray:
    """[column, candle]: a random walk to eight decimals; with `flat` many equal prices, with `quiet` some candles without trades."""
    random = np.random.default_rng(seed)
    steps = random.normal(0, 0.01, CANDLES).cumsum()
    close = np.round(100 * np.exp(steps), 0 if flat else 8)
    open_ = np.concatenate([close[:1], close[:-1]])
    span = np.round(random.exponential(0.3, (2, CANDLES)), 0 if flat else 8)
    high, low = np.maximum(open_, close) + span[0], np.minimum(open_, close) - span[1]
    volume = np.round(random.exponential(1000, CANDLES), 3)
    if quiet:
        volume[random.random(CANDLES) < 0.3] = 0
    bought = np.round(volume * random.random(CANDLES), 3)
    trades = random.integers(0, 500, CANDLES)
    candles = np.stack([open_, high, low, close, volume, volume * close, trades, bought, bought * close])
    return np.round(candles, 8)


def view(*rows: np.ndarray, interval: Interval = M5, first: int = FIRST, others: dict[Interval, np.ndarray] | None = None) -> View:
    """One symbol per row of candles; `others` gives every symbol the same candles of other intervals."""
    windows = {interval: Window(first_index=np.full(len(rows), first, np.int64), values=np.ascontiguousarray(rows, np.float64))}
    for other, candles in (others or {}).items():
        values = np.ascontiguousarray([candles] * len(rows), np.float64)
        windows[other] = Window(first_index=np.full(len(rows), FIRST // 12, np.int64), values=values)
    tickers = np.array([np.arange(len(TICKER_FIELDS)) + 0.5 + row for row in range(len(rows))])
    return View(symbols=tuple(f"S{row}USDT" for row in range(len(rows))), windows=windows, tickers=tickers)


def run(isolate: Isolate, code: str, seen: View, *, truthy: bool = False, others: Sequence[Interval] = ()) -> Verdicts:
    """One pass."""
    compiled = JavaScriptFilter(code=code, interval=next(iter(seen.windows)), others=tuple(others), truthy=truthy)
    isolate.load(compiled)
    return isolate.run(compiled.key, seen)


def say(isolate: Isolate, body: str, seen: View, *, others: Sequence[Interval] = ()) -> list[Any]:
    """What the body of a function gives for each row; at most 6,400 characters of JSON, numbers that are not finite as texts."""
    verdicts = run(isolate, SAY.format(body=body), seen, others=others)
    assert () == verdicts.failures
    return [json.loads("".join(verdicts.conditions[row])) for row in range(len(seen.symbols))]


def klines_of(candles: np.ndarray, width: int = M5.milliseconds, first: int = FIRST) -> list[list[Any]]:
    """The candles as rows of twelve, the way Binance sends them."""
    assert len(COLUMNS) == len(candles)
    return [
        [
            (first + index) * width,
            *(f"{value:.8f}" for value in column[:5]),
            (first + index + 1) * width - 1,
            f"{column[5]:.8f}",
            int(column[6]),
            *(f"{value:.8f}" for value in column[7:]),
            "0",
        ]
        for index, column in enumerate(candles.T)
    ]
