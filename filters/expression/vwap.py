"""Volume weighted average price since the beginning of the UTC day, or of a part of it."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from domain.market import MINIMUM_HISTORY, Interval
from filters.expression.functions import Function, Input, Parameter
from filters.expression.graph import Graph
from filters.expression.kernels import Array, Values, finite
from filters.expression.nodes import ColumnFunction, Node
from filters.expression.problems import Misuse
from filters.expression.row_blocks import in_blocks

GROUP = "Volume weighted price"
_HOUR = Interval.H1.milliseconds
_SESSIONS = (1, 2, 3, 4, 6, 8, 12, 24)
_INPUTS = tuple(Input(name=name, default=name) for name in ("high", "low", "close", "volume"))
_HOURS = Parameter(
    name="hours",
    default=24,
    is_whole=True,
    minimum=1,
    maximum=24,
    meaning=f"length of a session, counted from 00:00 UTC: {', '.join(map(str, _SESSIONS))}",
)
_MULTIPLIER = Parameter(name="multiplier", default=1, minimum=0, meaning="half the width of the bands in standard deviations")


def vwap_functions() -> Iterator[Function]:
    """VWAP and its bands."""
    yield Function(
        name="vwap",
        group=GROUP,
        summary="hlc3 of the candles of this UTC day weighted by their volume; no value in a session whose beginning is not known",
        inputs=_INPUTS,
        parameters=(_HOURS,),
        example="crosses_above(close, vwap())",
        build=partial(_build, _VWAP),
    )
    yield Function(
        name="vwap_bands",
        group=GROUP,
        summary="VWAP and bands around it, in volume weighted standard deviations of hlc3",
        inputs=_INPUTS,
        parameters=(_HOURS, _MULTIPLIER),
        outputs=_BANDS.outputs,
        example="close < vwap_bands(multiplier=2).lower",
        build=partial(_build, _BANDS),
    )


def _build(function: ColumnFunction, graph: Graph, inputs: Sequence[Node], parameters: Sequence[float]) -> tuple[Node, ...]:
    joined, interval = graph.together(inputs)
    if interval is None:
        raise Misuse(f"{function.name} needs a series with a history")
    candles = _candles(function.name, int(parameters[0]), interval)
    return graph.columns(function, (*joined, graph.clock(interval)), (float(candles), *parameters[1:]))


def _candles(name: str, hours: int, interval: Interval) -> int:
    """How many candles a session has. Raises Misuse where it cannot be seen whole, and says what to write instead."""
    if hours not in _SESSIONS:
        raise Misuse(f"the sessions of a day are {', '.join(map(str, _SESSIONS[:-1]))} or {_SESSIONS[-1]} hours long, not {hours}")
    call = f"{name}()" if hours == _HOURS.default else f"{name}(hours={hours})"
    candles, rest = divmod(hours * _HOUR, interval.milliseconds)
    if rest or candles < 2:
        shorter = [other for other in Interval if 2 * other.milliseconds <= hours * _HOUR][-1]
        raise Misuse(f'{hours} h are less than two candles of {interval}: write candles("{shorter}").{call}')
    if candles > MINIMUM_HISTORY:
        fitting = max(fewer for fewer in _SESSIONS if fewer * _HOUR <= MINIMUM_HISTORY * interval.milliseconds)
        longer = next(other for other in Interval if hours * _HOUR <= MINIMUM_HISTORY * other.milliseconds)
        raise Misuse(
            f"{hours} h are {candles} candles of {interval} and a filter can count on {MINIMUM_HISTORY}: "
            f'write {name}(hours={fitting}) or candles("{longer}").{call}'
        )
    return candles


def _vwap(inputs: Sequence[Array], parameters: Sequence[float]) -> tuple[Values, ...]:
    sessions = _Sessions(inputs, int(parameters[0]))
    return (sessions.unfolded(sessions.mean(sessions.price)),)


def _bands(inputs: Sequence[Array], parameters: Sequence[float]) -> tuple[Values, ...]:
    sessions = _Sessions(inputs, int(parameters[0]))
    middle = sessions.mean(sessions.price)
    # from the session's first price on, so that the squares of large prices do not drown their differences
    distance = sessions.price - sessions.price[:, :, :1]
    variance = sessions.mean(distance * distance) - sessions.mean(distance) ** 2
    reach = parameters[1] * np.sqrt(np.maximum(variance, 0))
    return tuple(sessions.unfolded(band) for band in (middle + reach, middle, middle - reach))


class _Sessions:
    """Candles by session, [symbol x session x candle]; NaN where a session lies outside, so that nothing is known of an incomplete one."""

    def __init__(self, inputs: Sequence[Array], candles: int) -> None:
        high, low, close, volume, clock = inputs
        self._width = clock.shape[1]
        self._skipped = int(clock[0, 0]) % candles if clock.size else 0
        self._shape = (len(clock), -(-(self._skipped + self._width) // candles), candles)
        self.price = self._folded((high + low + close) / 3)
        self._weight = self._folded(volume)
        self._total = np.cumsum(self._weight, axis=2)

    def mean(self, values: Values) -> Values:
        """Mean of the session's values so far, weighted by volume."""
        return finite(np.cumsum(self._weight * values, axis=2) / self._total)

    def unfolded(self, values: Values) -> Values:
        """By candle again."""
        return values.reshape(len(values), -1)[:, self._skipped : self._skipped + self._width].copy()

    def _folded(self, values: Array) -> Values:
        folded = np.full(self._shape, np.nan)
        folded.reshape(len(values), -1)[:, self._skipped : self._skipped + self._width] = values
        return folded


def _lookback(parameters: Sequence[float]) -> int:
    return int(parameters[0]) - 1


_VWAP = ColumnFunction(name="vwap", outputs=("",), compute=in_blocks(_vwap), lookback=_lookback)
_BANDS = ColumnFunction(name="vwap_bands", outputs=("upper", "middle", "lower"), compute=in_blocks(_bands), lookback=_lookback)
