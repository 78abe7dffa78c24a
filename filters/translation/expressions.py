"""Reads the expressions of a browser filter: what each stands for, with candles in place of their numbers."""

import abc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tree_sitter import Node

from filters.javascript.syntax_tree import field, line_of, string_of
from filters.javascript.syntax_tree import text_of as source
from filters.translation.bindings import parameters_of
from filters.translation.built_ins import moment
from filters.translation.forms import Condition, Form, Number
from filters.translation.making import NO, YES, both, constant, negation
from filters.translation.members import Members
from filters.translation.operations import calculated, choose, compared, is_undefined, number_of, text_of, truth_of
from filters.translation.values import NULL, UNDEFINED, BuiltIn, Closure, Item, Items, Names, Record, Text, Untranslatable

STEPS = 100_000
"""So much is read of a filter's run before it is called too long."""
DEPTH = 40
"""Calls within calls."""
_COMPARISONS = ("<", "<=", ">", ">=", "==", "===", "!=", "!==")
_LITERALS: Mapping[str, Callable[[Node], Any]] = {
    "number": lambda node: constant(float(source(node).replace("_", ""))),
    "string": lambda node: Text(string_of(node) or ""),
    "true": lambda _: YES,
    "false": lambda _: NO,
    "null": lambda _: NULL,
    "undefined": lambda _: UNDEFINED,
}


@dataclass(frozen=True)
class Branch:
    """A condition that holds where the reader is; `is_past_return` where it holds because the filter would have ended otherwise."""

    condition: Condition
    is_past_return: bool = False


@dataclass(frozen=True)
class Exit:
    """A return, break or continue, and what held there."""

    kind: str
    held: tuple[Branch, ...]
    value: Any = UNDEFINED


class Expressions(abc.ABC):
    """Reads expressions. `helpers` are the forms of the browser's helpers by name. Raises Untranslatable."""

    def __init__(self, helpers: Mapping[str, Callable[..., Any]]) -> None:
        self._branches: list[Branch] = []
        self._exits: list[Exit] = []
        self._steps = 0
        self._depth = 0
        self._members = Members(self._apply, lambda: len(self._branches), self._since, helpers)
        self.names: dict[Form, str] = {}
        """What the filter calls a form, by form."""

    def _returned(self, body: Callable[[], None]) -> Any:
        outer, self._exits = self._exits, []
        level = len(self._branches)
        try:
            body()
            value: Any = UNDEFINED
            for way in reversed(self._exits):
                condition = both(*(branch.condition for branch in way.held[level:] if not branch.is_past_return))
                value = choose(condition, way.value, value)
            return value
        finally:
            self._exits = outer
            del self._branches[level:]

    def _since(self, depth: int) -> Condition:
        return both(*(branch.condition for branch in self._branches[depth:] if not branch.is_past_return))

    def _bind(self, pattern: Node, value: Any, names: Names) -> None:
        match pattern.type:
            case "identifier" | "shorthand_property_identifier_pattern":
                name = source(pattern)
                names.declare(name, value)
                if isinstance(value, Number | Condition):
                    self.names.setdefault(value, name)
            case "object_pattern":
                for part in pattern.named_children:
                    self._bind_field(part, value, names)
            case "array_pattern":
                for place, part in enumerate(pattern.named_children):
                    self._bind(part, self._members.at(value, place), names)
            case "assignment_pattern":
                given = value if value is not UNDEFINED else self.value(field(pattern, "right"), names)
                self._bind(field(pattern, "left"), given, names)
            case _:
                raise Untranslatable(f"{pattern.type.replace('_', ' ')} is not translated", line_of(pattern))

    def _bind_field(self, part: Node, value: Any, names: Names) -> None:
        target = field(part, "value") if part.type == "pair_pattern" else part
        key = field(part, "key") if part.type == "pair_pattern" else part
        name = source(field(key, "left")) if key.type == "object_assignment_pattern" else source(key)
        found = self._members.of(value, name)
        if part.type == "object_assignment_pattern":
            target = field(part, "left")
            found = self.value(field(part, "right"), names) if found is UNDEFINED else found
        self._bind(target, found, names)

    @abc.abstractmethod
    def _block(self, statements: list[Node], names: Names) -> None:
        """Read the statements of a function's body."""

    def value(self, node: Node, names: Names) -> Any:
        """What an expression stands for."""
        self._steps += 1
        if self._steps > STEPS:
            raise Untranslatable("the filter does too much to be translated", line_of(node))
        if literal := _LITERALS.get(node.type):
            return literal(node)
        handler = self._EXPRESSIONS.get(node.type)
        if handler is None:
            raise Untranslatable(f"{node.type.replace('_', ' ')} is not translated", line_of(node))
        with placed(node):
            return handler(self, node, names)

    def _identifier(self, node: Node, names: Names) -> Any:
        name = source(node)
        holder = names.holder(name)
        if holder is None:
            raise Untranslatable(f"there is no counterpart of {name}")
        return holder[name]

    def _template(self, node: Node, names: Names) -> Text:
        parts = [self._template_part(part, names) for part in node.named_children]
        return Text("".join(part.text for part in parts).strip(" :(-"), is_partial=any(part.is_partial for part in parts))

    def _template_part(self, part: Node, names: Names) -> Text:
        return Text(source(part)) if part.type == "string_fragment" else text_of(self.value(part.named_children[0], names))

    def _unary(self, node: Node, names: Names) -> Any:
        operator, value = source(field(node, "operator")), self.value(field(node, "argument"), names)
        match operator:
            case "!":
                return negation(truth_of(value))
            case "-":
                return calculated("*", value, constant(-1))
            case "+":
                return number_of(value)
        raise Untranslatable(f"{operator} is not translated")

    def _binary(self, node: Node, names: Names) -> Any:
        operator, left = source(field(node, "operator")), self.value(field(node, "left"), names)
        if operator == "??":
            return self.value(field(node, "right"), names) if is_undefined(left) else left
        if operator in ("&&", "||"):
            return self._logical(operator, left, field(node, "right"), names)
        right = self.value(field(node, "right"), names)
        return compared(operator, left, right) if operator in _COMPARISONS else calculated(operator, left, right)

    def _logical(self, operator: str, left: Any, right: Node, names: Names) -> Any:
        condition = truth_of(left) if operator == "&&" else negation(truth_of(left))
        if condition is NO:
            return left
        with self._under(condition):
            value = self.value(right, names)
        return choose(condition, value, left)

    @contextmanager
    def _under(self, condition: Condition) -> Iterator[None]:
        level = len(self._branches)
        if condition is not YES:
            self._branches.append(Branch(condition))
        try:
            yield
        finally:
            del self._branches[level:]

    def _ternary(self, node: Node, names: Names) -> Any:
        condition = truth_of(self.value(field(node, "condition"), names))
        if condition in (YES, NO):
            return self.value(field(node, "consequence" if condition is YES else "alternative"), names)
        with self._under(condition):
            then = self.value(field(node, "consequence"), names)
        with self._under(negation(condition)):
            other = self.value(field(node, "alternative"), names)
        return choose(condition, then, other)

    def _assignment(self, node: Node, names: Names) -> Any:
        value = self.value(field(node, "right"), names)
        self._assign(field(node, "left"), value, names)
        return value

    def _augmented(self, node: Node, names: Names) -> Any:
        target, operator = field(node, "left"), source(field(node, "operator"))[:-1]
        current = self.value(target, names)
        if operator in ("&&", "||", "??"):
            raise Untranslatable(f"{operator}= is not translated")
        value = calculated(operator, current, self.value(field(node, "right"), names))
        self._assign(target, value, names)
        return value

    def _update(self, node: Node, names: Names) -> Any:
        target = field(node, "argument")
        current = number_of(self.value(target, names))
        self._assign(target, calculated("+" if source(field(node, "operator")) == "++" else "-", current, constant(1)), names)
        return current

    def _assign(self, target: Node, value: Any, names: Names) -> None:
        if target.type != "identifier":
            raise Untranslatable("only names are assigned to")
        name = source(target)
        holder = names.holder(name)
        if holder is None:
            raise Untranslatable(f"{name} is not declared")
        holder[name] = choose(self._since(holder.depth), value, holder[name])

    def _object(self, node: Node, names: Names) -> Record:
        fields: dict[str, Any] = {}
        for part in node.named_children:
            match part.type:
                case "pair":
                    key = field(part, "key")
                    fields[string_of(key) or source(key)] = self.value(field(part, "value"), names)
                case "shorthand_property_identifier":
                    fields[source(part)] = self._identifier(part, names)
                case "comment":
                    pass
                case _:
                    raise Untranslatable(f"{part.type.replace('_', ' ')} is not translated")
        return Record(fields)

    def _array(self, node: Node, names: Names) -> Items:
        return Items(list(self._elements(node, names)), len(self._branches))

    def _elements(self, node: Node, names: Names) -> Iterator[Item]:
        for part in node.named_children:
            if part.type == "spread_element":
                yield from self._members.items(self.value(part.named_children[0], names)).items
            elif part.type != "comment":
                yield Item(self.value(part, names))

    def _member(self, node: Node, names: Names) -> Any:
        owner = self.value(field(node, "object"), names)
        if is_undefined(owner) and node.child_by_field_name("optional_chain") is not None:
            return UNDEFINED
        if node.type == "member_expression":
            return self._members.of(owner, source(field(node, "property")))
        index = self.value(field(node, "index"), names)
        return self._members.of(owner, index.text) if isinstance(index, Text) else self._members.at(owner, index)

    def _call(self, node: Node, names: Names) -> Any:
        function = self.value(field(node, "function"), names)
        if is_undefined(function) and "?." in source(field(node, "function")):
            return UNDEFINED
        arguments = Items(list(self._elements(field(node, "arguments"), names))).plain()
        return self._apply(function, arguments)

    def _new(self, node: Node, names: Names) -> Any:
        if source(field(node, "constructor")) != "Date":
            raise Untranslatable("only dates are made anew")
        given = node.child_by_field_name("arguments")
        return moment([] if given is None else Items(list(self._elements(given, names))).plain())

    def _function(self, node: Node, names: Names) -> Closure:
        return Closure(node, names)

    def _apply(self, function: Any, arguments: list[Any]) -> Any:
        if isinstance(function, BuiltIn):
            return self._members.call(function, arguments)
        if not isinstance(function, Closure):
            raise Untranslatable("this is called and is no function")
        self._depth += 1
        try:
            if self._depth > DEPTH:
                raise Untranslatable("functions call themselves too deeply")
            return self._closed(function, arguments)
        finally:
            self._depth -= 1

    def _closed(self, function: Closure, arguments: list[Any]) -> Any:
        names = Names(function.names, len(self._branches))
        for place, parameter in enumerate(parameters_of(function.node)):
            self._bind(parameter, arguments[place] if place < len(arguments) else UNDEFINED, names)
        body = field(function.node, "body")
        if body.type == "statement_block":
            return self._returned(lambda: self._block(body.named_children, Names(names)))
        return self.value(body, names)

    _EXPRESSIONS: Mapping[str, Callable[..., Any]] = {
        "identifier": _identifier,
        "template_string": _template,
        "parenthesized_expression": lambda self, node, names: self.value(node.named_children[0], names),
        "unary_expression": _unary,
        "binary_expression": _binary,
        "ternary_expression": _ternary,
        "assignment_expression": _assignment,
        "augmented_assignment_expression": _augmented,
        "update_expression": _update,
        "object": _object,
        "array": _array,
        "member_expression": _member,
        "subscript_expression": _member,
        "call_expression": _call,
        "new_expression": _new,
        "arrow_function": _function,
        "function_expression": _function,
    }


@contextmanager
def placed(node: Node) -> Iterator[None]:
    """Give what is said of a part the line it stands in."""
    try:
        yield
    except Untranslatable as refusal:
        refusal.line = refusal.line or line_of(node)
        raise
