"""Past candles from the exchange, page by page, each page asked for once and then kept on disk."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from adapters.binance.rest import MAX_KLINES, BinanceRest
from adapters.binance.weight import Lane
from adapters.candle_store import CANDLE, VALUES, Records
from adapters.candle_table import MOST_CELLS, CandleTable, empty_columns
from domain.errors import RefusedError, UnavailableError
from domain.market import Interval, from_epoch_milliseconds

logger = logging.getLogger(__name__)

PAGE = MAX_KLINES - 1
"""Candles of a page. With one more in front, which ties it to the page before, they are one request."""
AT_ONCE = 8
SETTLED = timedelta(seconds=10)
"""A candle that closed so long ago no longer changes."""
ATTEMPTS = 4
FIRST_PAUSE = timedelta(seconds=1)
Progress = Callable[[int, int], None]
"""Told after every page: pages there, and how many there are."""


class _AnotherPastError(Exception):
    """The exchange does not tell the past that is kept."""


@dataclass(frozen=True, eq=False)
class _Page:
    """The closed candles with indices `number * PAGE` up to the next page's first one."""

    symbol: str
    interval: Interval
    number: int

    @property
    def first(self) -> int:
        return self.number * PAGE

    @property
    def end(self) -> int:
        return self.first + PAGE


class CandleHistory:
    """Reads candles through a folder that several processes may share: pages are whole when they appear and never change.

    Only pages whose last candle has closed and settled are kept. A page begins where the one before it ended: where the exchange tells
    another candle there than the one that is kept, its past is another (a simulated market with another seed), and what was kept of the
    symbol is dropped.
    """

    def __init__(self, rest: BinanceRest, folder: Path) -> None:
        self._rest = rest
        self._folder = folder
        self._places = asyncio.Semaphore(AT_ONCE)

    async def newest_closed(self, interval: Interval) -> int:
        """Index of the newest candle that has closed and settled."""
        told = from_epoch_milliseconds((await self._rest.server_time()).time)
        return interval.index_at(told - SETTLED) - 1

    async def read(
        self, symbols: Sequence[str], interval: Interval, first: int, last: int, progress: Progress | None = None
    ) -> CandleTable:
        """Candles `first` to `last` of these symbols, as far as they have closed.

        Raises RefusedError for a symbol the exchange does not know or for too much at once, UnavailableError when it cannot be reached.
        """
        newest = await self.newest_closed(interval)
        last = min(last, newest)
        width = max(0, last - first + 1)
        if len(symbols) * width > MOST_CELLS:
            raise RefusedError(f"{len(symbols)} symbols times {width:,} candles of {interval} are too many: take fewer days or symbols.")
        columns = empty_columns(len(symbols), width)
        if width:
            numbers = range(first // PAGE, last // PAGE + 1)
            done = _Count(len(symbols) * len(numbers), progress)
            rows = [{name: values[row] for name, values in columns.items()} for row in range(len(symbols))]
            await _all(
                self._fill(into, symbol, interval, numbers, (first, newest), done) for symbol, into in zip(symbols, rows, strict=True)
            )
        return CandleTable(symbols=tuple(symbols), interval=interval, first_index=first, columns=columns)

    async def _fill(
        self,
        into: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]],
        symbol: str,
        interval: Interval,
        numbers: range,
        bounds: tuple[int, int],
        done: "_Count",
    ) -> None:
        first, newest = bounds
        async with self._places:
            records = await self._symbol(symbol, interval, numbers, newest, done)
        inside = records[(records["index"] >= first) & (records["index"] < first + len(into["close"]))]
        for name, values in into.items():
            values[inside["index"] - first] = inside[name]

    async def _symbol(self, symbol: str, interval: Interval, numbers: range, newest: int, done: "_Count") -> Records:
        for _ in range(2):
            mark = done.value
            try:
                return await self._pages(symbol, interval, numbers, newest, done)
            except _AnotherPastError:
                logger.warning("The exchange tells another past of %s %s than the one that was kept: it is read anew.", symbol, interval)
                await asyncio.to_thread(self._drop, symbol, interval)
                done.value = mark
        raise UnavailableError(f"The exchange tells the past of {symbol} {interval} differently each time.")

    async def _pages(self, symbol: str, interval: Interval, numbers: range, newest: int, done: "_Count") -> Records:
        pages: list[Records] = []
        begins = 0
        for number in numbers:
            page = _Page(symbol, interval, number)
            records = await asyncio.to_thread(self._kept, page)
            if records is None and page.end <= begins:
                records = _none()
                await asyncio.to_thread(self._keep, page, records)
            if records is None:
                told = await self._told(page)
                begins = int(told["index"][0]) if len(told) else newest + 1
                records = _of_page(page, told, newest, pages[-1] if pages else _none())
                if page.end <= newest + 1:
                    await asyncio.to_thread(self._keep, page, records)
            pages.append(records)
            done.step()
        return np.concatenate(pages)

    async def _told(self, page: _Page) -> Records:
        """What the exchange tells from the candle before the page on."""
        pause = FIRST_PAUSE
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._rest.klines(page.symbol, page.interval, Lane.BACKFILL, start=page.first - 1)
            except UnavailableError:
                if attempt == ATTEMPTS:
                    raise
            await asyncio.sleep(pause.total_seconds())
            pause *= 2
        raise AssertionError

    def _path(self, page: _Page) -> Path:
        return self._of_symbol(page.symbol, page.interval) / f"{page.number}.parquet"

    def _of_symbol(self, symbol: str, interval: Interval) -> Path:
        return self._folder / interval.value / quote(symbol, safe="")

    def _kept(self, page: _Page) -> Records | None:
        """The page as it was kept; `None` where there is none, or none that makes sense."""
        path = self._path(page)
        if not path.exists():
            return None
        try:
            table = pl.read_parquet(path)
            indices = table["index"].to_numpy()
            if not (np.all(np.diff(indices) > 0) and np.all((indices >= page.first) & (indices < page.end))):
                raise ValueError("candles out of place")
            records = np.zeros(len(table), CANDLE)
            for name in ("index", *VALUES):
                records[name] = table[name].to_numpy()
        except (PolarsError, OSError, ValueError) as error:
            logger.warning("The kept candles in %s cannot be used (%s): they are read anew.", path, error)
            return None
        return records

    def _keep(self, page: _Page, records: Records) -> None:
        path = self._path(page)
        path.parent.mkdir(parents=True, exist_ok=True)
        own = path.with_suffix(f".{uuid4().hex}")
        pl.DataFrame({name: records[name] for name in ("index", *VALUES)}).write_parquet(own)
        own.replace(path)

    def _drop(self, symbol: str, interval: Interval) -> None:
        for path in self._of_symbol(symbol, interval).glob("*.parquet"):
            path.unlink(missing_ok=True)


async def _all(work: Iterable[Coroutine[None, None, None]]) -> None:
    """All of it at once; with the first that fails the rest ends too."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except ExceptionGroup as problems:
        raise problems.exceptions[0] from problems


def _of_page(page: _Page, told: Records, newest: int, before: Records) -> Records:
    """The page's closed candles. Raises _AnotherPastError where what was told does not tie in with the page before."""
    if len(before) and len(told) and before["index"][-1] == told["index"][0] == page.first - 1 and before["close"][-1] != told["close"][0]:
        raise _AnotherPastError
    return told[(told["index"] >= page.first) & (told["index"] < page.end) & (told["index"] <= newest)]


def _none() -> Records:
    return np.zeros(0, CANDLE)


class _Count:
    """Counts pages."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.value = 0
        self._total = total
        self._progress = progress

    def step(self) -> None:
        self.value += 1
        if self._progress:
            self._progress(self.value, self._total)
