"""What prices did after the signals, beside what they did anyway."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filters.preview.outcomes import Outcome, Outcomes
from filters.preview.past_candles import PastInterval
from filters.preview.signals import SignalTable

HORIZONS = (1, 5, 20)


@dataclass(frozen=True, kw_only=True)
class ReturnStatistics:
    """Returns in percent. Without a single return the figures are `None`."""

    count: int
    missing: int
    """Left out, because the later candle has not come yet or never was."""
    mean: float | None
    median: float | None
    hit_rate: float | None
    """Percent of them above zero."""


@dataclass(frozen=True, kw_only=True)
class ForwardReturn:
    """From the close of a signal's candle to the close so many candles later, without fees; of all candles evaluated beside it."""

    candles: int
    signals: ReturnStatistics
    baseline: ReturnStatistics


def forward_returns(signals: SignalTable, outcomes: Outcomes, past: PastInterval, first: int) -> tuple[ForwardReturn, ...]:
    """For each of the HORIZONS. `outcomes` begin at candle `first`."""
    chosen = signals.places
    rows, indices, prices = signals.rows[chosen], signals.indices[chosen], signals.prices[chosen]
    return tuple(
        ForwardReturn(
            candles=horizon,
            signals=_statistics(past.at("close", rows, indices + horizon) / prices),
            baseline=_statistics(_all_ratios(outcomes, past, first, horizon)),
        )
        for horizon in HORIZONS
    )


def _all_ratios(outcomes: Outcomes, past: PastInterval, first: int, horizon: int) -> NDArray[np.float64]:
    width = outcomes.shape[1]
    closes = past.window(slice(None), first, first + width - 1 + horizon)["close"]
    evaluated = outcomes != Outcome.NOT_READY
    ratios: NDArray[np.float64] = closes[:, horizon:][evaluated] / closes[:, :width][evaluated]
    return ratios


def _statistics(ratios: NDArray[np.float64]) -> ReturnStatistics:
    known = (ratios[np.isfinite(ratios)] - 1) * 100
    if not known.size:
        return ReturnStatistics(count=0, missing=len(ratios), mean=None, median=None, hit_rate=None)
    return ReturnStatistics(
        count=len(known),
        missing=len(ratios) - len(known),
        mean=float(known.mean()),
        median=float(np.median(known)),
        hit_rate=float(np.mean(known > 0) * 100),
    )
