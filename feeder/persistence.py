"""Keeps the market in a file: a feeder that is started again serves at once, and asks REST only for what it missed.

The file holds what a client would be sent (docs/feeder-protocol.md), after a header that says whose market it is.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import orjson

from adapters.binance.rest import BinanceRest
from adapters.binance.weight import Lane
from adapters.candle_store import CandleStore
from adapters.feeder_protocol import Hello, Listing, Message, ProtocolError, SnapshotChunk, Status, TickerSnapshot, encode
from adapters.feeder_session import FeederSession
from domain.errors import RefusedError, UnavailableError
from domain.market import KEPT_CANDLES, Interval, Market, from_epoch_milliseconds
from feeder.intake import Intake, final_candles
from feeder.snapshot_file import SnapshotError, SnapshotWriter, read_records
from feeder.statistics import FeederStatistics

logger = logging.getLogger(__name__)

SAVE_SECONDS = 60.0
ROWS_PER_RECORD = 32
LONGEST_STEP_BACK = 60_000
"""Milliseconds that the exchange's clock may be behind the snapshot."""
LONGEST_AGE = KEPT_CANDLES * Interval.M1.milliseconds
SYMBOLS_COMPARED, CANDLES_COMPARED = 3, 4
_NO_STATUS = Status(as_of=0, age=0.0, behind=0)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where candles come from; those of another origin are of no use."""

    market: Market
    quote_asset: str
    source: str
    """The REST address of the exchange."""


class Persistence:
    """Writes the store to `path` each minute and when it ends, without ever holding up the event loop for more than a few milliseconds."""

    def __init__(self, path: Path, origin: Origin, store: CandleStore, intake: Intake, statistics: FeederStatistics) -> None:
        if not path.parent.is_dir():
            raise RefusedError(f"FEEDER_SNAPSHOT is {path}, but there is no directory {path.parent}: make it or name another file.")
        self._path = path
        self._origin = origin
        self._store = store
        self._intake = intake
        self._statistics = statistics
        self._saved_at: float | None = None
        # One thread: what a cancelled save still has under way ends before the next begins.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="snapshot")

    def age(self) -> timedelta | None:
        """Since the market was last saved; `None` before it was."""
        return None if self._saved_at is None else timedelta(seconds=time.monotonic() - self._saved_at)

    @asynccontextmanager
    async def keeping(self, rest: BinanceRest) -> AsyncIterator[None]:
        """Restore the market, and save it once more when the block ends."""
        await self.restore(rest)
        try:
            yield
        finally:
            await self.save()
            self._thread.shutdown(wait=False)

    async def run(self) -> NoReturn:
        """Save every minute."""
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            await self.save()

    async def save(self) -> None:
        """Write the market to the file; a failure is logged and leaves the old file as it was."""
        if not self._store.symbols:
            return
        try:
            pause = await self._write()
        except OSError as problem:
            logger.warning("The snapshot %s cannot be written: %s", self._path, problem)
            return
        self._statistics.market_saves += 1
        self._saved_at = time.monotonic()
        self._statistics.longest_save_pause = max(self._statistics.longest_save_pause, pause)

    async def restore(self, rest: BinanceRest) -> None:
        """Fill the empty store from the file. Whatever speaks against the file is told, and the store stays empty."""
        if not self._path.exists():
            return
        try:
            header, store = await asyncio.get_running_loop().run_in_executor(self._thread, self._read)
            await self._check(rest, header["as_of"], store)
        except (SnapshotError, ProtocolError, OSError) as problem:
            logger.warning("The snapshot %s is ignored: %s", self._path, problem)
            return
        except Exception:
            logger.exception("The snapshot %s is ignored: it cannot be understood", self._path)
            return
        self._store.take_over(store)
        self._intake.restore(header["as_of"], time.time() - header["heard_at"])
        logger.info("Restored %d symbols as of %s from %s", len(store.symbols), from_epoch_milliseconds(header["as_of"]), self._path)

    async def _write(self) -> float:
        def add(message: Message) -> None:
            writer.add(encode(message))

        run = asyncio.get_running_loop().run_in_executor
        longest, messages = 0.0, self._messages()
        writer = await run(self._thread, SnapshotWriter, self._path)
        try:
            await run(self._thread, writer.add, self._header())
            while True:
                begun = time.perf_counter()
                message = next(messages, None)
                longest = max(longest, time.perf_counter() - begun)
                if message is None:
                    break
                await run(self._thread, add, message)
            await run(self._thread, writer.commit)
        except BaseException:
            self._thread.submit(writer.discard)
            raise
        return longest

    def _header(self) -> bytes:
        heard_at = time.time() - self._intake.age()
        return orjson.dumps({**asdict(self._origin), "as_of": self._intake.as_of, "heard_at": heard_at})

    def _messages(self) -> Iterator[Message]:
        # Rows do not depend on each other: the market may go on between two parts. Symbols that come meanwhile are left out.
        rows = len(self._store.symbols)
        yield Hello(0, "", self._origin.market, self._store.symbols[:rows])
        yield Listing(0, _NO_STATUS, self._store.status[:rows], self._store.rank[:rows])
        for interval in Interval:
            for start in range(0, rows, ROWS_PER_RECORD):
                end = min(start + ROWS_PER_RECORD, rows)
                yield SnapshotChunk(0, interval, start, end == rows, self._store.frame(interval).block(slice(start, end)))
        tickers = self._store.tickers.records()
        yield TickerSnapshot(0, tickers[tickers["row"] < rows])

    def _read(self) -> tuple[dict[str, Any], CandleStore]:
        records = read_records(self._path)
        header = orjson.loads(next(records))
        for name, expected in asdict(self._origin).items():
            if header[name] != expected:
                raise SnapshotError(f"its {name.replace('_', ' ')} is {header[name]}, not {expected}")
        store = CandleStore()
        session = FeederSession(store)
        for record in records:
            session.receive(record)
        return header, store

    async def _check(self, rest: BinanceRest, as_of: int, store: CandleStore) -> None:
        try:
            now = (await rest.server_time()).time
        except UnavailableError as problem:
            logger.warning("The snapshot %s is used unchecked, the exchange is away: %s", self._path, problem)
            return
        if now < as_of - LONGEST_STEP_BACK:
            raise SnapshotError(f"it is of {from_epoch_milliseconds(as_of)}, but the exchange's clock shows {from_epoch_milliseconds(now)}")
        if now > as_of + LONGEST_AGE:
            raise SnapshotError(f"it is of {from_epoch_milliseconds(as_of)}: nothing of the shortest interval is of use any more")
        for row in np.argsort(store.rank, kind="stable")[:SYMBOLS_COMPARED].tolist():
            await self._compare(rest, store, row, now)

    async def _compare(self, rest: BinanceRest, store: CandleStore, row: int, now: int) -> None:
        frame, symbol = store.frame(Interval.H1), store.symbols[row]
        try:
            candles = await rest.klines(symbol, frame.interval, Lane.URGENT, int(frame.closed_through[row]) - CANDLES_COMPARED + 1)
        except (UnavailableError, RefusedError) as problem:
            logger.warning("The snapshot's candles of %s are not compared: %s", symbol, problem)
            return
        if frame.contradicts(row, final_candles(candles, frame.interval, now)):
            raise SnapshotError(f"the exchange's candles of {symbol} are others")
