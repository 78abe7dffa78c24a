"""Browser filters over past candles: what they see, when a symbol is ready, what becomes of those that fail."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from domain.errors import FilterRefusedError, RefusedError
from domain.filters import FailureKind, FilterSpec, Language
from filters.javascript.contract import CANDLES
from filters.javascript.in_process import InProcessEngine
from filters.preview.outcomes import Outcome
from filters.preview.past_candles import PastCandles
from filters.preview.preview import Preview, PreviewRequest, preview
from tests.recorded_candles import JULY_2024, NO_RECORD
from tests.unit.preview.past_market import H1, LAST, M5, drop, random_past, recorded

LOOK = """
const k = timeframes["5m"], h = timeframes["1h"], first = k[0], newest = k[k.length - 1], hour = h[h.length - 1];
const seen = {symbol: ticker.s, last: ticker.c, volume: ticker.v, klines: k.length, first: first[0], first_open: first[1],
  newest: newest[0], close: newest[4], hours: h.length, hour: hour[0], hour_high: hour[2]};
return {match: true, conditions: Object.entries(seen).map(([name, value]) => `${name} ${value}`)};
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[InProcessEngine]:
    with InProcessEngine() as running:
        yield running


async def previewed(engine: InProcessEngine, code: str, candles: PastCandles, first: int, last: int = LAST, **spec: object) -> Preview:
    request = PreviewRequest(
        spec=FilterSpec(code=code, interval=M5, language=Language.JAVASCRIPT, **spec),
        begin=M5.open_time(first),
        end=M5.open_time(last + 1),
    )
    return await preview(request, candles, engine=engine)


async def test_filter_sees_the_candles_up_to_the_one_that_closed(engine: InProcessEngine) -> None:
    candles = random_past(M5, H1, rows=3)
    base, hours = candles.of(M5), candles.of(H1)
    for index in (LAST - 300, LAST - 7, LAST):
        found = await previewed(engine, LOOK, candles, index, index, required_intervals=(H1,))
        for row, signal in enumerate(found.signals):
            seen = dict(condition.split() for condition in signal.conditions)
            place, hour = index - base.first_index, H1.last_closed_within(M5, index)

            assert candles.symbols[row] == signal.symbol == seen["symbol"]
            assert [CANDLES, CANDLES] == [int(seen["klines"]), int(seen["hours"])]
            assert index * M5.milliseconds == int(seen["newest"])
            assert (index - CANDLES + 1) * M5.milliseconds == int(seen["first"])
            assert base.columns["close"][row, place] == float(seen["close"]) == float(seen["last"])
            assert base.columns["open"][row, place - CANDLES + 1] == float(seen["first_open"])
            assert hour * H1.milliseconds == int(seen["hour"])
            assert hours.columns["high"][row, hour - hours.first_index] == float(seen["hour_high"])
            assert float(seen["volume"]) == pytest.approx(base.columns["volume"][row, place - 287 : place + 1].sum())
        assert 3 == len(found.signals)


async def test_ready_with_all_its_candles_unbroken(engine: InProcessEngine) -> None:
    candles = random_past(M5, rows=3)
    base = candles.of(M5)
    drop(base, 0, LAST - 400, LAST - 380)
    drop(base, 1, base.first_index, LAST - 300)
    found = await previewed(engine, "return true", candles, LAST - 420)
    there = ~np.isnan(base.columns["close"])
    expected = 0
    for row in range(3):
        for place in range(LAST - 420 - base.first_index, LAST + 1 - base.first_index):
            expected += bool(there[row, place - CANDLES + 1 : place + 1].all())

    assert expected == found.outcomes[Outcome.MATCHED]
    assert 3 * 421 - expected == found.outcomes[Outcome.NOT_READY]


@pytest.mark.skipif(not JULY_2024.exists(), reason=NO_RECORD)
async def test_both_languages_match_alike_on_recorded_candles(engine: InProcessEngine) -> None:
    candles = recorded(JULY_2024, M5, symbols=12)
    last = candles.of(M5).end_index - 1
    browser = """
      const n = klines.length, c = i => parseFloat(klines[n - 1 - i][4]), v = i => parseFloat(klines[n - 1 - i][5]);
      const mean = (v(1) + v(2) + v(3)) / 3;
      return c(0) > parseFloat(klines[n - 1][1]) && v(0) > 2 * v(1) && c(0) > helpers.getHighestHigh(klines.slice(0, -1), 10);
    """
    ours = "match = close > open and volume > 2 * volume[1] and close > highest(high, 10)[1]"
    found = await previewed(engine, browser, candles, last - 287, last)
    spec = FilterSpec(code=ours, interval=M5)
    other = await preview(PreviewRequest(spec=spec, begin=M5.open_time(last - 287)), candles)

    assert [(s.symbol, s.candle_open_time) for s in found.signals] == [(s.symbol, s.candle_open_time) for s in other.signals]
    assert len(found.signals) > 20
    assert found.look_ahead.passed


async def test_failures_are_counted_with_their_reason_and_leave_the_rest_alone(engine: InProcessEngine) -> None:
    code = 'if (ticker.s === "S1USDT") nothing.there();\nreturn klines[249][4] > klines[249][1];'
    found = await previewed(engine, code, random_past(M5, rows=3), LAST - 99)

    assert 100 == found.outcomes[Outcome.FAILED] == found.failures[0].evaluations
    failure = found.failures[0].failure
    assert (FailureKind.RUNTIME, 1, "S1USDT", 1) == (failure.kind, failure.line, failure.symbol, failure.symbols)
    assert {"S0USDT", "S2USDT"} == {signal.symbol for signal in found.signals}


async def test_filter_that_can_only_be_given_up_is_given_up() -> None:
    gives_up = pytest.raises(RefusedError, match="given up, because the filter fails everywhere: timeout")
    with InProcessEngine(timedelta(milliseconds=200)) as engine, gives_up:
        await previewed(engine, "while (true) {}", random_past(M5, rows=2), LAST - 20)


async def test_filter_that_cannot_be_compiled_is_refused(engine: InProcessEngine) -> None:
    with pytest.raises(FilterRefusedError):
        await previewed(engine, "return (", random_past(M5), LAST)


async def test_go_is_never_run_and_javascript_not_without_an_engine() -> None:
    for language, words in ((Language.GO, "needs conversion"), (Language.JAVASCRIPT, "needs an engine")):
        spec = FilterSpec(code="return true", interval=M5, language=language)
        with pytest.raises(RefusedError, match=words):
            await preview(PreviewRequest(spec=spec), random_past(M5))


async def test_short_file_begins_where_250_candles_are_there(engine: InProcessEngine) -> None:
    candles = random_past(M5, rows=2)
    begin = candles.of(M5).first_index
    found = await previewed(engine, "return false", candles, begin, begin + 300)
    assert M5.open_time(begin + CANDLES - 1) == found.first

    young = replace(candles, intervals={M5: replace(candles.of(M5), known_from=0)})
    found = await previewed(engine, "return false", young, begin, begin + 300)
    assert (M5.open_time(begin), 2 * (CANDLES - 1)) == (found.first, found.outcomes[Outcome.NOT_READY])
