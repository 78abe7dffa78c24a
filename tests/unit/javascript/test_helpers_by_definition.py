"""The trickier helpers against their definitions written naively, over candles that hypothesis draws."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filters.javascript.isolate import Isolate
from tests.unit.javascript import naive_helpers as naive
from tests.unit.javascript.javascript_market import say, view, walk

drawn = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
candle_sets = st.builds(walk, st.integers(0, 10_000), flat=st.booleans(), quiet=st.booleans())
lengths = st.integers(1, 90)
periods = st.integers(1, 20)
tolerances = st.sampled_from([0, 0.05, 0.3])
percents = st.integers(0, 100)


def _last(candles: np.ndarray, length: int) -> list[list[float]]:
    """Rows of open, high, low, close, volume, bought."""
    return candles[[0, 1, 2, 3, 4, 7], -length:].T.tolist()


def _closes(candles: np.ndarray, length: int) -> list[float]:
    return candles[3, -length:].tolist()


def _same(expected: Any, found: Any) -> None:
    if isinstance(expected, dict):
        assert list(expected) == list(found)
        for name, value in expected.items():
            _same(value, found[name])
    elif isinstance(expected, list):
        assert len(expected) == len(found)
        for one, other in zip(expected, found, strict=True):
            _same(one, other)
    else:
        assert expected == (found if isinstance(found, str) or found is None else pytest.approx(found, rel=1e-9, abs=1e-9))


@drawn
@given(candle_sets, lengths, periods, periods, st.integers(1, 5), st.integers(1, 5))
def test_stochastic_rsi(isolate: Isolate, candles: np.ndarray, length: int, rsi: int, stoch: int, k: int, d: int) -> None:
    closes = _closes(candles, length)
    arguments = f"(klines.slice(-{length}), {rsi}, {stoch}, {k}, {d})"
    found = say(isolate, f"return [helpers.calculateStochRSI{arguments}, helpers.getLatestStochRSI{arguments}];", view(candles))[0]

    _same([naive.stochastic_rsi(closes, rsi, stoch, k, d), naive.latest_stochastic_rsi(closes, rsi, stoch, k, d)], found)


@drawn
@given(candle_sets, lengths, periods, st.integers(1, 60), st.integers(1, 8))
def test_divergence(isolate: Isolate, candles: np.ndarray, length: int, rsi: int, lookback: int, separation: int) -> None:
    closes, volumes = _closes(candles, length), candles[4, -length:].tolist()
    body = f"""const K = klines.slice(-{length}); const column = (cell) => K.map((k) => parseFloat(k[cell]));
      return [helpers.detectRSIDivergence(K, {rsi}, {lookback}, {separation}),
        helpers.detectGenericDivergence(column(4), column(5), {lookback}, {separation})];"""

    _same(
        [naive.rsi_divergence(closes, rsi, lookback, separation), naive.divergence(closes, volumes, lookback, separation)],
        say(isolate, body, view(candles))[0],
    )


@drawn
@given(candle_sets, lengths, periods, periods, periods)
def test_the_three_kinds_of_macd(isolate: Isolate, candles: np.ndarray, length: int, short: int, long: int, signal: int) -> None:
    closes = _closes(candles, length)
    body = f"""const K = klines.slice(-{length}); const closes = K.map((k) => parseFloat(k[4]));
      const periods = [{short}, {long}, {signal}];
      return [helpers.getLatestMACD(K, ...periods), helpers.calculateMACD(closes, ...periods),
        helpers.calculateMACDValues(K, ...periods).histogram, helpers.calculateEMA(closes, {short})];"""
    series = naive.macd_values(closes, short, long, signal)
    latest = {name: next((v for v in reversed(series[line]) if v is not None), None) for name, line in _LINES.items()}

    _same(
        [latest, naive.macd(closes, short, long, signal), series["histogram"], naive.ema(closes, short)],
        say(isolate, body, view(candles))[0],
    )


_LINES = {"macd": "macdLine", "signal": "signalLine", "histogram": "histogram"}


@drawn
@given(candle_sets, lengths, st.integers(2, 40), percents, st.integers(0, 90), percents, tolerances)
def test_high_volume_nodes(
    isolate: Isolate, candles: np.ndarray, length: int, bins: int, threshold: int, lookback: int, strength: int, tolerance: float
) -> None:
    options = f"{{ bins: {bins}, threshold: {threshold}, lookback: {lookback}, minStrength: {strength}, peakTolerance: {tolerance} }}"
    body = f"return helpers.calculateHighVolumeNodes(klines.slice(-{length}), {options});"

    _same(naive.nodes(_last(candles, length), bins, threshold, lookback, strength, tolerance), say(isolate, body, view(candles))[0])


@drawn
@given(candle_sets, lengths, st.integers(0, 100), st.sampled_from([1, 2.5]))
def test_vwap_bands(isolate: Isolate, candles: np.ndarray, length: int, anchor: int, multiplier: float) -> None:
    arguments = f"(klines.slice(-{length}), {anchor}, {multiplier})"
    body = f"return [helpers.calculateVWAPBands{arguments}, helpers.getLatestVWAPBands{arguments}];"
    bands = naive.vwap_bands(_last(candles, length), anchor, multiplier)
    at = max((i for i, value in enumerate(bands["vwap"]) if value is not None), default=None)
    latest = {name: None if at is None else values[at] for name, values in bands.items()}

    _same([bands, latest], say(isolate, body, view(candles))[0])


@drawn
@given(candle_sets, periods)
def test_work_is_shared_between_helpers_without_changing_a_bit(isolate: Isolate, candles: np.ndarray, period: int) -> None:
    """Asked in any order, of the klines or of copies of their texts, helpers give the very same numbers."""
    asked = f"""[(K) => helpers.getLatestRSI(K, {period}), (K) => helpers.calculateRSI(K, {period}).slice(-2),
      (K) => helpers.getLatestStochRSI(K, {period}), (K) => helpers.detectRSIDivergence(K, {period}),
      (K) => helpers.getLatestEMA(K, {period}),
      (K) => helpers.getLatestMACD(K, {period}, 26, 9), (K) => helpers.getLatestVWAP(K), (K) => helpers.getLatestVWAPBands(K),
      (K) => helpers.calculateHighVolumeNodes(K), (K) => helpers.getLatestBollingerBands(K, {period})]"""
    body = f"""const asked = {asked};
      const answers = (asked, K) => asked.map((ask) => ask(K));
      const copies = klines.map((k) => [...k]);
      return [answers(asked, klines), answers(asked.slice().reverse(), klines).reverse(), answers(asked, copies)];"""
    given_klines, backwards, given_copies = say(isolate, body, view(candles))[0]

    assert given_klines == backwards
    assert given_klines == given_copies
