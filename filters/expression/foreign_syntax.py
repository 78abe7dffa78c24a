"""Syntax that is Python's or another language's and not ours: what it is called and what to write instead."""

import ast
import re
from collections.abc import Mapping

from filters.expression.problems import Misuse

_NAMES_OF_SYNTAX: Mapping[type[ast.AST], str] = {
    ast.Lambda: "lambda",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.IfExp: "if ... else",
    ast.List: "a list",
    ast.Tuple: "a list of values",
    ast.Dict: "a dictionary",
    ast.Set: "a set",
    ast.JoinedStr: "formatted text",
    ast.NamedExpr: ":=",
    ast.Starred: "*",
    ast.Slice: "a slice",
    ast.FloorDiv: "//",
    ast.MatMult: "@",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.BitXor: "^",
    ast.Import: "import",
    ast.ImportFrom: "import",
    ast.FunctionDef: "def",
    ast.AsyncFunctionDef: "def",
    ast.ClassDef: "class",
    ast.For: "for",
    ast.While: "while",
    ast.If: "if",
    ast.With: "with",
    ast.Try: "try",
    ast.Return: "return",
    ast.Delete: "del",
    ast.Global: "global",
}


def not_part(node: ast.AST) -> Misuse:
    """The refusal of syntax that is Python's and not the language's."""
    name = _NAMES_OF_SYNTAX.get(type(node), type(node).__name__)
    return Misuse(f"{name} is not part of the language", at=node)


_WRITTEN_HERE = (
    (re.compile(r"&&"), "write and instead of &&"),
    (re.compile(r"\|\|"), "write or instead of ||"),
    (re.compile(r"[!=]=="), "write == or !="),
    (re.compile(r"!(?!=)"), "write not instead of !"),
    (re.compile(r":="), "write = to give a name"),
    (re.compile(r"\?"), "there is no choice with ? and :"),
    (re.compile(r"^\s*//"), "a comment begins with #"),
    (
        re.compile(r"^\s*(const|let|var|return|function|if|else)\b|[{}]\s*$|=>"),
        "this looks like JavaScript, which is another language of filters",
    ),
)
_TEXT = re.compile(r"""\"[^\"]*\"|'[^']*'|#.*""")


def foreign_syntax(line: str) -> tuple[str, int]:
    """What to write instead of the first foreign syntax in the line, and its column from 1; nothing and 0 where there is none."""
    bare = _TEXT.sub(lambda text: " " * len(text[0]), line)
    found = ((match.start(), hint) for pattern, hint in _WRITTEN_HERE if (match := pattern.search(bare)))
    place, hint = min(found, default=(-1, ""))
    return hint, place + 1
