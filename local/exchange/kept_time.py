"""Keeps the market's time in a file: a market that is started again goes on where it was instead of going back."""

import asyncio
import json
import logging
from pathlib import Path

from local.exchange.clock import MarketClock

_log = logging.getLogger(__name__)

KEEP_SECONDS = 0.5


class KeptTime:
    """The time that one market had reached. A file about another market, or one that makes no sense, counts for nothing."""

    def __init__(self, file: Path, market: str) -> None:
        self._file = file
        self._market = market

    def after(self, start: int) -> int:
        """The later of `start` and the time the market had reached, epoch milliseconds."""
        try:
            kept = json.loads(self._file.read_bytes())
            return max(start, int(kept["time"])) if kept["market"] == self._market else start
        except (OSError, ValueError, TypeError, KeyError):
            return start

    async def follow(self, clock: MarketClock) -> None:
        """Keep the clock's time until cancelled."""
        try:
            while True:
                # What a killed process did not write must not have been seen by anybody: the file is ahead of the clock.
                ahead = 0 if clock.held else round(2_000 * KEEP_SECONDS * clock.speed)
                self._write(clock.now() + ahead)
                await asyncio.sleep(KEEP_SECONDS)
        finally:
            self._write(clock.now())

    def _write(self, moment: int) -> None:
        draft = self._file.with_suffix(".new")
        try:
            draft.write_text(json.dumps({"market": self._market, "time": moment}))
            draft.replace(self._file)
        except OSError as problem:  # a full disk must not end the market
            _log.warning("the market's time cannot be kept in %s: %s", self._file, problem.strerror)
