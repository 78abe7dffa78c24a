"""Signals by the product's rule: what matches now and did not at the symbol's previous evaluation."""

from datetime import timedelta

import numpy as np
import pytest

from domain.filters import FilterSpec
from domain.market import Interval
from domain.screening import Progress
from filters.evaluation import Evaluator
from filters.expression import compile_filter
from filters.preview.outcomes import Described, NewMatches, Outcome, Step
from filters.preview.past_candles import PastCandles
from filters.preview.preview import Preview, PreviewRequest, preview
from tests.unit.preview.past_market import H1, LAST, M5, drop, live_at, random_past
from workers.looking import Question, Watched, advance
from workers.newly_closed import newly_closed

WIDTH = 40
RULE = """
condition("up", close > open)
plot("fast", ema(close, 9))
match = close > open and volume > sma(volume, 20)
"""


def outcomes(text: str) -> np.ndarray:
    """`.` not matched, `M` matched, `?` not ready, `!` failed."""
    meaning = {".": Outcome.NOT_MATCHED, "M": Outcome.MATCHED, "?": Outcome.NOT_READY, "!": Outcome.FAILED}
    return np.array([[meaning[mark] for mark in text]], dtype=np.uint8)


def new_at(*parts: str) -> list[int]:
    """Candles with new matches of one symbol whose outcomes come in these parts."""
    rule, found, first = NewMatches(1), [], 0
    for part in parts:
        step = Step(rows=np.array([0]), first=first, outcome=outcomes(part), describe=lambda cells: Described())
        found += (np.flatnonzero(rule.among(step)[0]) + first).tolist()
        first += len(part)
    return found


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ("..MM..M", [2, 6]),
        ("M.M", [0, 2]),
        ("M?M", [0]),
        ("M!M", [0]),
        (".?M", [2]),
        ("??M", [2]),
        ("M??.?M", [0, 5]),
        ("....", []),
    ],
)
def test_new_against_continuing(seen: str, expected: list[int]) -> None:
    assert expected == new_at(seen)
    assert expected == new_at(*seen), "in steps of one candle"
    assert expected == new_at(seen[:3], seen[3:])


def as_live(candles: PastCandles, code: str, first: int, last: int) -> list[tuple[object, ...]]:
    """What a worker's trader reports that looks whenever a candle has closed."""
    compiled, evaluator, progress, found = compile_filter(FilterSpec(code=code, interval=M5)), Evaluator(), Progress(), []
    rows = np.arange(len(candles.symbols))
    watched = Watched(rows=rows, names=candles.symbols, max_matches=10_000, late_after=timedelta(hours=1))
    for index in range(first, last + 1):
        market = live_at(candles, M5, index)
        look = newly_closed(compiled, market, watched, progress, (index + 1) * M5.milliseconds)
        turn = advance(look)
        while isinstance(turn, Question):
            turn = advance(look, evaluator.evaluate_closed(compiled, market, turn.index))
        progress = turn.progress
        found += [(m.candle_index, m.symbol, float(m.price), m.conditions, m.values, m.initial) for m in turn.matches]
    return sorted(found, key=lambda match: match[:2])


async def previewed(candles: PastCandles, code: str, first: int, last: int, **options: object) -> Preview:
    request = PreviewRequest(spec=FilterSpec(code=code, interval=M5), begin=M5.open_time(first), end=M5.open_time(last + 1), **options)
    return await preview(request, candles)


@pytest.mark.parametrize("seed", range(3))
async def test_signals_are_those_of_a_live_trader(seed: int) -> None:
    candles = random_past(M5, seed=seed)
    base, first = candles.of(M5), LAST - WIDTH
    drop(base, 1, LAST - 30, LAST - 28)
    drop(base, 2, base.first_index, LAST - 25)
    found = await previewed(candles, RULE, first, LAST)

    signals = [(M5.index_at(s.candle_open_time), s.symbol, s.price, s.conditions, s.values, s.initial) for s in found.signals]
    assert as_live(candles, RULE, first, LAST) == sorted(signals, key=lambda signal: signal[:2])
    assert len(signals) > 10


async def test_counts_add_up() -> None:
    candles = random_past(M5, rows=4)
    drop(candles.of(M5), 0, LAST - 20, LAST - 11)
    found = await previewed(candles, RULE, LAST - 99, LAST)
    signals = list(found.signals)

    assert 400 == found.evaluations == 100 * len(found.symbols)
    assert 10 + 11 == found.outcomes[Outcome.NOT_READY], "the hole, and the candles behind it, too few for an average of 20"
    assert len(signals) - int(found.signals.initial.sum()) == sum(found.signals_per_day.values())
    assert found.most_at_once <= 4
    assert found.match_rate == 100 * found.outcomes[Outcome.MATCHED] / (400 - 21)
    assert [M5.open_time(LAST - 99), M5.open_time(LAST)] == [found.first, found.last]
    assert 10 == found.coverage[0].missing
    assert (("S0USDT", 10),) == found.coverage[0].worst


async def test_days_without_signals_are_there() -> None:
    candles = random_past(H1, rows=2, candles=1_200)
    spec = FilterSpec(code="match = close > 1000000", interval=H1)
    found = await preview(PreviewRequest(spec=spec, begin=H1.open_time(LAST - 99)), candles)

    assert {0} == set(found.signals_per_day.values())
    assert len(found.signals_per_day) in (5, 6)
    assert 0 == len(found.signals)
    assert found.look_ahead.passed


async def test_another_interval_that_is_missing_is_said() -> None:
    spec = FilterSpec(code='match = candles("1h").close > close', interval=Interval.M5)
    with pytest.raises(Exception, match="reads candles of 1h, and there are only those of 5m"):
        await preview(PreviewRequest(spec=spec), random_past(M5))


async def test_progress_reaches_its_end() -> None:
    told: list[tuple[int, int]] = []
    spec = FilterSpec(code=RULE, interval=M5)
    found = await preview(PreviewRequest(spec=spec), random_past(M5), progress=lambda done, total: told.append((done, total)))

    assert (found.evaluations, found.evaluations) == told[-1]
    assert told == sorted(told)
