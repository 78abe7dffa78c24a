"""Plays the market along its clock: forming candles now and then, the closed candle always and once, tickers every second."""

import asyncio
import time
from dataclasses import dataclass

import numpy as np

from domain.market import Interval
from local.exchange.candles import Candles, Integers, merge
from local.exchange.clock import MarketClock
from local.exchange.day import LastDay
from local.exchange.hub import MINI_TICKER, TICKER, Hub, kline
from local.exchange.interruptions import InterruptedMarket
from local.exchange.market import every_row, formed, forming, open_part
from local.exchange.wire import Scales, TickerPayloads, kline_payloads, mini_ticker_payloads, ticker_payloads

_KLINE_GAP = 1.95
"""Seconds between two frames of one forming candle: Binance's two, less some room for timers that fire late."""
_TICKER_GAP = 0.95
_LEAST_STEPS = 3
"""However fast the clock, a base candle forms in this many steps, the last of which closes it."""
_AHEAD = 60
"""Base candles computed at once."""


@dataclass
class _Open:
    """The open candle of one interval, for every row."""

    part: Candles | None
    sent_trades: Integers
    sent_at: float
    """When frames of this interval were last sent, on the monotonic clock."""


class LiveMarket:
    """Sends the frames of the streams somebody listens to.

    Per stream: frames of a forming candle at most every two seconds and only after a trade, then exactly one closed frame. Where a base
    candle lasts less than six seconds, two frames of it while it forms. At a boundary the closed frames of all intervals come smallest
    interval first, and before any frame of the next candle. When late, frames of forming candles are left out, closed ones never. Where
    there is no base candle, nothing is sent: not of larger candles either.
    """

    def __init__(self, market: InterruptedMarket, clock: MarketClock, hub: Hub, scales: Scales) -> None:
        self.intervals = market.intervals
        self.steady = False
        """Whether forming klines are sent by `send_forming` alone, not as the market moves."""
        self._market, self._clock, self._hub, self._scales = market, clock, hub, scales
        self._symbols = [listing.symbol for listing in market.listings]
        self._rows = every_row(market)
        self._base = market.intervals[0]
        self._width = self._base.milliseconds
        self._index = clock.now() // self._width
        self._open = {interval: self._opened(open_part(market, self._rows, interval, self._index)) for interval in market.intervals}
        self._day = LastDay(market, self._index)
        self._block: tuple[int, int, Candles] | None = None
        self._seconds: Candles | None = None
        self._ticked = (0.0, np.full(len(self._rows), -1))

    @property
    def lag(self) -> int:
        """Milliseconds of market time between the clock and the end of the candle being sent; 0 when on time."""
        return max(0, self._clock.now() - (self._index + 1) * self._width)

    async def run(self) -> None:
        """Play until cancelled, or until the market has ended."""
        while not self._ended:
            base = self._base_candle()
            self._seconds = forming(self._market, self._rows, self._index, base)
            await self._form(self._seconds)
            await self._clock.wait_until((self._index + 1) * self._width)
            await self._close(base)

    def last_day(self) -> Candles:
        """Every row's candle of the last 24 hours, as of now."""
        return self._day.candle(None if self._ended else self._formed_now())

    def send_forming(self, interval: Interval, rows: Integers) -> None:
        """Send the open candles of these rows as they are now, changed or not; nothing while closed ones are due or after the end."""
        if len(rows) and not self._ended and not self.lag:
            candle = self._formed_now()
            self._send_klines(interval, rows[candle.close[rows] > 0], merge(self._open[interval].part, candle), closed=False)

    async def _form(self, seconds: Candles) -> None:
        count = seconds.shape[1]
        step = max(1, min(round(self._clock.speed), count // _LEAST_STEPS))
        for second in range(step, count, step):
            await self._clock.wait_until(self._index * self._width + second * 1000)
            if self.lag:
                return
            await self._send_forming(seconds.at(second - 1))

    async def _send_forming(self, candle: Candles) -> None:
        now = time.monotonic()
        for interval, opened in self._open.items():
            if not self.steady and now - opened.sent_at >= self._kline_gap(interval):
                whole = merge(opened.part, candle)
                rows = self._hub.rows(kline(interval))
                changed = (whole.trades[rows] != opened.sent_trades[rows]) & (candle.close[rows] > 0)
                self._send_klines(interval, rows[changed], whole, closed=False)
                opened.sent_at, opened.sent_trades = now, whole.trades
                await asyncio.sleep(0)
        if now - self._ticked[0] >= _TICKER_GAP:
            self._send_tickers(now, candle)

    async def _close(self, base: Candles) -> None:
        for interval, opened in self._open.items():
            opened.part = merge(opened.part, base)
            if (self._index + 1) * self._width % interval.milliseconds == 0:
                rows = self._hub.rows(kline(interval))
                self._send_klines(interval, rows[base.close[rows] > 0], opened.part, closed=True)
                self._open[interval] = self._opened(None, opened.sent_at)
        self._day.append(base)
        self._index += 1
        self._seconds = None
        await asyncio.sleep(0)

    def _send_klines(self, interval: Interval, rows: Integers, candles: Candles, *, closed: bool) -> None:
        if len(rows):
            index, at = self._index * self._width // interval.milliseconds, max(self._clock.now(), self._index * self._width)
            at += self._clock.skew
            symbols = [self._symbols[row] for row in rows]
            payloads = kline_payloads(self._scales, symbols, rows, interval, index, candles.rows(rows), closed=closed, at=at)
            self._hub.publish(kline(interval), rows, payloads, closed=closed)

    def _send_tickers(self, now: float, candle: Candles) -> None:
        everything, small, large = self._hub.wants_all_tickers(), self._hub.rows(MINI_TICKER), self._hub.rows(TICKER)
        if not (everything or len(small) or len(large)):
            return
        day, last_trades = self._day.candle(candle), candle.first_trade + candle.trades
        changed = (last_trades != self._ticked[1]) & (candle.close > 0)
        self._ticked = (now, last_trades)
        if everything and changed.any():
            self._hub.publish_all_tickers(self._ticker_payloads(mini_ticker_payloads, self._rows[changed], day))
        self._publish_tickers(MINI_TICKER, mini_ticker_payloads, small[changed[small]], day)
        self._publish_tickers(TICKER, ticker_payloads, large[changed[large]], day)

    def _publish_tickers(self, kind: str, payloads: TickerPayloads, rows: Integers, day: Candles) -> None:
        if len(rows):
            self._hub.publish(kind, rows, self._ticker_payloads(payloads, rows, day))

    def _ticker_payloads(self, payloads: TickerPayloads, rows: Integers, day: Candles) -> list[str]:
        return payloads(self._scales, [self._market.listings[row] for row in rows], rows, day.rows(rows), self._clock.shown())

    def _formed_now(self) -> Candles:
        base = self._base_candle()
        seconds = self._seconds if self._seconds is not None else forming(self._market, self._rows, self._index, base)
        return formed(base, seconds, (self._clock.now() - self._index * self._width) // 1000)

    @property
    def _ended(self) -> bool:
        return self._market.ends is not None and self._index * self._width >= self._market.ends

    def _kline_gap(self, interval: Interval) -> float:
        lasts = self._width / 1000 / self._clock.speed
        return min(_KLINE_GAP, 0.9 * lasts / _LEAST_STEPS) if interval is self._base else _KLINE_GAP

    def _base_candle(self) -> Candles:
        version, first, candles = self._block or (-1, 0, None)
        if candles is None or version != self._market.version or self._index - first >= _AHEAD:
            version, first = self._market.version, self._index
            candles = self._market.candles(self._rows, self._base, first, _AHEAD)
            self._block = (version, first, candles)
        return candles.at(self._index - first)

    def _opened(self, part: Candles | None, sent_at: float = 0.0) -> _Open:
        return _Open(part=part, sent_trades=np.zeros(len(self._rows), dtype=np.int64), sent_at=sent_at)
