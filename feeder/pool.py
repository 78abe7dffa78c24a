"""The connections to the exchange that together receive every wanted stream."""

import logging
from collections.abc import Awaitable, Callable, Iterable

from feeder.connection import DialPacer, ExchangeConnection
from feeder.intake import Intake
from feeder.statistics import FeederStatistics
from feeder.subscriptions import TICKER_STREAM, kline_streams, shards

logger = logging.getLogger(__name__)

Keep = Callable[[str, Callable[[], Awaitable[object]]], None]
"""Runs named work for ever."""


class ConnectionPool:
    """Receives the tickers and the candles of the symbols it is told to follow."""

    def __init__(self, url: str, intake: Intake, statistics: FeederStatistics, *, keep: Keep, closed_arrived: Callable[[], None]) -> None:
        self._url = url
        self._intake = intake
        self._statistics = statistics
        self._keep = keep
        self._closed_arrived = closed_arrived
        self._pacer = DialPacer()
        self._connections: list[ExchangeConnection] = []
        self._followed: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def open(self) -> int:
        """How many connections are open now."""
        return sum(connection.is_open for connection in self._connections)

    def follow(self, symbols: Iterable[str]) -> None:
        """Receive the candles of these symbols, and no others, from now on."""
        new = [symbol for symbol in symbols if symbol not in self._followed]
        self._followed |= dict.fromkeys(new)
        streams = kline_streams(new) if self._connections else [TICKER_STREAM, *kline_streams(new)]
        for shard in shards(streams):
            connection = ExchangeConnection(
                self._url, shard, self._intake, self._statistics, pacer=self._pacer, closed_arrived=self._closed_arrived
            )
            self._connections.append(connection)
            self._keep(f"Connection {len(self._connections)}", connection.run)
