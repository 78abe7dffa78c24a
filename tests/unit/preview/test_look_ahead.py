"""The self-check finds what looks into the future."""

from collections.abc import AsyncIterator

import numpy as np

from domain.filters import FilterSpec
from filters.preview.look_ahead import check_look_ahead
from filters.preview.outcomes import Described, Outcome, Step
from filters.preview.past_candles import PastCandles
from filters.preview.preview import PreviewRequest, preview
from filters.preview.signals import Collection
from tests.unit.preview.past_market import H1, LAST, M5, random_past


async def knows_tomorrow(candles: PastCandles, first: int, last: int) -> AsyncIterator[Step]:
    """Matches where the next candle closes higher."""
    past = candles.of(M5)
    rows = np.arange(len(candles.symbols))
    closes = past.window(slice(None), first, last + 1)["close"]
    outcome = np.where(closes[:, 1:] > closes[:, :-1], Outcome.MATCHED, Outcome.NOT_MATCHED).astype(np.uint8)
    yield Step(rows=rows, first=first, outcome=outcome, describe=lambda cells: Described())


async def test_filter_that_knows_the_future_is_found_out() -> None:
    candles = random_past(M5, rows=4)
    found = Collection(candles, M5, LAST - 99, LAST)
    async for step in knows_tomorrow(candles, LAST - 99, LAST):
        found.add(step)
    check = await check_look_ahead(candles, M5, LAST - 99, found.outcomes, found.signals(), knows_tomorrow, points=10)

    assert not check.passed
    assert (10, 40) == (check.candles, check.evaluations)
    first = check.differences[0]
    row, column = candles.symbols.index(first.symbol), M5.index_at(first.candle_open_time) - LAST + 99
    assert Outcome.MATCHED == found.outcomes[row, column]


async def test_filters_of_the_language_pass_with_and_without_signals() -> None:
    candles = random_past(M5, H1)
    code = 'match = rsi(close, 14) < 35 and close < candles("1h").ema(20) or ticker.change_percent > 3'
    for program in (code, "match = close > 1000000"):
        found = await preview(PreviewRequest(spec=FilterSpec(code=program, interval=M5)), candles)
        assert found.look_ahead.passed
        assert 20 == found.look_ahead.candles
