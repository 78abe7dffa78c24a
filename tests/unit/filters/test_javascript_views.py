"""What browser filters see: exactly the last 250 candles of each interval, packed once for all that look at the same candle."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from domain.filters import FailureKind, FilterFailure
from domain.market import Interval
from filters.frames import COLUMNS, TICKER_FIELDS
from filters.javascript.contract import CANDLES, JavaScriptFilter, Verdicts
from filters.javascript.views import Packed, Views
from tests.unit.filters.memory_market import MemorySnapshot, random_market

M5, H1 = Interval.M5, Interval.H1
LAST = 256 * 23_000 + 130
AS_OF = (LAST + 1) * M5.milliseconds
ROWS = 6
ALL = np.arange(ROWS)
MARKET = random_market(M5, LAST, H1, rows=ROWS)
FIVES = JavaScriptFilter(code="return true", interval=M5)
BOTH = JavaScriptFilter(code="return false", interval=M5, others=(H1,))


def closed(
    compiled: JavaScriptFilter = FIVES,
    market: MemorySnapshot = MARKET,
    index: int = LAST,
    rows: np.ndarray = ALL,
    as_of: int = AS_OF,
    views: Views | None = None,
) -> Packed:
    return (views or Views()).closed(compiled, market, index, rows, as_of)


def with_frame(market: MemorySnapshot, interval: Interval, **changes: object) -> MemorySnapshot:
    return replace(market, frames={**market.frames, interval: replace(market.frames[interval], **changes)})


def candles_of(market: MemorySnapshot, interval: Interval, through: int) -> np.ndarray:
    frame = market.frames[interval]
    end = through + 1 - frame.first_index
    return np.stack([frame.columns[name][:, end - CANDLES : end] for name in COLUMNS], axis=1)


@pytest.mark.parametrize("back", [0, 1, 130, 131, 200])
def test_a_view_holds_the_last_candles_of_each_interval_that_had_closed_when_the_candle_did(back: int) -> None:
    index = LAST - back
    packed = closed(BOTH, index=index)
    hourly = H1.last_closed_within(M5, index)

    assert {M5, H1} == set(packed.view.windows)
    for interval, last in ((M5, index), (H1, hourly)):
        window = packed.view.windows[interval]
        assert (ROWS, len(COLUMNS), CANDLES) == window.values.shape
        assert window.values.flags.c_contiguous
        assert [last + 1 - CANDLES] * ROWS == window.first_index.tolist()
        assert np.array_equal(candles_of(MARKET, interval, last), window.values)


def test_a_view_holds_the_tickers_in_the_order_of_their_fields() -> None:
    view = closed(rows=np.array([4, 1])).view

    assert ("S4USDT", "S1USDT") == view.symbols
    expected = [[MARKET.tickers.columns[field][row] for field in TICKER_FIELDS] for row in (4, 1)]
    assert expected == view.tickers.tolist()


def test_only_symbols_with_all_candles_of_every_interval_are_ready() -> None:
    frame, hours = MARKET.frames[M5], MARKET.frames[H1]
    began = frame.closed_from.copy()
    began[0], began[1] = LAST + 1 - CANDLES, LAST + 2 - CANDLES
    hourly_began = hours.closed_from.copy()
    hourly_began[2] = H1.last_closed_within(M5, LAST) + 2 - CANDLES
    through = frame.closed_through.copy()
    through[3] = LAST - 1
    market = with_frame(with_frame(MARKET, M5, closed_from=began, closed_through=through), H1, closed_from=hourly_began)

    assert [0, 2, 4, 5] == closed(FIVES, market).rows.tolist()
    assert [0, 4, 5] == closed(BOTH, market).rows.tolist()
    assert ("S0USDT", "S4USDT", "S5USDT") == closed(BOTH, market).view.symbols


def test_the_forming_candle_is_the_last_one_and_counts() -> None:
    now = LAST * M5.milliseconds + 60_000
    hourly = H1.last_closed_within(M5, LAST) + 1
    began = MARKET.frames[M5].closed_from.copy()
    began[0], began[1] = LAST + 1 - CANDLES, LAST + 2 - CANDLES
    fives = with_frame(MARKET, M5, closed_from=began, closed_through=np.full(ROWS, LAST - 1))
    wider = {name: np.pad(values, ((0, 0), (0, 1)), constant_values=7.0) for name, values in MARKET.frames[H1].columns.items()}
    packed = Views().forming(BOTH, with_frame(fives, H1, columns=wider), ALL, now)

    assert hourly == now // H1.milliseconds
    assert [0, 2, 3, 4, 5] == packed.rows.tolist()
    assert np.array_equal(candles_of(MARKET, M5, LAST)[packed.rows], packed.view.windows[M5].values)
    assert {7.0} == set(packed.view.windows[H1].values[:, :, -1].ravel().tolist())
    assert [hourly + 1 - CANDLES] * 5 == packed.view.windows[H1].first_index.tolist()


def test_whoever_looks_at_the_same_candle_shares_one_view() -> None:
    views = Views()
    first = closed(views=views)

    assert first is closed(replace(FIVES, code="return 1 > 2", truthy=True), views=views, as_of=AS_OF + 4_000)
    assert first is not closed(views=views, index=LAST - 1)
    assert first is not closed(views=views, rows=ALL[1:])
    assert first is not closed(BOTH, views=views)
    assert first is closed(views=views)


def test_a_view_is_not_shared_once_its_tickers_or_its_candles_are_old() -> None:
    views = Views()
    first = closed(views=views)
    corrected = with_frame(MARKET, M5, version=2, columns={name: values + 1 for name, values in MARKET.frames[M5].columns.items()})
    after_correction = closed(market=corrected, views=views)

    assert np.array_equal(first.view.windows[M5].values + 1, after_correction.view.windows[M5].values)
    assert after_correction is not closed(market=corrected, views=views, as_of=AS_OF + 5_000)
    assert len(views._packed) == 1, "what is superseded is forgotten"


def test_a_view_of_forming_candles_is_shared_for_an_instant() -> None:
    market = with_frame(MARKET, M5, closed_through=np.full(ROWS, LAST - 1))
    views, now = Views(), LAST * M5.milliseconds + 60_000
    first = views.forming(FIVES, market, ALL, now)

    assert first is views.forming(FIVES, replace(market, seq=2), ALL, now + 200)
    assert first is not views.forming(FIVES, replace(market, seq=3), ALL, now + 300)


def test_a_symbol_more_is_another_market() -> None:
    views = Views()
    few = random_market(M5, LAST, rows=5)

    assert closed(market=few, rows=ALL[:5], views=views) is not closed(market=MARKET, rows=ALL[:5], views=views)


def test_views_stay_within_their_bytes() -> None:
    views = Views(capacity=400_000)
    for back in range(20):
        closed(views=views, index=LAST - back)

    assert views._packed.size <= 400_000
    assert len(views._packed) > 1


def test_what_is_not_kept_any_more_is_not_ready() -> None:
    packed = closed(index=MARKET.frames[M5].first_index + 300)

    assert ((), 0) == (packed.view.symbols, packed.view.windows[M5].values.size)


def test_verdicts_become_an_evaluation_of_the_markets_rows() -> None:
    packed = closed(rows=np.array([1, 3, 4]))
    failure = FilterFailure(kind=FailureKind.RUNTIME, message="x is not defined", line=1, symbol="S4USDT")
    verdicts = Verdicts(
        matched=np.array([True, False, True]),
        failed=np.array([False, False, True]),
        conditions={0: ("RSI below 30",)},
        failures=(failure,),
        busy=timedelta(milliseconds=1),
    )
    evaluation = packed.evaluation(verdicts)

    assert [1, 3, 4] == np.flatnonzero(evaluation.ready).tolist()
    assert [1] == np.flatnonzero(evaluation.matched).tolist(), "a row that failed has not matched"
    assert [4] == np.flatnonzero(evaluation.failed).tolist()
    assert ("RSI below 30",) == evaluation.conditions(1)
    assert ((failure,), {"RSI below 30": 1}) == (evaluation.failures, evaluation.condition_counts(ALL))
    assert MARKET.frames[M5].columns["close"][:, LAST - MARKET.frames[M5].first_index].tolist() == evaluation.close.tolist()
