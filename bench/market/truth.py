"""What the exchange's REST API says at the end, against what replicas hold: every closed candle of every symbol and interval."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from adapters.candle_store import CandleStore, IntervalCandles, is_closed
from bench.market.processes import ExchangeProcess
from domain.market import Interval

AT_ONCE = 4
MOST = 1_000
EXAMPLES = 10
_POSITIONS = (1, 2, 3, 4, 5, 7, 8, 9)
"""Of candle_store.VALUES in a row of a klines reply."""
FASTEST = 3_600
_EARLY, _LATE = 20_000, 45_000
"""Milliseconds into a minute of the market: the grace for a closed candle is over, and the next close is not near."""


@dataclass
class Comparison:
    """How one store stands against the truth. `in_run` counts the candles that closed since the run began."""

    expected: int = 0
    in_run: int = 0
    lost: int = 0
    wrong: int = 0
    examples: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.expected:,} expected ({self.in_run:,} closed during the run), {self.lost} lost, {self.wrong} wrong"

    def take(self, symbol: str, frame: IntervalCandles, row: int, truth: "Truth", since: int) -> None:
        """Compare one history, as far back as the store keeps candles."""
        kept = truth.indices >= frame.first_index
        columns, values = truth.indices[kept] - frame.first_index, truth.values[kept]
        closed = is_closed(frame.flags[row, columns])
        wrong = closed & (values != frame.values[:, row, columns].T).any(axis=1)
        self.expected += len(columns)
        self.in_run += int(np.count_nonzero((truth.indices[kept] + 1) * frame.interval.milliseconds > since))
        self.lost += int(np.count_nonzero(~closed))
        self.wrong += int(np.count_nonzero(wrong))
        for place in np.flatnonzero(wrong | ~closed)[:EXAMPLES].tolist():
            told = frame.values[:, row, columns[place]].tolist() if closed[place] else "nothing"
            self.examples.append(f"{symbol} {frame.interval} {truth.indices[kept][place]}: {told} for {values[place].tolist()}")


@dataclass(frozen=True)
class Truth:
    """Closed candles of one symbol and interval as REST has them, oldest first; `values` is [candle, value]."""

    indices: NDArray[np.int64]
    values: NDArray[np.float64]


async def closed_candles(exchange: ExchangeProcess, symbol: str, interval: Interval, now: int) -> Truth:
    """The newest closed candles when the exchange's clock shows `now`, epoch milliseconds."""
    rows = await exchange.get("/api/v3/klines", symbol=symbol, interval=interval.value, limit=MOST)
    closed = [row for row in rows if row[0] + interval.milliseconds <= now]
    indices = np.array([row[0] // interval.milliseconds for row in closed], np.int64)
    return Truth(indices, np.array([[float(row[place]) for place in _POSITIONS] for row in closed]).reshape(-1, len(_POSITIONS)))


async def hold_between_boundaries(exchange: ExchangeProcess) -> None:
    """Let the market stand still at a moment when nobody can be waiting for a candle that has just closed."""
    while True:
        if _EARLY <= await _into_the_minute(exchange) <= _LATE:
            await exchange.tell("/control/hold")
            if await _into_the_minute(exchange) >= _EARLY:
                return
            await exchange.tell("/control/start")
        await asyncio.sleep(0.05)


async def _into_the_minute(exchange: ExchangeProcess) -> int:
    return int((await exchange.get("/api/v3/time"))["serverTime"]) % Interval.M1.milliseconds


async def compare(exchange: ExchangeProcess, stores: Mapping[str, CandleStore], since: int) -> dict[str, Comparison]:
    """Compare every closed candle of every listed symbol; `since` is when the run began, market milliseconds.

    The market must be held, and the stores must have received everything. The exchange's clock is set to its fastest: a clock that is
    held does not care, and its REST weights grow with it.
    """
    await exchange.tell("/control/speed", speed=FASTEST)
    now = (await exchange.get("/api/v3/time"))["serverTime"]
    listed = [item["symbol"] for item in (await exchange.get("/api/v3/exchangeInfo"))["symbols"]]
    comparisons = {name: Comparison() for name in stores}
    places = asyncio.Semaphore(AT_ONCE)

    async def compare_one(symbol: str, interval: Interval) -> None:
        async with places:
            truth = await closed_candles(exchange, symbol, interval, now)
        for name, store in stores.items():
            comparisons[name].take(symbol, store.frame(interval), store.rows[symbol], truth, since)

    await asyncio.gather(*(compare_one(symbol, interval) for symbol in listed for interval in Interval))
    return comparisons
