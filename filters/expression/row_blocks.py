"""Column functions made of many passes over their matrices, a few symbols at a time."""

from collections.abc import Callable, Sequence

import numpy as np

from filters.expression.kernels import Array, Values

Compute = Callable[[Sequence[Array], Sequence[float]], tuple[Values, ...]]
SYMBOLS_AT_ONCE = 64
"""So that what is passed over again is still in the processor's cache: half the time of all symbols at once."""


def in_blocks(compute: Compute) -> Compute:
    """The same function, which must treat symbols apart from each other, over all symbols."""

    def computed(inputs: Sequence[Array], parameters: Sequence[float]) -> tuple[Values, ...]:
        begins = range(0, max(1, len(inputs[0])), SYMBOLS_AT_ONCE)
        blocks = [compute([values[begin : begin + SYMBOLS_AT_ONCE] for values in inputs], parameters) for begin in begins]
        return tuple(np.concatenate(outputs) for outputs in zip(*blocks, strict=True))

    return computed
