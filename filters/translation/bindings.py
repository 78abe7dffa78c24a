"""What the names of a browser filter stand for, as far as its text tells: candles, one candle, numbers taken from candles."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tree_sitter import Node

from filters.javascript.syntax_tree import field, string_of, text_of, walk

ARGUMENTS = ("ticker", "timeframes", "helpers", "hvnNodes", "klines")
"""What a filter is given, by name."""
_FUNCTIONS = ("arrow_function", "function_expression", "function_declaration", "method_definition")
_OVER_ELEMENTS = {"map": 0, "filter": 0, "forEach": 0, "every": 0, "some": 0, "find": 0, "findIndex": 0, "flatMap": 0, "reduce": 1}
"""Methods of arrays that call a function with each element, and which of its arguments that is."""
_SAME_ELEMENTS = ("slice", "filter", "concat", "reverse")
_ONE_ELEMENT = ("at", "pop", "shift", "find")


@dataclass(frozen=True)
class Bindings:
    """The names declared in a filter."""

    declared: frozenset[str]
    values: Mapping[str, Node]
    """What a name was declared as, where it was declared once."""
    elements: Mapping[str, Node]
    """For an argument of a function called with each element of an array: the array."""

    def is_candles(self, node: Node | None, depth: int = 8) -> bool:
        """Whether this is an array of candles."""
        if node is None or depth == 0:
            return False
        match node.type:
            case "identifier":
                name = text_of(node)
                return (name == "klines" and name not in self.declared) or self.is_candles(self.values.get(name), depth - 1)
            case "parenthesized_expression":
                return self.is_candles(node.named_children[0], depth - 1)
            case "binary_expression":
                return text_of(node.child_by_field_name("operator")) in ("||", "??") and self.is_candles(field(node, "left"), depth - 1)
            case "subscript_expression" | "member_expression" if timeframe_of(node) is not None:
                return True
        return _method(node) in _SAME_ELEMENTS and self.is_candles(_owner(node), depth - 1)

    def is_candle(self, node: Node | None, depth: int = 8) -> bool:
        """Whether this is one candle."""
        if node is None or depth == 0:
            return False
        if node.type == "identifier":
            name = text_of(node)
            return self.is_candles(self.elements.get(name)) or self.is_candle(self.values.get(name), depth - 1)
        if node.type == "subscript_expression":
            return self.is_candles(field(node, "object"))
        return _method(node) in _ONE_ELEMENT and self.is_candles(_owner(node))

    def is_numbers(self, node: Node | None, depth: int = 8) -> bool:
        """Whether this is an array of what was taken from candles."""
        if node is None or depth == 0:
            return False
        if node.type == "identifier":
            return self.is_numbers(self.values.get(text_of(node)), depth - 1)
        if _method(node) in _SAME_ELEMENTS:
            return self.is_numbers(_owner(node), depth - 1)
        return _method(node) == "map" and self.is_candles(_owner(node))

    def helper_call(self, node: Node | None) -> tuple[str, Node] | None:
        """Name and call of the helper whose result this is, seen through a name."""
        node = self.values.get(text_of(node), node) if node is not None and node.type == "identifier" else node
        if node is None or node.type != "call_expression" or text_of(_owner(node)) != "helpers":
            return None
        return _method(node), node


def bindings_of(root: Node) -> Bindings:
    """The names a filter declares."""
    values: dict[str, list[Node | None]] = {}
    elements: dict[str, Node] = {}
    for node in walk(root):
        for name, value in _declared(node):
            values.setdefault(name, []).append(value)
        elements.update(_elements(node))
    once = {name: found[0] for name, found in values.items() if len(found) == 1 and found[0] is not None}
    return Bindings(frozenset(values), once, elements)


def timeframe_of(node: Node) -> str | None:
    """The interval of `timeframes['1h']`, or the name after `timeframes.`; `None` for anything else."""
    if node.type not in ("subscript_expression", "member_expression") or text_of(field(node, "object")) != "timeframes":
        return None
    if node.type == "member_expression":
        return text_of(field(node, "property"))
    return string_of(field(node, "index"))


def called(node: Node) -> tuple[Node | None, str, list[Node]]:
    """What a call is made on (`None` for a plain function), the name that is called, and its arguments."""
    return _owner(node), _method(node) or text_of(field(node, "function")), field(node, "arguments").named_children


def _owner(node: Node) -> Node | None:
    function = node.child_by_field_name("function") if node.type == "call_expression" else None
    return None if function is None or function.type != "member_expression" else function.child_by_field_name("object")


def _method(node: Node) -> str:
    function = node.child_by_field_name("function") if node.type == "call_expression" else None
    return "" if function is None or function.type != "member_expression" else text_of(function.child_by_field_name("property"))


def _declared(node: Node) -> Iterator[tuple[str, Node | None]]:
    if node.type == "variable_declarator":
        name = field(node, "name")
        yield from ((each, node.child_by_field_name("value") if name.type == "identifier" else None) for each in _names_in(name))
    elif node.type == "assignment_expression" and field(node, "left").type == "identifier":
        yield text_of(field(node, "left")), None
    elif node.type in ("class_declaration", "function_declaration"):
        yield text_of(field(node, "name")), node
    elif node.type == "for_in_statement" and node.child_by_field_name("kind") is not None:
        yield from ((name, None) for name in _names_in(field(node, "left")))
    elif node.type == "catch_clause" and (parameter := node.child_by_field_name("parameter")):
        yield from ((name, None) for name in _names_in(parameter))
    if node.type in _FUNCTIONS:
        yield from ((name, None) for parameter in parameters_of(node) for name in _names_in(parameter))


def parameters_of(function: Node) -> list[Node]:
    """The parameters as they are written."""
    if single := function.child_by_field_name("parameter"):
        return [single]
    parameters = function.child_by_field_name("parameters")
    return [] if parameters is None else parameters.named_children


def _elements(node: Node) -> Iterator[tuple[str, Node]]:
    place = _OVER_ELEMENTS.get(_method(node))
    owner = _owner(node)
    if place is not None and owner is not None:
        functions = [argument for argument in field(node, "arguments").named_children if argument.type in _FUNCTIONS]
        parameters = parameters_of(functions[0]) if functions else []
        if len(parameters) > place and parameters[place].type == "identifier":
            yield text_of(parameters[place]), owner
    if node.type == "for_in_statement" and text_of(node.child_by_field_name("operator")) == "of":
        yield text_of(field(node, "left")), field(node, "right")


def _names_in(pattern: Node) -> Iterator[str]:
    kinds = ("identifier", "shorthand_property_identifier_pattern")
    yield from (text_of(node) for node in walk(pattern) if node.type in kinds)
