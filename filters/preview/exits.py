"""Simulated positions: bought after each signal, sold by fixed rules, with fees and slippage."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from domain.errors import RefusedError
from filters.preview.past_candles import PastInterval
from filters.preview.signals import SignalTable
from filters.preview.true_range import ATR_CANDLES


@dataclass(frozen=True, kw_only=True)
class Distance:
    """How far from the entry's price: in percent of it, or in multiples of the average true range at the signal's candle."""

    amount: float
    is_atr: bool = False

    def __post_init__(self) -> None:
        if not (np.isfinite(self.amount) and self.amount > 0):
            raise RefusedError("A stop or target is a distance above zero, such as 2% or 1.5atr.")

    def __str__(self) -> str:
        return f"{self.amount:g} times the ATR({ATR_CANDLES})" if self.is_atr else f"{self.amount:g} %"


@dataclass(frozen=True, kw_only=True)
class ExitRules:
    """When a position is sold, and what trading costs. At least one of stop, target and hold is given."""

    stop: Distance | None = None
    target: Distance | None = None
    hold: int | None = None
    """Sold at the close of this candle after the signal's, if not before."""
    fee_percent: float = 0.1
    """Of the value, for each buy and sell."""
    slippage_percent: float = 0.05
    """By which buys, stops and sales at a close are worse than the price."""
    stake: float = 1_000.0
    """Money in each position."""
    max_positions: int = 10
    """At once; further signals are passed over. The capital is as many stakes."""

    def __post_init__(self) -> None:
        if not (self.stop or self.target or self.hold):
            raise RefusedError("Say how positions end: a stop, a target or for how many candles they are held.")
        if self.stop and not self.stop.is_atr and self.stop.amount >= 100:
            raise RefusedError("A stop is less than 100 % below the entry.")
        if self.hold is not None and self.hold < 1:
            raise RefusedError("A position is held for one candle at least.")
        if not (0 <= self.fee_percent < 50 and 0 <= self.slippage_percent < 50):
            raise RefusedError("Fee and slippage are percentages from 0 to less than 50.")
        if not (np.isfinite(self.stake) and self.stake > 0 and self.max_positions >= 1):
            raise RefusedError("The stake is above zero and there is one position at least.")

    @property
    def capital(self) -> float:
        """What the simulation begins with."""
        return self.stake * self.max_positions

    @property
    def assumptions(self) -> tuple[str, ...]:
        """In words."""
        return (
            "Bought at the open of the candle after the signal's, one position per symbol.",
            f"{self.max_positions} positions at once with {self.stake:g} in each; signals beyond are passed over.",
            f"Fee {self.fee_percent:g} % of each buy and sale; buys, stops and sales at a close are {self.slippage_percent:g} % worse.",
            "A target is filled at its price.",
            "Where one candle reaches stop and target the stop comes first; a stop jumped over is sold at the candle's open.",
            "The drawdown counts open positions at each candle's close. Volume never limits a fill.",
        )

    @property
    def needs_atr(self) -> bool:
        """Whether a distance is measured in true ranges."""
        return any(distance is not None and distance.is_atr for distance in (self.stop, self.target))


class ExitReason(StrEnum):
    """Why a position ended."""

    STOP = "stop"
    TARGET = "target"
    TIME = "time"
    END = "end"
    """The candles ended: sold at the last close."""


@dataclass(frozen=True, kw_only=True)
class PastTrade:
    """One position from buy to sale. Prices include slippage, the profit fees too."""

    symbol: str
    signal_open_time: datetime
    """Of the signal's candle; bought at the open of the next one."""
    entry_time: datetime
    entry_price: float
    exit_time: datetime
    """Open time of the candle in which it was sold."""
    exit_price: float
    reason: ExitReason
    candles: int
    """Held for so many, the last one included."""
    profit: float
    """Money, to the cent."""
    profit_percent: float
    """Of the stake."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Position:
    """A trade on the grid: `entry` and `exit` are indices of candles, `value` what the sale brings for a stake of 1."""

    row: int
    signal: int
    entry: int
    exit: int
    entry_price: float
    exit_price: float
    reason: ExitReason
    value: float


class Market:
    """Finds how a position of each signal would go: it depends on the symbol's own candles alone."""

    def __init__(self, past: PastInterval, rules: ExitRules) -> None:
        self._past = past
        self._rules = rules
        self._last = past.end_index - 1

    def position(self, row: int, signal: int, atr: float) -> Position | None:
        """The position of a signal at candle `signal`; `None` where no candle follows to buy at, or the ATR is not known."""
        entry = signal + 1
        if entry > self._last:
            return None
        opens, highs, lows, closes = (self._column(name, row, entry) for name in ("open", "high", "low", "close"))
        if not np.isfinite(opens[0]) or (self._rules.needs_atr and not np.isfinite(atr)):
            return None
        price = opens[0] * (1 + self._rules.slippage_percent / 100)
        place, sold, reason = self._sale(price, atr, opens, highs, lows, closes)
        fee = self._rules.fee_percent / 100
        return Position(
            row=row,
            signal=signal,
            entry=entry,
            exit=entry + place,
            entry_price=float(price),
            exit_price=float(sold),
            reason=reason,
            value=float(sold / price * (1 - fee) / (1 + fee)),
        )

    def _column(self, name: str, row: int, first: int) -> NDArray[np.float64]:
        last = self._last if self._rules.hold is None else min(self._last, first + self._rules.hold - 1)
        begin = self._past.first_index
        return self._past.columns[name][row, first - begin : last + 1 - begin]

    def _sale(
        self,
        price: float,
        atr: float,
        opens: NDArray[np.float64],
        highs: NDArray[np.float64],
        lows: NDArray[np.float64],
        closes: NDArray[np.float64],
    ) -> tuple[int, float, ExitReason]:
        """Where among the candles, at what price and why. Within one candle the stop comes first."""
        worse = 1 - self._rules.slippage_percent / 100
        stop = price - _length(self._rules.stop, price, atr) if self._rules.stop else -np.inf
        target = price + _length(self._rules.target, price, atr) if self._rules.target else np.inf
        stopped, reached = _first(lows <= stop), _first(highs >= target)
        if stopped is not None and (reached is None or stopped <= reached):
            return stopped, max(0.0, min(stop, opens[stopped])) * worse, ExitReason.STOP
        if reached is not None:
            return reached, target, ExitReason.TARGET
        place = int(np.flatnonzero(np.isfinite(closes))[-1])
        is_over = self._rules.hold is not None and len(closes) == self._rules.hold
        return place, closes[place] * worse, ExitReason.TIME if is_over else ExitReason.END


def taken(signals: SignalTable, past: PastInterval, rules: ExitRules, atr: NDArray[np.float64]) -> tuple[list[Position], int]:
    """The positions that were opened, and how many signals were passed over because all money was in others.

    One position per symbol: a signal of a symbol that is held makes none. At one candle the order is that of the symbols.
    """
    market, held, open_until = Market(past, rules), dict[int, int](), list[int]()
    positions, passed_over = [], 0
    for place in signals.places.tolist():
        row, signal = int(signals.rows[place]), int(signals.indices[place])
        if held.get(row, -1) > signal:
            continue
        open_until = [end for end in open_until if end > signal]
        if len(open_until) >= rules.max_positions:
            passed_over += 1
        elif position := market.position(row, signal, float(atr[place])):
            positions.append(position)
            held[row] = position.exit
            open_until.append(position.exit)
    return positions, passed_over


def trades(positions: list[Position], signals: SignalTable, rules: ExitRules) -> Iterator[PastTrade]:
    """The positions as their owner sees them."""
    for position in positions:
        gain = position.value - 1
        yield PastTrade(
            symbol=signals.symbols[position.row],
            signal_open_time=signals.interval.open_time(position.signal),
            entry_time=signals.interval.open_time(position.entry),
            entry_price=position.entry_price,
            exit_time=signals.interval.open_time(position.exit),
            exit_price=position.exit_price,
            reason=position.reason,
            candles=position.exit - position.entry + 1,
            profit=round(rules.stake * gain, 2),
            profit_percent=round(100 * gain, 4),
        )


def _length(distance: Distance, price: float, atr: float) -> float:
    return distance.amount * (atr if distance.is_atr else price / 100)


def _first(holds: NDArray[np.bool_]) -> int | None:
    place = int(holds.argmax())
    return place if holds[place] else None
