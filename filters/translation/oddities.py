"""Oddities of the browser's library, and of what it was given, that a filter depends on. They are kept; the owner should know."""

from collections.abc import Iterator

from tree_sitter import Node

from domain.filters import Trigger
from domain.imports import Finding, Runs
from filters.javascript.contract import CANDLES
from filters.javascript.syntax_tree import field, line_of, text_of, walk
from filters.translation.bindings import Bindings, called
from filters.translation.browser_helpers import HELPERS, ODDITIES

_EMA_HELPERS = {"getLatestEMA": 1, "calculateEMASeries": 1}
_ANCHORED = {"getLatestVWAP": 1, "calculateVWAPSeries": 1, "calculateVWAPBands": 1, "getLatestVWAPBands": 1}
"""Which argument says where the sums begin."""
_ON_NUMBERS = ("calculateSMA", "calculateEMA", "calculateMACD", "detectGenericDivergence", "isNearHVN", "getClosestHVN", "countHVNInRange")
_WINDOWS = {"getHighestHigh": (">", "<"), "getLowestLow": ("<", ">")}
"""What `close` can never be towards the result: the comparison as it is written, and the other way round."""
_SEED_LEFT = 0.01


def oddities(root: Node, bindings: Bindings, trigger: Trigger) -> Iterator[Finding]:
    """What the filter gives, here as in the browser, that its owner may not expect."""
    for node in walk(root):
        match node.type:
            case "call_expression":
                yield from _call(node, bindings)
            case "binary_expression":
                yield from _comparison(node, bindings)
            case "identifier" if text_of(node) == "hvnNodes" and "hvnNodes" not in bindings.declared:
                yield _note(node, "hvnNodes is always an empty list.", "Use helpers.calculateHighVolumeNodes(klines, {}).")
    if trigger is Trigger.CLOSE:
        yield from _before_last(root, bindings)


def _call(node: Node, bindings: Bindings) -> Iterator[Finding]:
    found = bindings.helper_call(node)
    if found is None or found[0] not in HELPERS:
        return
    name, call = found
    arguments = called(call)[2]
    if name in ODDITIES:
        yield _note(node, *ODDITIES[name])
    if name not in _ON_NUMBERS and arguments and bindings.is_numbers(arguments[0]):
        message = f"helpers.{name} wants klines; of a list of numbers it knows nothing and gives null, and null < 35 holds."
        yield _note(node, message, f"Write helpers.{name}(klines, ...); what it finds will change.")
    yield from _period(node, name, arguments)
    yield from _vwap(node, name, arguments)


def _period(node: Node, name: str, arguments: list[Node]) -> Iterator[Finding]:
    period = _number(arguments[1]) if len(arguments) > 1 else None
    if period is None or name in _ON_NUMBERS or name == "calculateHighVolumeNodes":
        return
    if period > CANDLES:
        yield _note(node, f"A filter sees {CANDLES} candles: helpers.{name} over {period:g} of them is always null.", "Here as there.")
    elif name in _EMA_HELPERS:
        left = (1 - 2 / (period + 1)) ** (CANDLES - period)
        if left > _SEED_LEFT:
            message = f"{left:.0%} of this average of {period:g} is still where it started, {CANDLES} candles ago."
            yield _note(node, message, "An expression sees 512 and more, and will differ from it.")


def _vwap(node: Node, name: str, arguments: list[Node]) -> Iterator[Finding]:
    if name == "calculateVWAP" or (name in _ANCHORED and len(arguments) <= _ANCHORED[name]):
        message = f"helpers.{name} sums over all {CANDLES} candles, not over the day."
        yield _note(node, message, "Give it the number of candles since midnight, or take vwap() of the expression language.")


def _comparison(node: Node, bindings: Bindings) -> Iterator[Finding]:
    left, right = field(node, "left"), field(node, "right")
    operator = text_of(node.child_by_field_name("operator"))
    for side, place in ((right, 0), (left, 1)):
        found = bindings.helper_call(side)
        arguments = called(found[1])[2] if found else []
        if found and found[0] in _WINDOWS and operator == _WINDOWS[found[0]][place] and arguments and text_of(arguments[0]) == "klines":
            message = f"helpers.{found[0]} includes the candle itself, so no close of it can be beyond."
            yield _note(node, message, f"This never holds. Mean it: helpers.{found[0]}(klines.slice(0, -1), ...).")
    yield from _history(node, left, right, operator, bindings)


def _history(node: Node, left: Node, right: Node, operator: str, bindings: Bindings) -> Iterator[Finding]:
    needed = _number(right)
    if left.type != "member_expression" or text_of(field(left, "property")) != "length" or not bindings.is_candles(field(left, "object")):
        return
    if needed is not None and operator in ("<", "<=") and (needed > CANDLES or (operator == "<=" and needed == CANDLES)):
        yield _note(node, f"There are always {CANDLES} candles, so this always holds.", "If nothing matches then, the trader never will.")


def _before_last(root: Node, bindings: Bindings) -> Iterator[Finding]:
    for node in walk(root):
        if node.type != "subscript_expression" or not bindings.is_candles(field(node, "object")):
            continue
        index = field(node, "index")
        left, right = index.child_by_field_name("left"), index.child_by_field_name("right")
        if text_of(left).endswith(".length") and text_of(right) == "2":
            message = "This is the candle before the last; where the last is a closed one, that is one further back than in the browser."
            yield _note(node, message, "If it was there to pass over the forming candle, write length - 1.")
            return


def _number(node: Node) -> float | None:
    if node.type != "number":
        return None
    try:
        return float(text_of(node))
    except ValueError:
        return None


def _note(node: Node, message: str, advice: str = "") -> Finding:
    return Finding(runs=Runs.WITH_NOTE, message=message, advice=advice, line=line_of(node))
