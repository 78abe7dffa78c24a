"""The symbols in the order of their quote volume, without neighbours that change places at every look."""

from collections.abc import Mapping, Sequence

MARGIN = 1.1
"""How many times its neighbour's volume a symbol needs to overtake it."""


def ranked(previous: Sequence[str], new: Sequence[str], volumes: Mapping[str, float]) -> list[str]:
    """The largest first; a symbol without a volume has none.

    Those of `previous` keep its order unless one has over a tenth more volume than its neighbour; the `new` ones are put where their
    volume belongs, ties in the order of their names.
    """
    order: list[str] = []
    for symbol in previous:
        _insert(order, symbol, volumes, MARGIN)
    for symbol in sorted(new):
        _insert(order, symbol, volumes, 1.0)
    return order


def _insert(order: list[str], symbol: str, volumes: Mapping[str, float], margin: float) -> None:
    volume, place = volumes.get(symbol, 0.0), len(order)
    while place and volume > margin * volumes.get(order[place - 1], 0.0):
        place -= 1
    order.insert(place, symbol)
