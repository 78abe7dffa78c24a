"""Reads a browser filter as the machine would run it, with candles in place of their numbers: what comes out is what it computes.

A filter sees exactly 250 candles, so lists have known lengths and loops a known number of rounds. Where a condition depends on the
candles both ways are read, and what differs between them is chosen by the condition.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tree_sitter import Node

from domain.market import Interval
from filters.translation.bindings import parameters_of
from filters.translation.form import NAN, NO, YES, Condition, Form, Number, both, constant, negation
from filters.translation.members import Members, moment
from filters.translation.operations import calculated, choose, compared, is_undefined, number_of, text_of, truth_of
from filters.translation.syntax import field, line_of, string_of
from filters.translation.syntax import text_of as source
from filters.translation.values import NULL, UNDEFINED, BuiltIn, Candle, Closure, Item, Items, Names, Record, Text, Untranslatable

CANDLES = 250
STEPS = 100_000
"""So much is read of a filter's run before it is called too long."""
BRANCHES = 24
"""Conditions that hold at one place."""
DEPTH = 40
"""Calls within calls."""
_BUILT_INS = "Array Boolean Date JSON Math Number Object String console helpers isFinite isNaN parseFloat parseInt ticker timeframes"
_COMPARISONS = ("<", "<=", ">", ">=", "==", "===", "!=", "!==")
_WITHOUT_EFFECT = ("comment", "empty_statement", "function_declaration")
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


class Reader:
    """Reads one filter, once. `helpers` are the forms of the browser's helpers by name. Raises Untranslatable."""

    def __init__(self, helpers: Mapping[str, Callable[..., Any]]) -> None:
        self._branches: list[Branch] = []
        self._exits: list[Exit] = []
        self._steps = 0
        self._depth = 0
        self._members = Members(self._apply, lambda: len(self._branches), self._since, helpers)
        self.names: dict[Form, str] = {}
        """What the filter calls a form, by form."""

    def result(self, root: Node) -> Any:
        """What the filter returns."""
        names = Names()
        names.declare("klines", self._candles(None))
        for name in (
            "Date",
            "helpers",
            "ticker",
            "timeframes",
            "Math",
            "Number",
            "Array",
            "Object",
            "console",
            "Boolean",
            "String",
            "JSON",
        ):
            names.declare(name, BuiltIn(name))
        for name in ("parseFloat", "isNaN", "isFinite", "parseInt"):
            names.declare(name, BuiltIn(name))
        names.declare("hvnNodes", Items())
        names.declare("undefined", UNDEFINED)
        names.declare("NaN", NAN)
        names.declare("Infinity", constant(float("inf")))
        try:
            return self._returned(lambda: self._block(root.named_children, Names(names)))
        except RecursionError:
            raise Untranslatable("this is nested too deeply") from None
        except ValueError as error:
            raise Untranslatable(str(error)) from None

    def _candles(self, interval: Interval | None) -> Items:
        return Items.of([Candle(interval, CANDLES - 1 - place) for place in range(CANDLES)])

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

    # Statements

    def _block(self, statements: list[Node], names: Names) -> None:
        names.depth = len(self._branches)
        for statement in statements:
            if statement.type == "function_declaration":
                names.declare(source(field(statement, "name")), Closure(statement, names))
        level = len(self._branches)
        for statement in statements:
            if not self._goes_on(lambda statement=statement: self._statement(statement, names), level):  # type: ignore[misc]
                break
        del self._branches[level:]

    def _goes_on(self, step: Callable[[], None], level: int) -> bool:
        """Do a step; then hold to it that none of its exits was taken. False when one surely was."""
        known = len(self._exits)
        step()
        for way in self._exits[known:]:
            condition = both(*(branch.condition for branch in way.held[level:]))
            if condition is YES:
                return False
            self._go_on(condition, way)
        return True

    def _go_on(self, condition: Condition, way: Exit) -> None:
        """Hold from here on to it that this exit was not taken."""
        if len(self._branches) >= BRANCHES:
            raise Untranslatable("where this ends depends on too many candles")
        self._branches.append(Branch(negation(condition), is_past_return=way.kind == "return"))

    def _statement(self, node: Node, names: Names) -> None:
        if node.type in _WITHOUT_EFFECT:
            return
        handler = self._STATEMENTS.get(node.type)
        if handler is None:
            raise Untranslatable(f"{node.type.replace('_', ' ')} is not translated", line_of(node))
        with _placed(node):
            handler(self, node, names)

    def _expression_statement(self, node: Node, names: Names) -> None:
        self.value(node.named_children[0], names)

    def _declaration(self, node: Node, names: Names) -> None:
        for declarator in node.named_children:
            if declarator.type == "variable_declarator":
                given = declarator.child_by_field_name("value")
                value = UNDEFINED if given is None else self.value(given, names)
                self._bind(field(declarator, "name"), value, names)

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

    def _if(self, node: Node, names: Names) -> None:
        condition = truth_of(self.value(field(node, "condition"), names))
        other = node.child_by_field_name("alternative")
        self._branch(condition, field(node, "consequence"), names)
        if other is not None:
            self._branch(negation(condition), other.named_children[0], names)

    def _branch(self, condition: Condition, body: Node, names: Names) -> None:
        if condition is NO:
            return
        level = len(self._branches)
        if condition is not YES:
            self._branches.append(Branch(condition))
        try:
            self._statement(body, names)
        finally:
            del self._branches[level:]

    def _return(self, node: Node, names: Names) -> None:
        value = self.value(node.named_children[0], names) if node.named_children else UNDEFINED
        self._exits.append(Exit("return", tuple(self._branches), value))

    def _leave(self, node: Node, _: Names) -> None:
        if node.named_children:
            raise Untranslatable("labels are not translated")
        self._exits.append(Exit(source(node).split()[0].rstrip(";"), tuple(self._branches)))

    def _for(self, node: Node, names: Names) -> None:
        inner = Names(names, len(self._branches))
        initial = field(node, "initializer")
        if initial.type != "empty_statement":
            self._statement(initial, inner)
        condition, step = field(node, "condition"), node.child_by_field_name("increment")
        self._loop(self._rounds(condition, inner), field(node, "body"), inner, step)

    def _while(self, node: Node, names: Names) -> None:
        self._loop(self._rounds(field(node, "condition"), names), field(node, "body"), names, None)

    def _rounds(self, condition: Node, names: Names) -> Iterator[Names]:
        inner = condition.named_children[0] if condition.type == "expression_statement" else condition
        while condition.type == "empty_statement" or self._is_certain(inner, names):
            yield Names(names, len(self._branches))

    def _is_certain(self, condition: Node, names: Names) -> bool:
        holds = truth_of(self.value(condition, names))
        if holds not in (YES, NO):
            raise Untranslatable("how often this is done depends on the candles", line_of(condition))
        return holds is YES

    def _for_of(self, node: Node, names: Names) -> None:
        if source(node.child_by_field_name("operator")) != "of":
            raise Untranslatable("for ... in is not translated")
        values = self._members.items(self.value(field(node, "right"), names)).plain()

        def rounds() -> Iterator[Names]:
            for value in values:
                inner = Names(names, len(self._branches))
                self._bind(field(node, "left"), value, inner)
                yield inner

        self._loop(rounds(), field(node, "body"), names, None)

    def _loop(self, rounds: Iterator[Names], body: Node, names: Names, step: Node | None) -> None:
        level, known = len(self._branches), len(self._exits)
        for inner in rounds:
            if not self._round(body, inner, level):
                break
            if step is not None:
                names.depth = len(self._branches)  # what counts the rounds is not seen after a break
                self.value(step, names)
        self._exits[known:] = [way for way in self._exits[known:] if way.kind == "return"]
        del self._branches[level:]

    def _round(self, body: Node, names: Names, level: int) -> bool:
        start, known = len(self._branches), len(self._exits)
        self._statement(body, names)
        mine = self._exits[known:]
        self._exits[known:] = [way for way in mine if way.kind != "continue"]
        del self._branches[start:]
        for way in self._exits[known:]:
            condition = both(*(branch.condition for branch in way.held[level:]))
            if condition is YES:
                return False
            self._go_on(condition, way)
        return True

    def _try(self, node: Node, names: Names) -> None:
        self._statement(field(node, "body"), names)  # nothing that is translated throws

    _STATEMENTS: Mapping[str, Callable[..., None]] = {
        "expression_statement": _expression_statement,
        "lexical_declaration": _declaration,
        "variable_declaration": _declaration,
        "if_statement": _if,
        "return_statement": _return,
        "break_statement": _leave,
        "continue_statement": _leave,
        "for_statement": _for,
        "for_in_statement": _for_of,
        "while_statement": _while,
        "try_statement": _try,
        "statement_block": lambda self, node, names: self._block(node.named_children, Names(names)),
    }

    # Expressions

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
        with _placed(node):
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

    def _since(self, depth: int) -> Condition:
        return both(*(branch.condition for branch in self._branches[depth:] if not branch.is_past_return))

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
def _placed(node: Node) -> Iterator[None]:
    """Give what is said of a part the line it stands in."""
    try:
        yield
    except Untranslatable as refusal:
        refusal.line = refusal.line or line_of(node)
        raise
