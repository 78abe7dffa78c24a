"""Syntax trees to text: one way to write each, on one line where it fits."""

import ast
from collections.abc import Mapping

from filters.expression.foreign_syntax import not_part
from filters.expression.problems import Misuse

WIDTH = 100
"""Characters of a line; longer ones are broken where they can be."""
_INDENT = "    "
_OR, _AND, _NOT, _COMPARISON, _SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(9)
_BINARY: Mapping[type[ast.operator], tuple[str, int]] = {
    ast.Add: ("+", _SUM),
    ast.Sub: ("-", _SUM),
    ast.Mult: ("*", _PRODUCT),
    ast.Div: ("/", _PRODUCT),
    ast.Mod: ("%", _PRODUCT),
    ast.Pow: ("**", _POWER),
}
_COMPARISONS: Mapping[type[ast.cmpop], str] = {ast.Gt: ">", ast.Lt: "<", ast.GtE: ">=", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!="}
_SIGNS: Mapping[type[ast.unaryop], str] = {ast.USub: "-", ast.UAdd: "+", ast.Not: "not "}


class Printer:
    """Prints the statements of one text; numbers stay as they are written. Raises Misuse for what is not the language's syntax."""

    def __init__(self, text: str) -> None:
        self._lines = [line.encode(errors="surrogatepass") for line in text.split("\n")]

    def statement(self, statement: ast.stmt) -> list[str]:
        """Its lines."""
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                return self._laid_out(f"{name} = ", value, "", "")
            case ast.Expr(value=value):
                return self._laid_out("", value, "", "")
            case ast.Assign():
                raise Misuse("give one name to one expression", at=statement)
        raise not_part(statement)

    # On one line

    def flat(self, node: ast.expr, least: int = _OR) -> str:
        """The expression on one line, in brackets where it binds less than `least`."""
        text = self._flat(node)
        return f"({text})" if _binding(node) < least else text

    def _flat(self, node: ast.expr) -> str:
        if chain := _chain(node):
            return " ".join(
                f"{operator} {self.flat(part, least)}" if operator else self.flat(part, least) for operator, part, least in chain
            )
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name(id=name):
                return name
            case ast.Attribute(value=owner, attr=name):
                return f"{self._owner(owner)}.{name}"
            case ast.Subscript(value=owner, slice=index):
                return f"{self._owner(owner)}[{self.flat(index)}]"
            case ast.UnaryOp(op=operator, operand=operand) if type(operator) in _SIGNS:
                return _SIGNS[type(operator)] + self.flat(operand, _binding(node))
            case ast.Call(func=function):
                return f"{self._owner(function)}({', '.join(before + self.flat(part) for before, part in _arguments(node))})"
        raise not_part(node)

    def _owner(self, node: ast.expr) -> str:
        return self.flat(node, _ATOM + isinstance(node, ast.Constant))

    def _constant(self, node: ast.Constant) -> str:
        if isinstance(node.value, str):
            return _quoted(node.value)
        line = self._lines[node.lineno - 1]
        return line[node.col_offset : node.end_col_offset].decode()

    # On several lines

    def _laid_out(self, before: str, node: ast.expr, after: str, indent: str, least: int = _OR) -> list[str]:
        """On one line where that fits, else broken at the outermost place where it can be."""
        line = f"{indent}{before}{self.flat(node, least)}{after}"
        return [line] if len(line) <= WIDTH else self._broken(before, node, after, indent, least) or [line]

    def _broken(self, before: str, node: ast.expr, after: str, indent: str, least: int) -> list[str]:
        inner = indent + _INDENT
        if chain := _chain(node):
            parts = [self._laid_out(f"{operator} " if operator else "", part, "", inner, needed) for operator, part, needed in chain]
            return [f"{indent}{before}(", *(line for part in parts for line in part), f"{indent}){after}"]
        match node:
            case ast.Call(func=function) if node.args or node.keywords:
                parts = [self._laid_out(name, part, ",", inner) for name, part in _arguments(node)]
                return [f"{indent}{before}{self._owner(function)}(", *(line for part in parts for line in part), f"{indent}){after}"]
            case ast.Attribute(value=owner, attr=name):
                return self._broken(before, owner, f".{name}{after}", indent, _ATOM)
            case ast.Subscript(value=owner, slice=index):
                return self._broken(before, owner, f"[{self.flat(index)}]{after}", indent, _ATOM)
            case ast.UnaryOp(op=operator, operand=operand) if _binding(node) >= least:
                return self._broken(before + _SIGNS[type(operator)], operand, after, indent, _binding(node))
        return []


def _chain(node: ast.expr) -> list[tuple[str, ast.expr, int]]:
    """Operands with the operator before each, none before the first, and how close an operand must bind to need no brackets."""
    match node:
        case ast.BoolOp(op=operator, values=[first, *rest]):
            word = "and" if isinstance(operator, ast.And) else "or"
            return [("", first, _NOT), *((word, part, _NOT) for part in rest)]
        case ast.Compare(left=left, ops=operators, comparators=others) if all(type(operator) in _COMPARISONS for operator in operators):
            pairs = zip(operators, others, strict=True)
            return [("", left, _SUM), *((_COMPARISONS[type(operator)], part, _SUM) for operator, part in pairs)]
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _BINARY:
            sign, binding = _BINARY[type(operator)]
            if binding == _POWER:
                return [("", left, _ATOM), (sign, right, _SIGN)]
            begin = _chain(left) if isinstance(left, ast.BinOp) and _binding(left) == binding else [("", left, binding)]
            return [*begin, (sign, right, binding + 1)]
    return []


def _binding(node: ast.expr) -> int:
    match node:
        case ast.BoolOp(op=operator):
            return _AND if isinstance(operator, ast.And) else _OR
        case ast.UnaryOp(op=operator):
            return _NOT if isinstance(operator, ast.Not) else _SIGN
        case ast.Compare():
            return _COMPARISON
        case ast.BinOp(op=operator):
            return _BINARY.get(type(operator), ("", _OR))[1]
    return _ATOM


def _arguments(call: ast.Call) -> list[tuple[str, ast.expr]]:
    """Each argument with its name and `=` where it has one."""
    for keyword in call.keywords:
        if keyword.arg is None:
            raise Misuse("** is not part of the language", at=keyword.value)
    return [*(("", part) for part in call.args), *((f"{keyword.arg}=", keyword.value) for keyword in call.keywords)]


def _quoted(text: str) -> str:
    quoted = repr(text)
    if quoted.startswith("'") and '"' not in text:
        return '"' + quoted[1:-1].replace("\\'", "'") + '"'
    return quoted
