"""Problems while a filter is compiled, and the nearest name to suggest."""

import ast
from collections.abc import Iterable
from difflib import get_close_matches


class Misuse(Exception):  # noqa: N818 - never leaves the compiler, which turns it into a FilterProblem
    """Something the language does not allow, at `at` or else at the expression being compiled."""

    def __init__(self, message: str, *, suggestion: str = "", at: ast.AST | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion
        self.at = at


class TooLarge(Misuse):
    """A limit on the whole filter is reached: compiling further makes no sense."""


LONGEST_GUESSED = 40
"""Characters. Comparing names takes time by the product of their lengths, and who writes longer ones has not mistyped."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name most like this one, or nothing."""
    if len(name) > LONGEST_GUESSED:
        return ""
    short = [other for other in known if len(other) <= LONGEST_GUESSED]
    return next(iter(get_close_matches(name.lower(), short, n=1, cutoff=0.6)), "")
