"""The connections to the exchange that together receive every wanted stream."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial
from itertools import count

from adapters.candle_store import INTERVALS, CandleStore
from feeder.connection import ConnectionLimits, ConnectionReport, ExchangeConnection
from feeder.dialing import DialBudget
from feeder.intake import Intake
from feeder.shard import Shard
from feeder.statistics import FeederStatistics
from feeder.subscriptions import TICKER_STREAM, assign, kline_stream, kline_streams

Keep = Callable[[str, Callable[[], Awaitable[object]]], asyncio.Task[None]]
"""Runs named work until its task is cancelled."""

STAGGER = 0.01
"""Share of the age at rotation (14 minutes of 23 h) by which each shard's connections are younger than those of the one before."""
STEPS = 10


class ConnectionPool:
    """Receives the tickers and the candles of the symbols it is told to follow, whatever that takes."""

    def __init__(
        self,
        url: str,
        store: CandleStore,
        intake: Intake,
        statistics: FeederStatistics,
        *,
        limits: ConnectionLimits,
        keep: Keep,
        closed_arrived: Callable[[], None],
    ) -> None:
        self.silent: list[str] = []
        """Streams that were silent though their symbol trades, at the last look."""
        self._url = url
        self._store = store
        self._intake = intake
        self._statistics = statistics
        self._limits = limits
        self._keep = keep
        self._closed_arrived = closed_arrived
        self._budget = DialBudget()
        self._shards: dict[int, Shard] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._numbers = count(1)

    def __len__(self) -> int:
        return len(self._shards)

    @property
    def open(self) -> int:
        """How many connections are open now."""
        return sum(connection.is_open for connection in self._connections())

    def follow(self, symbols: Iterable[str]) -> None:
        """Receive the candles of these symbols, and no others, from now on. Nothing that stays is interrupted."""
        present = {number: shard.streams for number, shard in self._shards.items()}
        plan = assign(present, [TICKER_STREAM, *kline_streams(symbols)])
        for number in present.keys() - plan.keys():
            del self._shards[number]
            self._tasks.pop(number).cancel()
        for number, streams in plan.items():
            if number in self._shards:
                self._shards[number].want(streams)
            else:
                self._begin(number, streams)

    def reports(self) -> list[ConnectionReport]:
        """Every connection there is, shard by shard."""
        return [connection.report() for connection in self._connections()]

    def revive_silent(self) -> None:
        """Look for streams that are silent though their symbol trades, and subscribe to them anew. To be called every few seconds."""
        followed = {stream: shard for shard in self._shards.values() for stream in shard.streams}
        names = [self._stream(row, code) for row, code in self._intake.liveness.silent(self._limits.silent_after)]
        self.silent = [stream for stream in names if stream in followed]
        for shard in self._shards.values():
            for connection in shard.connections:
                connection.revive([stream for stream in self.silent if followed[stream] is shard])

    def _stream(self, row: int, interval_code: int) -> str:
        return kline_stream(self._store.symbols[row], INTERVALS[interval_code])

    def _connections(self) -> list[ExchangeConnection]:
        return [connection for shard in self._shards.values() for connection in shard.connections]

    def _begin(self, number: int, streams: Iterable[str]) -> None:
        shard = self._shards[number] = Shard(streams, partial(self._connect, number), self._statistics)
        self._tasks[number] = self._keep(f"Shard {number}", shard.run)

    def _connect(self, shard: int, streams: Iterable[str]) -> ExchangeConnection:
        younger = 1 - STAGGER * (shard % STEPS)
        return ExchangeConnection(
            self._url,
            streams,
            self._intake,
            self._statistics,
            number=next(self._numbers),
            shard=shard,
            budget=self._budget,
            limits=replace(self._limits, rotate_after=self._limits.rotate_after * younger),
            closed_arrived=self._closed_arrived,
        )
