"""What browser filters use that is not there, or not as they think: globals, asynchronous code, helpers that never existed."""

from collections.abc import Iterator

from tree_sitter import Node

from domain.imports import Finding, Runs
from filters.javascript.syntax_tree import field, line_of, text_of, walk
from filters.translation.bindings import ARGUMENTS, Bindings, called
from filters.translation.browser_helpers import HELPERS, INSTEAD, TRUE_HELPERS, instead_of

_BUILT_INS = """
    Array BigInt Boolean Error Float32Array Float64Array Infinity Int32Array Intl JSON Map Math NaN Number Object RangeError RegExp Set
    String Symbol TypeError Uint8Array Uint32Array WeakMap WeakSet isFinite isNaN parseFloat parseInt undefined globalThis arguments
    encodeURIComponent decodeURIComponent Reflect
"""
_KNOWN = frozenset((*ARGUMENTS, *_BUILT_INS.split(), "indicators"))
_OUTSIDE = {
    "console": "console is not there: what is written to it reaches nobody.",
    "fetch": "fetch is not there: a filter reaches nothing but its candles.",
    "XMLHttpRequest": "XMLHttpRequest is not there: a filter reaches nothing but its candles.",
    "WebSocket": "WebSocket is not there: a filter reaches nothing but its candles.",
    "require": "require is not there: a filter is complete in itself.",
    "setTimeout": "Timers are not there: a filter answers at once.",
    "setInterval": "Timers are not there: a filter answers at once.",
    "Promise": "Promises are never kept here: a filter answers at once.",
    "window": "window is not there: this is not a browser.",
    "document": "document is not there: this is not a browser.",
    "localStorage": "localStorage is not there, and nothing is kept from one evaluation to the next.",
    "process": "process is not there: a filter sees nothing of the machine.",
    "eval": "eval is not there.",
    "Function": "Function is not there.",
}
_TICKER_FIELDS = """
    e E s p P w x c Q b B a A o h l v q O C F L n symbol priceChange priceChangePercent weightedAvgPrice prevClosePrice lastPrice lastQty
    bidPrice askPrice openPrice highPrice lowPrice volume quoteVolume openTime closeTime count
"""
_CANDLE_FIELDS = {
    "openTime": 0,
    "open": 1,
    "high": 2,
    "low": 3,
    "close": 4,
    "volume": 5,
    "closeTime": 6,
    "quoteVolume": 7,
    "quoteAssetVolume": 7,
    "trades": 8,
    "takerBuyVolume": 9,
}


def habits(root: Node, bindings: Bindings) -> Iterator[Finding]:
    """What keeps the filter from running as its owner means it, and what does not repeat itself."""
    for node in walk(root):
        match node.type:
            case "await_expression" | "yield_expression":
                yield _conversion(node, f"{node.type.split('_')[0]} is not for filters.", f"A filter answers at once. {_awaited(node)}")
            case "call_expression":
                yield from _call(node, bindings)
            case "identifier":
                yield from _global(node, bindings)
            case "member_expression":
                yield from _member(node, bindings)
            case "assignment_expression":
                yield from _assignment(node)


def _call(node: Node, bindings: Bindings) -> Iterator[Finding]:
    owner, name, _ = called(node)
    if owner is None:
        return
    if text_of(owner) == "helpers" and name not in HELPERS | TRUE_HELPERS:
        yield _conversion(node, f"There is no helper {name}, and never was.", instead_of(name))
    elif text_of(owner) == "indicators" and "indicators" not in bindings.declared:
        yield _conversion(node, f"indicators.{name} is not there.", instead_of(name))
    elif text_of(owner) == "Math" and name == "random":
        yield _note(node, "Math.random gives the same numbers here whenever the same candle is evaluated.", "In the browser it did not.")


def _awaited(node: Node) -> str:
    calls = [each for each in walk(node) if each.type == "call_expression"]
    name = called(calls[0])[1] if calls else ""
    return instead_of(name) if name in INSTEAD else "Call what you need without it."


def _global(node: Node, bindings: Bindings) -> Iterator[Finding]:
    name = text_of(node)
    if name in bindings.declared or name in _KNOWN or _is_asked_for(node):
        return
    if name == "Date":
        message = "Date tells the close of the candle here, live and in a preview alike; in the browser it told the time of the evaluation."
        yield _note(node, message)
    elif name == "console":
        yield _note(node, "console writes to nobody here.", "Name what you want to see in `conditions`.")
    elif name in _OUTSIDE:
        yield _conversion(node, _OUTSIDE[name])
    else:
        yield _conversion(node, f"There is no {name}: the filter throws here.", _spelled(name))


def _spelled(name: str) -> str:
    return f"Did you mean helpers.{name}?" if name in HELPERS else ""


def _is_asked_for(node: Node) -> bool:
    parent = node.parent
    return parent is not None and parent.type == "unary_expression" and text_of(parent.child_by_field_name("operator")) == "typeof"


def _member(node: Node, bindings: Bindings) -> Iterator[Finding]:
    owner, name = field(node, "object"), text_of(field(node, "property"))
    if name in _CANDLE_FIELDS and bindings.is_candle(owner):
        message = f"A candle has no .{name}: candles are arrays, and this is undefined."
        yield _conversion(node, message, f"Write [{_CANDLE_FIELDS[name]}], and parseFloat around it for prices and volumes.")
    elif text_of(owner) == "ticker" and "ticker" not in bindings.declared and name not in _TICKER_FIELDS.split():
        yield _conversion(node, f"The ticker has no {name}.", "The last price is ticker.lastPrice or ticker.c, the change ticker.P.")
    elif name in ("then", "catch") and node.parent is not None and node.parent.type == "call_expression":
        yield _conversion(node, "Promises are never kept here: a filter answers at once.")


def _assignment(node: Node) -> Iterator[Finding]:
    left = text_of(field(node, "left"))
    if ".prototype" in left or left.startswith(("globalThis.", "helpers.")):
        message = f"{left} cannot be changed here: the assignment does nothing."
        yield _conversion(node, message, "Write a function of your own in the filter.")


def _conversion(node: Node, message: str, advice: str = "") -> Finding:
    return Finding(runs=Runs.NEEDS_CONVERSION, message=message, advice=advice, line=line_of(node))


def _note(node: Node, message: str, advice: str = "") -> Finding:
    return Finding(runs=Runs.WITH_NOTE, message=message, advice=advice, line=line_of(node))
