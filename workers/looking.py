"""What a trader's look at the market asks of the engines, and what it brings, whichever language its filter is written in."""

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from domain.filters import FilterFailure
from domain.market import Interval, from_epoch_milliseconds
from domain.screening import Match, Progress
from filters.frames import MarketSnapshot
from filters.outcome import Evaluation

Mask = NDArray[np.bool_]
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What a trader looks at: the rows of its symbols, and how many new matches of one candle it may report."""

    rows: NDArray[np.intp]
    names: tuple[str, ...]
    max_matches: int
    late_after: timedelta


@dataclass(frozen=True, kw_only=True)
class Question:
    """Asks for the filter's evaluation at one candle, of these rows of the store at least."""

    index: int
    rows: NDArray[np.intp]
    as_of: int
    """What the exchange's clock shows, epoch milliseconds."""
    is_forming: bool = False


Look = Generator[Question, Evaluation, Result]
"""A look runs in the replica's thread. Between a question and its answer the store may move on; its rows keep their places."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a look brought. `candles` zero: nothing was evaluated."""

    progress: Progress
    matches: tuple[Match, ...] = ()
    dropped: int = 0
    candles: int = 0
    missed: int = 0
    waiting_for: int = 0
    """Symbols whose history is being restored, for which everything waits."""
    newest: int | None = None
    processed: int = 0
    not_ready: int = 0
    failed: int = 0
    """Symbols for which the filter failed at the candle looked at last."""
    failures: tuple[FilterFailure, ...] = ()
    """At all candles together."""
    is_stuck: bool = False
    """The filter failed for every symbol: that candle counts as not looked at, and will be again."""
    conditions: dict[str, int] | None = None
    looked_at: Mask | None = None
    """Per symbol watched: whether the newest candle was evaluated for it."""


def advance(look: Look[Result], answer: Evaluation | None = None) -> Question | Result:
    """The look's next question after this answer, or what it brought."""
    try:
        return next(look) if answer is None else look.send(answer)
    except StopIteration as end:
        brought: Result = end.value
        return brought


def in_order(positions: Iterable[int], evaluation: Evaluation, watched: Watched) -> list[int]:
    """Positions of matches in the order in which they are kept when there are too many: greatest volume first, equal ones by name."""
    volume = evaluation.quote_volume_24h[watched.rows]
    return sorted(positions, key=lambda position: (-or_zero(float(volume[position])), watched.names[position]))


def match_at(
    snapshot: MarketSnapshot,
    interval: Interval,
    index: int,
    evaluation: Evaluation,
    row: int,
    *,
    initial: bool,
    late: bool,
    age: timedelta,
) -> Match:
    """One symbol's match at one candle, with the ticker of this moment."""
    tickers = snapshot.tickers.columns
    return Match(
        symbol=snapshot.symbols[row],
        candle_index=index,
        candle_open_time=from_epoch_milliseconds(index * interval.milliseconds),
        price=Decimal(repr(float(evaluation.close[row]))),
        change_percent=or_zero(float(tickers["change_percent"][row])),
        quote_volume=or_zero(float(tickers["quote_volume"][row])),
        conditions=evaluation.conditions(row),
        values=evaluation.values(row),
        initial=initial,
        late=late,
        data_age=age,
        snapshot_seq=snapshot.seq,
    )


def or_zero(value: float) -> float:
    """The value, 0 where it is unknown."""
    return value if np.isfinite(value) else 0.0
