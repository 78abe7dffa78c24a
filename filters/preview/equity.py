"""What simulated positions came to: the equity at every candle, and the usual figures."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filters.preview.exits import ExitReason, ExitRules, PastTrade, Position, taken, trades
from filters.preview.past_candles import PastInterval
from filters.preview.signals import SignalTable


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedExits:
    """Money is in the quote asset, rounded to the cent; figures without a trade are `None`."""

    rules: ExitRules
    trades: tuple[PastTrade, ...]
    """In the order of entry."""
    passed_over: int
    """Signals without a position because all money was in others."""
    first_index: int
    equity: NDArray[np.float64]
    """At the close of each candle from `first_index` on, open positions at that close."""
    win_rate: float | None
    """Percent of the trades with a profit."""
    expectancy: float | None
    """Mean profit of a trade in percent of its stake."""
    profit_factor: float | None
    """Profits over losses; `None` without a loss."""
    profit: float
    profit_percent: float
    """Of the capital."""
    max_drawdown: float
    """The deepest fall of the equity below an earlier height."""
    max_drawdown_percent: float
    reasons: dict[ExitReason, int]


def simulate(
    signals: SignalTable, past: PastInterval, rules: ExitRules, first: int, last: int, atr: NDArray[np.float64] | None = None
) -> SimulatedExits:
    """Positions of all signals but the initial ones, to the end of the candles; the equity from candle `first` to `last`, or until the
    last sale where that is later. `atr` is that of each signal, where rules need it.
    """
    ranges = np.full(len(signals), np.nan) if atr is None else atr
    with np.errstate(invalid="ignore"):
        positions, passed_over = taken(signals, past, rules, ranges)
    done = tuple(trades(positions, signals, rules))
    equity = _equity(positions, past, rules, first, max([last, *(position.exit for position in positions)]))
    gains = np.array([trade.profit for trade in done])
    losses = float(-gains[gains < 0].sum()) if done else 0.0
    depth, percent = _deepest_fall(equity)
    return SimulatedExits(
        rules=rules,
        trades=done,
        passed_over=passed_over,
        first_index=first,
        equity=np.round(equity, 2),
        win_rate=float(np.mean(gains > 0) * 100) if done else None,
        expectancy=float(np.mean([trade.profit_percent for trade in done])) if done else None,
        profit_factor=float(gains[gains > 0].sum()) / losses if losses else None,
        profit=round(float(gains.sum()), 2),
        profit_percent=round(float(gains.sum()) / rules.capital * 100, 4),
        max_drawdown=round(depth, 2),
        max_drawdown_percent=round(percent, 4),
        reasons=dict(Counter(trade.reason for trade in done)),
    )


def _equity(positions: list[Position], past: PastInterval, rules: ExitRules, first: int, last: int) -> NDArray[np.float64]:
    gains = np.zeros(last - first + 1)
    fee = rules.fee_percent / 100
    for position in positions:
        closes = past.columns["close"][position.row, position.entry - past.first_index : position.exit - past.first_index]
        marked = closes / position.entry_price * (1 - fee) / (1 + fee) - 1
        gains[position.entry - first : position.exit - first] += rules.stake * _carried_on(marked)
        gains[position.exit - first :] += rules.stake * (position.value - 1)
    return rules.capital + gains


def _carried_on(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """In a hole the value before it. The first value is there: the position was bought at it."""
    return values[np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(values))))]


def _deepest_fall(equity: NDArray[np.float64]) -> tuple[float, float]:
    """In money, and in percent of the height fallen from."""
    if not equity.size:
        return 0.0, 0.0
    heights = np.maximum.accumulate(np.maximum(equity, equity[0]))
    falls = heights - equity
    return float(falls.max()), float((falls / heights).max() * 100)
