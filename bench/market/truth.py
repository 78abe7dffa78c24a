"""What the exchange's REST API says at the end, against what replicas hold: every closed candle of every symbol and interval."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.candle_store import CandleStore, IntervalCandles, is_closed
from domain.market import Interval
from tests.integration.feeder.processes import ExchangeProcess

AT_ONCE = 4
MOST = 1_000
"""Candles of one reply."""
_POSITIONS = (1, 2, 3, 4, 5, 7, 8, 9, 10)
"""Of candle_store.VALUES in a row of a klines reply."""
FASTEST = 3_600
EXAMPLES = 10
_MINUTE = Interval.M1.milliseconds
_EARLY, _LATE = 20_000, 45_000
"""Milliseconds into a minute of the market: the grace for a closed candle is over, and the next close is not near."""


@dataclass(frozen=True)
class Truth:
    """Closed candles of one symbol and interval as REST has them, oldest first; `values` is [candle, value]."""

    indices: NDArray[np.int64]
    values: NDArray[np.float64]


Truths = dict[tuple[str, Interval], Truth]


@dataclass
class Comparison:
    """How a store stands against the truth. `in_run` counts the candles that closed since the run began."""

    expected: int = 0
    in_run: int = 0
    lost: int = 0
    wrong: int = 0
    examples: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, store: CandleStore, truths: Truths, since: int) -> "Comparison":
        """Compare every history, as far back as the store keeps candles; `since` is when the run began, market milliseconds."""
        comparison = cls()
        for (symbol, interval), truth in truths.items():
            comparison._take(symbol, store.frame(interval), store.rows[symbol], truth, since)
        return comparison

    def __str__(self) -> str:
        return f"{self.expected:,} expected ({self.in_run:,} closed during the run), {self.lost} lost, {self.wrong} wrong"

    def _take(self, symbol: str, frame: IntervalCandles, row: int, truth: Truth, since: int) -> None:
        kept = truth.indices >= frame.first_index
        indices, values = truth.indices[kept], truth.values[kept]
        columns = indices - frame.first_index
        held = frame.values[:, row, columns].T
        closed = is_closed(frame.flags[row, columns])
        wrong = closed & (values != held).any(axis=1)
        self.expected += len(indices)
        self.in_run += int(np.count_nonzero((indices + 1) * frame.interval.milliseconds > since))
        self.lost += int(np.count_nonzero(~closed))
        self.wrong += int(np.count_nonzero(wrong))
        for place in np.flatnonzero(wrong | ~closed)[:EXAMPLES].tolist():
            told = held[place].tolist() if closed[place] else "nothing"
            self.examples.append(f"{symbol} {frame.interval} {indices[place]}: {told} for {values[place].tolist()}")


async def closed_everywhere(exchange: ExchangeProcess, count: int = MOST) -> Truths:
    """The newest `count` candles, less the open one, of every listed symbol and interval. The market must be held.

    The exchange's clock is set to its fastest: a clock that is held does not care, and the REST weight it allows grows with it.
    """
    await exchange.tell("/control/speed", speed=FASTEST)
    now = await exchange.now()
    listed = [item["symbol"] for item in (await exchange.get("/api/v3/exchangeInfo"))["symbols"]]
    names = [(symbol, interval) for symbol in listed for interval in Interval]
    places = asyncio.Semaphore(AT_ONCE)

    async def closed(symbol: str, interval: Interval) -> Truth:
        async with places:
            rows = await exchange.get("/api/v3/klines", symbol=symbol, interval=interval.value, limit=count)
            return _truth(rows, interval, now)

    return dict(zip(names, await asyncio.gather(*(closed(*name) for name in names)), strict=True))


def _truth(rows: list[list[Any]], interval: Interval, now: int) -> Truth:
    closed = [row for row in rows if row[0] + interval.milliseconds <= now]
    indices = np.array([row[0] // interval.milliseconds for row in closed], np.int64)
    return Truth(indices, np.array([[float(row[place]) for place in _POSITIONS] for row in closed]).reshape(-1, len(_POSITIONS)))


async def hold_between_boundaries(exchange: ExchangeProcess) -> None:
    """Let the market stand still at a moment when nobody can be waiting for a candle that has just closed."""
    while True:
        if _EARLY <= await exchange.now() % _MINUTE <= _LATE:
            await exchange.tell("/control/hold")
            if await exchange.now() % _MINUTE >= _EARLY:
                return
            await exchange.tell("/control/start")
        await asyncio.sleep(0.05)
