"""Reads a browser filter as the machine would run it, with candles in place of their numbers: what comes out is what it computes.

A filter sees exactly 250 candles, so lists have known lengths and loops a known number of rounds. Where a condition depends on the
candles both ways are read, and what differs between them is chosen by the condition.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tree_sitter import Node

from domain.market import Interval
from filters.javascript.contract import CANDLES
from filters.javascript.syntax_tree import field, line_of
from filters.javascript.syntax_tree import text_of as source
from filters.translation.expressions import Branch, Exit, Expressions, placed
from filters.translation.forms import Condition
from filters.translation.making import NAN, NO, YES, both, constant, negation
from filters.translation.operations import truth_of
from filters.translation.values import UNDEFINED, BuiltIn, Candle, Closure, Items, Names, Untranslatable

BRANCHES = 24
"""Conditions that hold at one place."""
_BUILT_INS = "Array Boolean Date JSON Math Number Object String console helpers isFinite isNaN parseFloat parseInt ticker timeframes"
_WITHOUT_EFFECT = ("comment", "empty_statement", "function_declaration")


class Reader(Expressions):
    """Reads one filter, once. `helpers` are the forms of the browser's helpers by name. Raises Untranslatable."""

    def result(self, root: Node) -> Any:
        """What the filter returns."""
        names = Names()
        names.declare("klines", self._candles(None))
        for name in _BUILT_INS.split():
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
        with placed(node):
            handler(self, node, names)

    def _expression_statement(self, node: Node, names: Names) -> None:
        self.value(node.named_children[0], names)

    def _declaration(self, node: Node, names: Names) -> None:
        for declarator in node.named_children:
            if declarator.type == "variable_declarator":
                given = declarator.child_by_field_name("value")
                value = UNDEFINED if given is None else self.value(given, names)
                self._bind(field(declarator, "name"), value, names)

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
