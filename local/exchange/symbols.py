"""Which symbols the exchange lists, and whether they trade."""

from domain.market import SymbolStatus
from local.exchange.clock import MarketClock
from local.exchange.interruptions import InterruptedMarket

_SILENT = {SymbolStatus.BREAK, SymbolStatus.CANCEL_ONLY, SymbolStatus.ABSENT}
"""No trades, so no candles and no frames."""


class Symbols:
    """Every symbol's status. One that stops or begins to trade does so when the next base candle opens; its status changes at once."""

    def __init__(self, market: InterruptedMarket, clock: MarketClock, *, reserved: int = 0) -> None:
        """The last `reserved` symbols are held back: they come when they are listed. Raises ValueError when none would be left."""
        if not 0 <= reserved < len(market.listings):
            raise ValueError(f"0 to {len(market.listings) - 1} of {len(market.listings)} symbols can be held back, not {reserved}")
        self._market, self._clock = market, clock
        self._row_of = {listing.symbol: row for row, listing in enumerate(market.listings)}
        self._status = [SymbolStatus.TRADING] * len(market.listings)
        self._reserved = set(range(len(market.listings) - reserved, len(market.listings)))
        for row in self._reserved:
            self._status[row] = SymbolStatus.ABSENT
            market.interrupt(row)

    def row(self, symbol: str) -> int | None:
        """A listed symbol's row."""
        row = self._row_of.get(symbol)
        return None if row is None or self._status[row] is SymbolStatus.ABSENT else row

    def rows(self) -> list[int]:
        """The rows of all listed symbols."""
        return [row for row, status in enumerate(self._status) if status is not SymbolStatus.ABSENT]

    def status(self, row: int) -> SymbolStatus:
        """A row's status."""
        return self._status[row]

    def change(self, symbol: str, status: SymbolStatus) -> int:
        """Give a symbol another status; returns from when on it does or does not trade. Raises ValueError for one that is not known."""
        return self._change(self._known(symbol), status)

    def introduce(self, symbol: str) -> int:
        """List a symbol that was held back; returns when its history begins. Raises ValueError for any other."""
        if (row := self._known(symbol)) not in self._reserved:
            held_back = ", ".join(self._market.listings[row].symbol for row in sorted(self._reserved)) or "none"
            raise ValueError(f"{symbol} is not held back (see --reserve); held back are: {held_back}")
        self._reserved.discard(row)
        return self._change(row, SymbolStatus.TRADING)

    def _known(self, symbol: str) -> int:
        if symbol not in self._row_of:
            raise ValueError(f"there is no symbol {symbol}")
        return self._row_of[symbol]

    def _change(self, row: int, status: SymbolStatus) -> int:
        if row in self._reserved:
            raise ValueError(f"{self._market.listings[row].symbol} is held back; list it first")
        was_silent, moment = self._status[row] in _SILENT, self._market.boundary_after(self._clock.now())
        self._status[row] = status
        if was_silent and status not in _SILENT:
            self._market.resume(row, moment)
        elif not was_silent and status in _SILENT:
            self._market.interrupt(row, begins=moment)
        return moment
