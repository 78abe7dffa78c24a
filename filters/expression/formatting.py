"""A filter's text in canonical form: spaces, line breaks, quotes and brackets as they should be, comments kept, the meaning untouched."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from domain.errors import FilterRefusedError
from filters.expression.parse import Source
from filters.expression.printing import Printer
from filters.expression.problems import Misuse


@dataclass(frozen=True)
class _Comment:
    line: int
    text: str


def format_filter(code: str) -> str:
    """The same filter in canonical form; formatting that again changes nothing.

    A comment in the middle of a statement comes to stand above it. The filter need not compile: names may be unknown. Raises
    FilterRefusedError for what is not the language's syntax.
    """
    text = re.sub(r"\r\n?", "\n", code)
    source = Source(text)
    layout = _Layout(source.parse(), text)
    try:
        return "".join(f"{line}\n" for line in layout.lines())
    except Misuse as misuse:
        raise FilterRefusedError((source.problem(misuse.message, misuse.at),)) from None


class _Layout:
    """Statements and comments in the order of the text, with an empty line where there were some."""

    def __init__(self, tree: ast.Module, text: str) -> None:
        self._statements = tree.body
        self._comments = list(_comments(text))
        self._printer = Printer(text)
        self._end = 0
        """The line of the original up to which everything is laid out."""

    def lines(self) -> Iterator[str]:
        for statement, following in zip_longest(self._statements, self._statements[1:]):
            end = statement.end_lineno or statement.lineno
            yield from self._comments_before(statement.lineno)
            yield from self._gap_before(statement.lineno)
            yield from (comment.text for comment in self._take(end))
            behind = [comment.text for comment in self._take(end + 1)] if following is None or following.lineno != end else []
            *lines, last = self._printer.statement(statement)
            yield from (*lines, "  ".join([last, *behind]))
            self._end = end
        yield from self._comments_before(None)

    def _comments_before(self, line: int | None) -> Iterator[str]:
        for comment in self._take(line):
            yield from self._gap_before(comment.line)
            yield comment.text
            self._end = comment.line

    def _gap_before(self, line: int) -> Iterator[str]:
        if self._end and line > self._end + 1:
            yield ""

    def _take(self, before: int | None) -> list[_Comment]:
        """Remove and give the comments on lines before this one, or all."""
        taken = [comment for comment in self._comments if before is None or comment.line < before]
        self._comments = self._comments[len(taken) :]
        return taken


def _comments(text: str) -> Iterator[_Comment]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield _Comment(token.start[0], re.sub(r"^#(?=[^\s#!])", "# ", token.string).rstrip())
