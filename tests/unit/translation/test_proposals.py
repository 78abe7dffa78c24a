"""What an import proves on real candles: parity with the browser, and what a proposed expression finds."""

import json
from collections.abc import Iterator

import numpy as np
import pytest

from domain.filters import FilterSpec, Language
from domain.market import Interval
from filters.frames import COLUMNS, TICKER_FIELDS
from filters.javascript.contract import CANDLES, JavaScriptFilter, View, Window
from filters.javascript.in_process import InProcessEngine
from filters.preview.past_candles import PastCandles
from filters.translation.browser import AsInTheBrowser
from filters.translation.proposal import Proposal, parity, propose
from filters.translation.translate import Refused
from tests.unit.preview.past_market import random_past

M5, H1 = Interval.M5, Interval.H1
SOME = 24
HELPERS = [
    "const r = helpers.getLatestRSI(klines); const m = helpers.getLatestMACD(klines); return r < 60 && m.histogram > 0;",
    "const s = helpers.getLatestStochRSI(klines); return s && s.k > s.d;",
    "const n = helpers.calculateHighVolumeNodes(klines, { lookback: 120 }); return helpers.isNearHVN(parseFloat(klines[249][4]), n, 1);",
    "return helpers.getLatestVWAPBands(klines, 60, 1).upperBand < parseFloat(klines[249][4]) || helpers.getLatestPVI(klines) > 1000;",
    "return helpers.detectRSIDivergence(klines) === 'bearish_regular' || helpers.detectEngulfingPattern(klines) === 'bullish';",
    "const klines = timeframes['1h']; return helpers.getLatestEMA(klines, 21) < parseFloat(ticker.c);",
    "const m = helpers.calculateMACD(klines.map(k => parseFloat(k[4]))); return m.MACD > m.signal;",
]


@pytest.fixture(scope="module")
def engine() -> Iterator[InProcessEngine]:
    with InProcessEngine() as engine:
        yield engine


@pytest.fixture(scope="module")
def candles() -> PastCandles:
    return random_past(M5, H1, rows=4, candles=1_400)


def browsers(code: str, *others: Interval) -> FilterSpec:
    return FilterSpec(code=code, interval=M5, language=Language.JAVASCRIPT, required_intervals=others, truthy=True)


@pytest.mark.parametrize("code", HELPERS)
async def test_a_filter_finds_here_what_it_found_in_the_browser(code: str, engine: InProcessEngine, candles: PastCandles) -> None:
    found = await parity(browsers(code, H1), candles, engine, SOME)
    assert (True, 4 * SOME) == (found.is_exact, found.compared)
    assert 0 < found.matches < found.compared


async def test_the_browser_gave_whole_lists_of_texts_and_numbers(engine: InProcessEngine) -> None:
    random = np.random.default_rng(0)
    values = random.uniform(1, 9, size=(1, len(COLUMNS), CANDLES)).round(4)
    view = View(symbols=("ABC",), windows={M5: Window(first_index=np.array([7]), values=values)}, tickers=np.ones((1, len(TICKER_FIELDS))))
    last = [
        256 * M5.milliseconds,
        *(f"{values[0, place, -1]:.8f}" for place in range(5)),
        257 * M5.milliseconds - 1,
        f"{values[0, 5, -1]:.8f}",
        float(values[0, 6, -1]),
        *(f"{values[0, place, -1]:.8f}" for place in (7, 8)),
        "0",
    ]
    expected = json.dumps(json.dumps(last, separators=(",", ":")))
    code = f"return JSON.stringify(klines[249]) === {expected} && Array.isArray(klines) && klines.length === 250;"
    verdicts = await AsInTheBrowser(engine).evaluate("user", JavaScriptFilter(code=code, interval=M5), view)
    assert [True] == verdicts.matched.tolist(), verdicts.failures


async def test_a_failure_names_the_owners_line_in_the_browser_too(engine: InProcessEngine, candles: PastCandles) -> None:
    found = await parity(browsers("const a = 1;\nreturn a.b.c;"), candles, engine, SOME)
    assert (True, 0) == (found.is_exact, found.matches)


async def test_a_proposal_comes_with_what_history_says(engine: InProcessEngine, candles: PastCandles) -> None:
    found = await propose(browsers("return helpers.calculateMA(klines, 9) > helpers.calculateMA(klines, 21);"), candles, engine, SOME)
    assert isinstance(found, Proposal)
    assert found.agreement.is_exact_but_for_ties
    assert 0 < found.agreement.matches


async def test_a_proof_by_filters_that_never_match_is_told_as_weak(engine: InProcessEngine, candles: PastCandles) -> None:
    proposal = await propose(browsers("return parseFloat(ticker.c) < 0;"), candles, engine, SOME)
    assert isinstance(proposal, Proposal)
    assert str(proposal.agreement).endswith("but neither ever matched: that proves little")


async def test_a_difference_of_definition_is_found_and_explained(engine: InProcessEngine, candles: PastCandles) -> None:
    code = "return parseFloat(klines[249][4]) > helpers.getLatestEMA(klines, 240);"
    found = await propose(browsers(code), candles, engine, 400)
    assert isinstance(found, Proposal)
    assert not found.agreement.is_exact_but_for_ties
    assert "512 to 767" in found.why[0]
    assert found.agreement.differences[0].open_time >= found.agreement.begin


async def test_the_true_indicator_is_another_filter(engine: InProcessEngine, candles: PastCandles) -> None:
    found = await propose(browsers("return helpers.calculateADX(klines, 14) > 25;"), candles, engine, SOME)
    assert isinstance(found, Proposal)
    assert found.alternative is not None
    assert (True, False) == (found.agreement.is_exact_but_for_ties, found.alternative.agreement.is_exact)


async def test_nothing_is_proposed_that_was_not_compared(engine: InProcessEngine) -> None:
    few = random_past(M5, rows=2, candles=300)
    found = await propose(browsers("return helpers.calculateMA(klines, 9) > 7;"), few, engine)
    assert isinstance(found, Refused)
    assert "could not be compared" in found.reason
