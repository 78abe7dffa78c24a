"""Simulated trades: exact small cases, and a plain loop over random markets."""

from dataclasses import replace

import numpy as np
import pytest
import talib

from domain.errors import RefusedError
from domain.filters import FilterSpec
from domain.market import history_anchor
from filters.preview.equity import SimulatedExits, simulate
from filters.preview.exits import Distance, ExitReason, ExitRules
from filters.preview.past_candles import PastInterval
from filters.preview.preview import PreviewRequest, preview
from filters.preview.signals import SignalTable
from tests.unit.preview.past_market import M5, random_past

FREE = {"fee_percent": 0.0, "slippage_percent": 0.0, "stake": 100.0}


def past(*candles: tuple[float, float, float, float]) -> PastInterval:
    """Open, high, low and close of one symbol's candles, from index 0 on."""
    columns = {name: np.array([[candle[place] for candle in candles]]) for place, name in enumerate(("open", "high", "low", "close"))}
    return PastInterval(interval=M5, first_index=0, known_from=0, columns=columns)


def signals(*indices: int, rows: list[int] | None = None) -> SignalTable:
    count = len(indices)
    return SignalTable(
        symbols=("AUSDT", "BUSDT", "CUSDT"),
        interval=M5,
        rows=np.array(rows or [0] * count),
        indices=np.array(indices),
        prices=np.full(count, 100.0),
        initial=np.zeros(count, dtype=bool),
        labelled={},
        series={},
        said=(),
    )


def ended(found: SimulatedExits) -> list[tuple[ExitReason, float, int]]:
    return [(trade.reason, trade.profit, trade.candles) for trade in found.trades]


FLAT = (100.0, 100.0, 100.0, 100.0)
TWO_PERCENT = {"stop": Distance(amount=2), "target": Distance(amount=4)}


@pytest.mark.parametrize(
    ("candles", "expected"),
    [
        ([(100, 101, 97, 100)], (ExitReason.STOP, -2.0, 1)),
        ([(100, 105, 99, 104)], (ExitReason.TARGET, 4.0, 1)),
        ([(100, 105, 97, 104)], (ExitReason.STOP, -2.0, 1)),
        ([(100, 101, 99, 100), (95, 96, 94, 95)], (ExitReason.STOP, -5.0, 2)),
        ([(100, 101, 99, 100), (110, 111, 109, 110)], (ExitReason.TARGET, 4.0, 2)),
        ([(100, 101, 99, 101)], (ExitReason.END, 1.0, 1)),
    ],
    ids=["stop", "target", "both: the stop", "gap below the stop", "gap above the target", "candles end"],
)
def test_one_position(candles: list[tuple[float, ...]], expected: tuple[ExitReason, float, int]) -> None:
    found = simulate(signals(0), past(FLAT, *candles), ExitRules(**TWO_PERCENT, **FREE), 0, 0)
    assert [expected] == ended(found)


def test_sold_by_time_at_the_close() -> None:
    rising = [(100 + k, 101 + k, 100 + k, 101 + k) for k in range(9)]
    assert [(ExitReason.TIME, 3.0, 3)] == ended(simulate(signals(0), past(FLAT, *rising), ExitRules(hold=3, **FREE), 0, 0))


def test_fees_and_slippage() -> None:
    rules = ExitRules(hold=1, fee_percent=0.1, slippage_percent=0.5, stake=1_000.0)
    (trade,) = simulate(signals(0), past(FLAT, FLAT), rules, 0, 0).trades
    quantity = 1_000 / (100.5 * 1.001)

    assert 100.5 == pytest.approx(trade.entry_price)
    assert 99.5 == pytest.approx(trade.exit_price)
    assert round(quantity * 99.5 * 0.999 - 1_000, 2) == trade.profit


def test_no_second_position_of_a_symbol() -> None:
    found = simulate(signals(0, 1, 2, 3, 4), past(*[FLAT] * 9), ExitRules(hold=2, **FREE), 0, 0)
    assert [1, 3, 5] == [M5.index_at(trade.entry_time) for trade in found.trades]
    assert 0 == found.passed_over


def test_signals_without_free_money_are_passed_over() -> None:
    candles = PastInterval(
        interval=M5, first_index=0, known_from=0, columns={name: np.full((3, 9), 100.0) for name in ("open", "high", "low", "close")}
    )
    found = simulate(signals(0, 0, 0, 5, rows=[0, 1, 2, 2]), candles, ExitRules(hold=2, max_positions=2, **FREE), 0, 0)
    assert ["AUSDT", "BUSDT", "CUSDT"] == [trade.symbol for trade in found.trades]
    assert 1 == found.passed_over


def test_signal_at_the_last_candle_buys_nothing() -> None:
    assert () == simulate(signals(1), past(FLAT, FLAT), ExitRules(hold=2, **FREE), 0, 0).trades


def test_hole_is_waited_through() -> None:
    hole = (np.nan,) * 4
    found = simulate(signals(0), past(FLAT, FLAT, hole, (97, 97, 97, 97)), ExitRules(**TWO_PERCENT, **FREE), 0, 0)
    assert [(ExitReason.STOP, -3.0, 3)] == ended(found)
    assert [1_000, 1_000, 1_000, 997] == found.equity.tolist()


def test_equity_counts_open_positions_and_its_deepest_fall() -> None:
    closes = [100, 100, 110, 90, 105]
    candles = past(*[(close, close, close, close) for close in closes])
    found = simulate(signals(0), candles, ExitRules(hold=4, max_positions=1, **FREE), 0, 0)

    assert [100, 100, 110, 90, 105] == found.equity.tolist()
    assert 20.0 == found.max_drawdown
    assert found.max_drawdown_percent == pytest.approx(20 / 110 * 100, abs=1e-4)
    assert (5.0, 5.0, 100.0, None) == (found.profit, found.profit_percent, found.win_rate, found.profit_factor)


def test_figures_of_no_trade() -> None:
    found = simulate(signals(), past(FLAT, FLAT), ExitRules(hold=2), 0, 0)
    assert (None, None, None, 0.0, 0.0) == (found.win_rate, found.expectancy, found.profit_factor, found.profit, found.max_drawdown)


def plain_loop(candles: PastInterval, entry: int, row: int, stop: float, target: float, hold: int) -> tuple[int, float]:
    opens, highs, lows, closes = (candles.columns[name][row] for name in ("open", "high", "low", "close"))
    price = opens[entry]
    for place in range(entry, min(entry + hold, len(opens))):
        if lows[place] <= price * (1 - stop / 100):
            return place, min(opens[place], price * (1 - stop / 100))
        if highs[place] >= price * (1 + target / 100):
            return place, price * (1 + target / 100)
    return place, closes[place]


@pytest.mark.parametrize("seed", range(4))
async def test_random_markets_against_a_plain_loop(seed: int) -> None:
    candles = random_past(M5, rows=6, seed=seed)
    rules = ExitRules(stop=Distance(amount=1.5), target=Distance(amount=2), hold=25, max_positions=1_000, **FREE)
    spec = FilterSpec(code="match = close > highest(high, 10)[1]", interval=M5)
    found = await preview(PreviewRequest(spec=spec, exits=rules), candles)
    base, exits = candles.of(M5), found.exits
    assert exits is not None
    busy: dict[str, int] = {}
    expected = []
    for signal in found.signals:
        at, row = M5.index_at(signal.candle_open_time), candles.symbols.index(signal.symbol)
        if signal.initial or busy.get(signal.symbol, -1) > at or at == base.end_index - 1:
            continue
        place, price = plain_loop(base, at + 1 - base.first_index, row, 1.5, 2, 25)
        busy[signal.symbol] = place + base.first_index
        expected.append((signal.symbol, busy[signal.symbol], pytest.approx(price)))

    assert expected == [(trade.symbol, M5.index_at(trade.exit_time), trade.exit_price) for trade in exits.trades]
    assert len(expected) > 50
    assert exits.equity[-1] == pytest.approx(rules.capital + sum(trade.profit for trade in exits.trades), abs=1)


async def test_distance_in_true_ranges_is_talibs_on_the_anchored_history() -> None:
    candles = random_past(M5, rows=2)
    rules = ExitRules(stop=Distance(amount=1.5, is_atr=True), **FREE)
    spec = FilterSpec(code="match = close > highest(high, 10)[1]", interval=M5)
    found = await preview(PreviewRequest(spec=spec, exits=rules), candles)
    base = candles.of(M5)
    assert found.exits is not None
    stopped = [trade for trade in found.exits.trades if trade.reason is ExitReason.STOP]
    for trade in stopped:
        row, at = candles.symbols.index(trade.symbol), M5.index_at(trade.signal_open_time)
        begin = history_anchor(at) - base.first_index
        high, low, close = (base.columns[name][row, begin : at + 1 - base.first_index] for name in ("high", "low", "close"))
        stop = trade.entry_price - 1.5 * talib.ATR(high, low, close, 14)[-1]
        opened = base.columns["open"][row, M5.index_at(trade.exit_time) - base.first_index]

        assert min(stop, opened) == pytest.approx(trade.exit_price)
    assert len(stopped) > 5


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"stop": Distance(amount=100)},
        {"hold": 0},
        {"hold": 1, "fee_percent": -1},
        {"hold": 1, "slippage_percent": 50},
        {"hold": 1, "stake": 0},
        {"hold": 1, "stake": float("nan")},
        {"hold": 1, "max_positions": 0},
    ],
)
def test_rules_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(RefusedError):
        ExitRules(**wrong)


@pytest.mark.parametrize("amount", [0, -1, float("nan"), float("inf")])
def test_distance_is_above_zero(amount: float) -> None:
    with pytest.raises(RefusedError):
        Distance(amount=amount)


def test_initial_matches_buy_nothing() -> None:
    table = signals(0)
    assert () == simulate(replace(table, initial=np.array([True])), past(FLAT, FLAT), ExitRules(hold=2), 0, 0).trades
