"""High-volume nodes: prices at which much was traded over the last candles."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from filters.expression.functions import Function, Input, Parameter
from filters.expression.graph import Graph
from filters.expression.kernels import Array, Values
from filters.expression.nodes import Node, WindowFunction

_PEAK = 1.05
"""A node has at least this many times the volume of either neighbour."""
_INPUTS = ("open", "high", "low", "close", "volume")
_PARAMETERS = (
    Parameter(name="candles", default=250, is_whole=True, minimum=2, meaning="how many candles are looked at, now included"),
    Parameter(
        name="bins",
        default=30,
        is_whole=True,
        minimum=3,
        maximum=200,
        meaning="parts of equal height, from the lowest to the highest price",
    ),
    Parameter(name="threshold", default=70, minimum=0, maximum=99, meaning="percent of the parts that have no more volume than a node"),
    Parameter(name="strength", default=50, minimum=1, maximum=100, meaning="least volume of a node in percent of the largest"),
)


def volume_node_functions() -> Iterator[Function]:
    """The one function there is."""
    yield Function(
        name="volume_nodes",
        group="Volume by price",
        summary=(
            "High-volume nodes of the last candles: price of the nearest at or above the close, of the nearest at or below it and of the "
            "strongest, and how far the nearest of all is from the close, in percent of it; no value where there is none"
        ),
        inputs=tuple(Input(name=name, default=name) for name in _INPUTS),
        parameters=_PARAMETERS,
        outputs=_NODES.outputs,
        example="volume_nodes().distance < 0.5",
        build=_build,
    )


def _build(graph: Graph, inputs: Sequence[Node], parameters: Sequence[float]) -> tuple[Node, ...]:
    candles, *others = parameters
    return graph.window(_NODES, inputs, int(candles), others)


def _compute(inputs: Sequence[Array], parameters: Sequence[float]) -> tuple[Values, ...]:
    candles, bins, threshold, strength = int(parameters[0]), int(parameters[1]), parameters[2], parameters[3]
    views = [sliding_window_view(values, candles, axis=1) for values in inputs]
    rows, count = views[0].shape[:2]
    found = np.empty((4, rows, count))
    for place in range(count):
        windows = [view[:, place] for view in views]
        volume, lowest, height = _profile(windows, bins)
        is_node = _is_node(volume, threshold, strength)
        begin = lowest[:, np.newaxis] + np.arange(bins) * height[:, np.newaxis]
        price = np.where(is_node, (begin + (begin + height[:, np.newaxis])) / 2, np.nan)
        found[:, :, place] = _nearest(price, volume, windows[3][:, -1])
    return tuple(found)


def _profile(windows: Sequence[Array], bins: int) -> tuple[Values, Values, Values]:
    """Volume per symbol and bin, the lowest price and a bin's height; a candle's volume is spread evenly over the bins it spans."""
    opened, high, low, close, volume = windows
    bottom, top = np.minimum(np.minimum(opened, close), low), np.maximum(np.maximum(opened, close), high)
    lowest, highest = low.min(axis=1), high.max(axis=1)
    height = (highest - lowest) / bins
    with np.errstate(all="ignore"):
        first = np.floor((bottom - lowest[:, np.newaxis]) / height[:, np.newaxis])
        last = np.floor((top - lowest[:, np.newaxis]) / height[:, np.newaxis])
    share = volume / np.maximum(1, last - first + 1)
    # a symbol with a hole or a single price has no profile
    share[~np.isfinite(first + last + share).all(axis=1)] = np.nan
    begin = _whole(first, bins)
    end = _whole(last, bins - 1) + 1
    change = _summed(begin, share, bins) - _summed(end, share, bins)
    return np.cumsum(change[:, :-1], axis=1), lowest, height


def _whole(values: Values, most: int) -> NDArray[np.intp]:
    return np.clip(np.nan_to_num(values), 0, most).astype(np.intp)


def _summed(place: NDArray[np.intp], values: Values, bins: int) -> Values:
    """The values of each row summed by place, 0 to `bins`."""
    rows = np.arange(len(place))[:, np.newaxis] * (bins + 1)
    sums: Values = np.bincount((rows + place).ravel(), weights=values.ravel(), minlength=len(place) * (bins + 1)).astype(np.float64)
    return sums.reshape(len(place), bins + 1)


def _is_node(volume: Values, threshold: float, strength: float) -> NDArray[np.bool_]:
    bins = volume.shape[1]
    least = np.sort(volume, axis=1)[:, [int(threshold / 100 * bins)]]
    around = np.pad(volume, ((0, 0), (1, 1)))
    peaks = (volume > around[:, :-2] * _PEAK) & (volume > around[:, 2:] * _PEAK)
    strong: NDArray[np.bool_] = (volume >= least) & (volume / volume.max(axis=1, keepdims=True) * 100 >= strength)
    return peaks & strong


def _nearest(price: Values, volume: Values, close: Values) -> tuple[Values, ...]:
    here = close[:, np.newaxis]
    above = np.min(price, axis=1, where=price >= here, initial=np.inf)
    below = np.max(price, axis=1, where=price <= here, initial=-np.inf)
    above, below = (np.where(np.isfinite(side), side, np.nan) for side in (above, below))
    strongest = np.take_along_axis(price, np.where(np.isnan(price), -1, volume).argmax(axis=1)[:, np.newaxis], axis=1)[:, 0]
    return above, below, strongest, np.fmin(above - close, close - below) / close * 100


_NODES = WindowFunction(name="volume_nodes", outputs=("above", "below", "strongest", "distance"), compute=_compute)
