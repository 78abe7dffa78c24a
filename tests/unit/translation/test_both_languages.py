"""The same filter in both languages finds the same on real candles wherever the definitions coincide."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from domain.filters import FilterSpec, Language
from domain.market import Interval
from filters.javascript.in_process import InProcessEngine
from filters.preview.coarser import coarser
from filters.preview.languages import prepare
from filters.preview.past_candles import PastCandles
from filters.translation.agreement import Agreement, compare
from filters.translation.translate import Translation, translate
from tests.recorded_candles import JULY_2024, MAY_2021, NO_RECORD
from tests.unit.preview.past_market import recorded
from tests.unit.translation.pairs import COINCIDING, NEARLY, Pair

pytestmark = pytest.mark.skipif(not JULY_2024.exists() or not MAY_2021.exists(), reason=NO_RECORD)
SYMBOLS, CANDLES = 8, 60


@pytest.fixture(scope="module")
def engine() -> Iterator[InProcessEngine]:
    with InProcessEngine() as engine:
        yield engine


@pytest.fixture(scope="module")
def markets() -> list[tuple[Interval, PastCandles]]:
    """Some symbols of the crash of May 2021, one minute wide, and of July 2024, five minutes wide."""
    return [
        _with_higher(Interval.M1, recorded(MAY_2021, Interval.M1, 24)),
        _with_higher(Interval.M5, recorded(JULY_2024, Interval.M5, 48)),
    ]


def _with_higher(interval: Interval, candles: PastCandles) -> PastCandles:
    some = candles.of_symbols(candles.symbols[:: len(candles.symbols) // SYMBOLS])
    quarters = replace(coarser(some.of(interval), Interval.M15), known_from=0)  # the record is too short for 512 of them
    return interval, PastCandles(symbols=some.symbols, intervals={**some.intervals, Interval.M15: quarters})


async def agreement(pair: Pair, interval: Interval, candles: PastCandles, engine: InProcessEngine) -> Agreement:
    browsers = FilterSpec(code=pair.javascript, interval=interval, language=Language.JAVASCRIPT, required_intervals=pair.others)
    ours = await prepare(FilterSpec(code=pair.expression, interval=interval), None, "pairs")
    translated = translate(browsers)
    assert isinstance(translated, Translation)
    ties = await prepare(translated.ties, None, "pairs") if translated.ties else None
    return await compare(await prepare(browsers, engine, "pairs"), ours, interval, candles, CANDLES, ties)


@pytest.mark.parametrize("pair", COINCIDING, ids=lambda pair: pair.name)
async def test_both_find_the_same(pair: Pair, markets: list[tuple[Interval, PastCandles]], engine: InProcessEngine) -> None:
    found = [await agreement(pair, interval, candles, engine) for interval, candles in markets]

    assert [] == [str(each) for each in found if not each.is_exact_but_for_ties or each.ties > 0.001 * each.compared]
    assert all(each.compared == SYMBOLS * CANDLES for each in found)
    assert pair.may_never_match or sum(each.matches for each in found) > 0


@pytest.mark.parametrize(("pair", "share"), NEARLY, ids=lambda value: value.name if isinstance(value, Pair) else "")
async def test_what_remembers_all_it_has_seen_differs_so_much_at_most(
    pair: Pair, share: float, markets: list[tuple[Interval, PastCandles]], engine: InProcessEngine
) -> None:
    found = [await agreement(pair, interval, candles, engine) for interval, candles in markets]

    assert all(each.matches > 0 for each in found)
    assert [] == [str(each) for each in found if each.differing > share * each.compared]


def test_there_are_enough_pairs() -> None:
    assert len(COINCIDING) >= 25
