"""An expression over past candles gives, bit for bit, what evaluating candle by candle gave."""

import random

import numpy as np
import pytest

from domain.errors import RefusedError
from domain.filters import FilterSpec
from domain.market import Interval
from filters.evaluation import Evaluator
from filters.expression import CompiledFilter, compile_filter
from filters.preview.expression_steps import expression_steps
from filters.preview.outcomes import Outcome
from filters.preview.past_candles import PastCandles, first_to_see
from filters.preview.segments import begin_of_anchored, first_evaluable
from tests.recorded_candles import JULY_2024, MAY_2021, NO_RECORD
from tests.unit.filters.calls import ALL, program_of
from tests.unit.preview.past_market import H1, LAST, M1, M5, drop, live_at, random_past, recorded

OPERANDS = (
    "rsi(close, 14)",
    "ema(close, 21)",
    "sma(volume, 20)[1]",
    "macd(close).histogram",
    "bbands(close, 20, 2).lower",
    "atr(14)",
    "highest(high, 20)[1]",
    "obv()",
    "percent_change(close, 12)",
    "bars_since(close > open)",
    "close / open",
    "close ** 0.5",
    "log(volume)",
    "ticker.high",
    "ticker.quote_volume",
    "ticker.change_percent",
    'round(ticker.last * candles("1h").close, 2)',
    'candles("1h").close',
    'ema(candles("1h").close, 50)',
    'candles("1h").atr(14)',
    'sma(close / candles("1h").close, 20)',
)


def random_program(seed: int) -> str:
    choose = random.Random(seed)
    left, right, *plotted = choose.sample(OPERANDS, 5)
    lines = [f'plot("{place}", {operand})' for place, operand in enumerate(plotted)]
    lines.append(f'condition("c", {left} > {right} and {choose.choice(plotted)} > {choose.uniform(-2, 100)})')
    lines.append(f"match = {left} > {right} {choose.choice(['and', 'or'])} not ({choose.choice(plotted)} < {choose.uniform(0, 50)})")
    return "\n".join(lines)


def assert_same(compiled: CompiledFilter, candles: PastCandles, first: int, last: int, every: int = 1) -> None:
    """Outcomes of every symbol and, where it is ready, what the filter says of it."""
    evaluator, looked_at = Evaluator(), 0
    for step in expression_steps(compiled, candles, first, last):
        for column in range(0, step.outcome.shape[1], every):
            index = step.first + column
            live = evaluator.evaluate_closed(compiled, live_at(candles, compiled.interval, index), index)
            outcome = step.outcome[:, column]
            assert live.ready[step.rows].tolist() == (outcome != Outcome.NOT_READY).tolist()
            assert live.matched[step.rows].tolist() == (outcome == Outcome.MATCHED).tolist()
            ready = np.flatnonzero(live.ready[step.rows])
            looked_at += 1
            if not len(ready):
                continue
            said = step.describe((ready, np.full(len(ready), column)))
            for label, values in live.labelled.items():
                assert values[step.rows][ready].tobytes() == said.labelled[label].tobytes(), (label, index)
            for name, values in live.series.items():
                assert values[step.rows][ready].tobytes() == said.series[name].tobytes(), (name, index)
    assert looked_at > 0


def compiled(code: str, interval: Interval = M5) -> CompiledFilter:
    return compile_filter(FilterSpec(code=code, interval=interval))


@pytest.mark.parametrize("function", ALL, ids=lambda function: function.name)
def test_every_function(function) -> None:
    program = compiled(program_of(function))
    others = [interval for interval in program.required if interval is not M5]
    assert_same(program, random_past(M5, *others, rows=3, candles=1_100), LAST - 300, LAST, every=43)


@pytest.mark.parametrize("seed", range(8))
def test_random_programs_over_two_intervals(seed: int) -> None:
    candles = random_past(M5, H1, candles=1_100, seed=seed)
    assert_same(compiled(random_program(seed)), candles, LAST - 300, LAST, every=17)


@pytest.mark.parametrize("seed", range(6))
def test_holes_and_young_symbols(seed: int) -> None:
    candles, choose = random_past(M5, H1, candles=1_100, seed=seed), random.Random(seed)
    base, hours = candles.of(M5), candles.of(H1)
    drop(base, 0, base.first_index, LAST - choose.randrange(0, 400))
    drop(hours, 1, hours.first_index, H1.last_closed_within(M5, LAST) - choose.randrange(0, 60))
    for _ in range(3):
        at = LAST - choose.randrange(0, 500)
        drop(base, 2, at, at + choose.randrange(0, 20))
    drop(base, 3, LAST - 40, LAST)
    drop(hours, 3, H1.last_closed_within(M5, LAST) - 10, H1.last_closed_within(M5, LAST) - 9)
    code = 'plot("x", ema(close, 9) + candles("1h").ema(5))\nplot("s", sma(close, 30))\nmatch = close > sma(close, 30)'
    assert_same(compiled(code), candles, LAST - 300, LAST, every=7)


def test_outage_of_the_whole_exchange() -> None:
    candles = random_past(M5)
    for row in range(len(candles.symbols)):
        drop(candles.of(M5), row, LAST - 200, LAST - 180)
    assert_same(compiled('plot("x", rsi(close, 14))\nmatch = close > ema(close, 20)'), candles, LAST - 250, LAST - 100)


def test_hour_and_minute_see_each_other() -> None:
    last = 256 * 2_000 + 300
    candles = random_past(H1, M5, last=last, candles=3_000, rows=2)
    code = 'm = candles("5m")\nplot("x", ema(m.close, 200))\nmatch = rsi(m.close, 14) > rsi(close, 14)'
    assert_same(compiled(code, H1), candles, last - 150, last)


@pytest.mark.skipif(not MAY_2021.exists(), reason=NO_RECORD)
def test_recorded_crash_of_2021() -> None:
    candles = recorded(MAY_2021, M1, symbols=20)
    past = candles.of(M1)
    first = begin_of_anchored(past.known_from)
    code = (
        'condition("low", rsi(close, 14) < 25)\nplot("e", ema(close, 50))\nmatch = rsi(close, 14) < 25 and volume > 2 * sma(volume, 20)[1]'
    )
    assert_same(compiled(code, M1), candles, first, past.end_index - 1, every=97)


@pytest.mark.skipif(not JULY_2024.exists(), reason=NO_RECORD)
def test_first_candle_is_the_first_with_its_whole_history() -> None:
    past = recorded(JULY_2024, M5, symbols=2).of(M5)
    begin = begin_of_anchored(past.known_from)
    assert_same(compiled("match = close > open"), recorded(JULY_2024, M5, symbols=2), begin, begin)

    assert begin == first_evaluable(M5, past.first_index, past.end_index - 1, {M5: begin})
    with pytest.raises(RefusedError, match="what is known of 5m begins too late"):
        first_evaluable(M5, past.first_index, begin - 1, {M5: begin})


def test_first_candle_that_sees_another_intervals_candle() -> None:
    for index in (1_000, 1_007, 1_011):
        for other in (H1, M1):
            seen = other.last_closed_within(M5, index)
            first = first_to_see(other, M5, seen)
            assert first <= index
            assert other.last_closed_within(M5, first) >= seen > other.last_closed_within(M5, first - 1)
