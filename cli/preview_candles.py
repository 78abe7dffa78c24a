"""Where a preview's candles come from: the exchange, through a cache on disk, or a file of the user's."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from adapters.binance.endpoints import REST_URL
from adapters.binance.rest import BinanceRest
from adapters.candle_files import read_candles
from adapters.candle_history import CandleHistory
from adapters.candle_table import CandleTable
from adapters.settings import STATE_DIRECTORY, Settings
from domain.errors import RefusedError, UnavailableError
from domain.market import Interval, Market, SymbolStatus, history_anchor
from feeder.selection import Selection
from filters.preview.coarser import coarser
from filters.preview.past_candles import PastCandles, PastInterval

CACHE = STATE_DIRECTORY / "candles"
DEFAULT_SPAN = timedelta(days=7)
AFTER = 500
"""Candles behind the range that are read too, as far as there are any: what became of its last signals."""
Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done and how much there is."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The candles a preview asks for."""

    intervals: tuple[Interval, ...]
    """The trader's own first."""
    symbols: tuple[str, ...]
    """None: the `top` ones by quote volume."""
    top: int
    begin: datetime | None
    end: datetime | None
    span: timedelta | None
    """How much before the end, where no beginning is given."""
    short_history: bool

    def begin_before(self, end: datetime) -> datetime | None:
        """Where the range begins if it ends there."""
        return self.begin or (end - self.span if self.span else None)


Range = tuple[datetime | None, datetime | None]
"""Candles that open at the first moment or later, and before the second one."""


def from_file(path: Path, wanted: Wanted) -> tuple[PastCandles, Range]:
    """The candles of a file, longer intervals made of its own. Without a range all of it is evaluated."""
    table = read_candles(path)
    own = _past(table, 0 if wanted.short_history else table.first_index)
    candles = PastCandles(
        symbols=table.symbols,
        intervals={interval: coarser(own, interval) for interval in wanted.intervals},
        notes=(*table.notes, *_made(table, wanted), *_notes(wanted)),
    )
    span = wanted.begin_before(wanted.end or own.interval.open_time(own.end_index)), wanted.end
    turnover = np.nansum(own.columns["quote_volume"], axis=1)
    largest = tuple(table.symbols[row] for row in np.argsort(-turnover, kind="stable")[: wanted.top])
    return candles.of_symbols(wanted.symbols or largest), span


async def from_exchange(settings: Settings, wanted: Wanted, progress: Progress) -> tuple[PastCandles, Range]:
    """The candles of the range, the history before it and AFTER candles behind it, from the exchange the market is at."""
    base = wanted.intervals[0]
    async with BinanceRest(_exchange(settings)) as rest:
        history = CandleHistory(rest, CACHE / settings.market)
        symbols = await _symbols(rest, wanted)
        newest = base.close_time(await history.newest_closed(base))
        span = _range(wanted, newest)
        intervals = {}
        for interval in wanted.intervals:
            first, last = _needed(interval, base, span)
            done = _labelled(f"candles of {interval}", progress)
            table = await history.read(symbols, interval, first, last, done)
            intervals[interval] = _past(table, 0 if wanted.short_history else table.first_index)
    return PastCandles(symbols=symbols, intervals=intervals, notes=_notes(wanted)), span


def _exchange(settings: Settings) -> str:
    if settings.market is Market.BINANCE:
        return REST_URL
    if not settings.exchange_url:
        raise UnavailableError("No exchange is known. Start one with `make up`, or give candles with --candles FILE.")
    return settings.exchange_url.rstrip("/")


async def _symbols(rest: BinanceRest, wanted: Wanted) -> tuple[str, ...]:
    listed = await rest.listings()
    if wanted.symbols:
        if unknown := sorted(set(wanted.symbols) - {each.symbol for each in listed}):
            raise RefusedError(f"The exchange has no symbol {', '.join(unknown)}.")
        return wanted.symbols
    admitted = {each.symbol for each in listed if Selection().admits(each) and each.status is SymbolStatus.TRADING}
    tickers = [ticker for ticker in await rest.tickers() if ticker.symbol in admitted]
    return tuple(ticker.symbol for ticker in sorted(tickers, key=lambda ticker: (-ticker.values[5], ticker.symbol))[: wanted.top])


def _range(wanted: Wanted, newest: datetime) -> tuple[datetime, datetime]:
    end = min(wanted.end or newest, newest)
    begin = wanted.begin_before(end) or end - DEFAULT_SPAN
    if begin >= end:
        raise RefusedError(
            f"There is nothing between {begin:%Y-%m-%d %H:%M} and {end:%Y-%m-%d %H:%M} UTC, up to which candles have closed."
        )
    return begin, end


def _needed(interval: Interval, base: Interval, span: tuple[datetime, datetime]) -> tuple[int, int]:
    """The candles of an interval that the range sees, the 24 hours before for the ticker, and what came after."""
    first, last = base.index_at(span[0]), base.index_at(span[1]) + AFTER
    begin = history_anchor(interval.last_closed_within(base, first))
    if interval is base:
        begin = min(begin, first - Interval.D1.milliseconds // base.milliseconds)
    return max(0, begin), interval.last_closed_within(base, last)


def _past(table: CandleTable, known_from: int) -> PastInterval:
    return PastInterval(interval=table.interval, first_index=table.first_index, known_from=known_from, columns=table.columns)


def _made(table: CandleTable, wanted: Wanted) -> tuple[str, ...]:
    made = [interval for interval in wanted.intervals if interval is not table.interval]
    return (f"Candles of {', '.join(made)} are made of those of {table.interval} in the file.",) if made else ()


def _notes(wanted: Wanted) -> tuple[str, ...]:
    notes = []
    if not wanted.symbols:
        notes.append("The symbols are those that are large now, not those that were then: what has shrunk or gone since is left out.")
    if wanted.short_history:
        notes.append("The beginning of the candles counts as the listing of their symbols: slow indicators differ from live ones at first.")
    return tuple(notes)


def _labelled(label: str, progress: Progress) -> Callable[[int, int], None]:
    return lambda done, total: progress(label, done, total)


def to_moment(text: str) -> datetime:
    """`2024-07-22` or `2024-07-22T12:00`, in UTC unless it says otherwise. Raises RefusedError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise RefusedError(f"{text} is no time: write 2024-07-22 or 2024-07-22T12:00 (UTC).") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
