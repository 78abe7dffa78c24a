"""Text to syntax tree, within bounds that keep every later step small."""

import ast
import re

from domain.errors import FilterRefusedError
from domain.filters import FilterProblem
from filters.expression.foreign_syntax import foreign_syntax

MAX_LENGTH = 20_000
MAX_SYNTAX_DEPTH = 100
MAX_MESSAGE = 400
"""Characters of a problem's message, which may quote the filter."""


class Source:
    """A filter's text."""

    def __init__(self, code: str) -> None:
        self.code = code
        self._lines = re.split(r"\r\n|\r|\n", code)

    def problem(self, message: str, at: ast.AST | None, suggestion: str = "") -> FilterProblem:
        """The problem where the user sees it in the text; without a place, at its beginning."""
        line = getattr(at, "lineno", 1)
        message = message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"
        return FilterProblem(message=message, line=line, column=self._column(line, getattr(at, "col_offset", 0)), suggestion=suggestion)

    def parse(self) -> ast.Module:
        """The statements. Raises FilterRefusedError for text that is too long, too deeply nested or not Python's syntax."""
        if len(self.code) > MAX_LENGTH:
            raise FilterRefusedError((self.problem(f"the filter is longer than {MAX_LENGTH:,} characters", None),))
        try:
            tree = ast.parse(self.code)
        except SyntaxError as error:
            raise FilterRefusedError((self._syntax_problem(error),)) from None
        except (RecursionError, MemoryError):
            raise FilterRefusedError((self.problem("this is nested too deeply", None),)) from None
        except ValueError as error:
            raise FilterRefusedError((self.problem(f"this text cannot be read: {error}", None),)) from None
        self._check_depth(tree)
        return tree

    def _syntax_problem(self, error: SyntaxError) -> FilterProblem:
        line = max(1, error.lineno or 1)
        hint, column = foreign_syntax(self._lines[line - 1] if line <= len(self._lines) else "")
        message = f"this cannot be read: {hint or error.msg}"
        return FilterProblem(message=message, line=line, column=column or max(1, error.offset or 1))

    def _check_depth(self, tree: ast.Module) -> None:
        level: list[ast.AST] = [tree]
        for _ in range(MAX_SYNTAX_DEPTH):
            deeper = [child for node in level for child in ast.iter_child_nodes(node)]
            if not deeper:
                return
            level = deeper
        raise FilterRefusedError((self.problem(f"this is nested more than {MAX_SYNTAX_DEPTH} deep", level[0]),))

    def _column(self, line: int, offset: int) -> int:
        """Column from 1 in characters; Python counts bytes of UTF-8."""
        text = self._lines[line - 1] if line <= len(self._lines) else ""
        return len(text.encode(errors="surrogatepass")[:offset].decode(errors="ignore")) + 1
