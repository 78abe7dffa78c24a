"""Returns after signals against a plain loop."""

from statistics import mean, median

import numpy as np
import pytest

from domain.filters import FilterSpec
from filters.preview.outcomes import Outcome
from filters.preview.preview import PreviewRequest, preview
from tests.unit.preview.past_market import LAST, M5, drop, random_past

RULE = "match = close > highest(high, 10)[1]"


async def test_returns_are_those_of_a_plain_loop() -> None:
    candles = random_past(M5, rows=4)
    past = candles.of(M5)
    drop(past, 0, LAST - 60, LAST - 50)
    found = await preview(PreviewRequest(spec=FilterSpec(code=RULE, interval=M5), begin=M5.open_time(LAST - 299)), candles)
    closes, shift = past.columns["close"], past.first_index
    assert [1, 5, 20] == [each.candles for each in found.forward_returns]
    for each in found.forward_returns:
        later, missing = [], 0
        for signal in found.signals:
            if signal.initial:
                continue
            row, place = candles.symbols.index(signal.symbol), M5.index_at(signal.candle_open_time) - shift + each.candles
            if place < closes.shape[1] and np.isfinite(closes[row, place]):
                later.append((closes[row, place] / signal.price - 1) * 100)
            else:
                missing += 1

        assert (len(later), missing) == (each.signals.count, each.signals.missing)
        assert each.signals.mean == pytest.approx(mean(later))
        assert each.signals.median == pytest.approx(median(later))
        assert each.signals.hit_rate == pytest.approx(100 * sum(value > 0 for value in later) / len(later))
    everything = found.evaluations - found.outcomes[Outcome.NOT_READY]
    assert [everything] * 3 == [each.baseline.count + each.baseline.missing for each in found.forward_returns]
    assert found.forward_returns[-1].signals.missing > 0


async def test_baseline_is_every_candle_evaluated() -> None:
    candles = random_past(M5, rows=3)
    found = await preview(PreviewRequest(spec=FilterSpec(code=RULE, interval=M5), begin=M5.open_time(LAST - 299)), candles)
    closes = candles.of(M5).columns["close"][:, -300:]
    for each in found.forward_returns:
        expected = [(row[place + each.candles] / row[place] - 1) * 100 for row in closes for place in range(300 - each.candles)]

        assert (len(expected), 3 * each.candles) == (each.baseline.count, each.baseline.missing)
        assert each.baseline.mean == pytest.approx(mean(expected))
        assert each.baseline.median == pytest.approx(median(expected))


async def test_range_may_end_before_the_candles_do() -> None:
    candles = random_past(M5, rows=2)
    request = PreviewRequest(
        spec=FilterSpec(code="match = close > open", interval=M5), begin=M5.open_time(LAST - 99), end=M5.open_time(LAST - 30)
    )
    found = await preview(request, candles)

    assert {0} == {each.signals.missing + each.baseline.missing for each in found.forward_returns}
    assert 69 == found.candles
