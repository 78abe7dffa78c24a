"""Prints the table of functions of docs/filter-language.md: `python -m filters.expression.reference`."""

import sys
from collections.abc import Iterator
from itertools import groupby

from filters.expression.functions import Function
from filters.expression.indicators import NOT_OFFERED
from filters.expression.registry import FUNCTIONS


def reference() -> str:
    """Every function with its defaults and results, by group, as markdown."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    for group, functions in groupby(FUNCTIONS.values(), key=lambda function: function.group):
        yield from (f"### {group}", "", "| call | what it is | results |", "|---|---|---|")
        yield from map(_row, functions)
        yield ""
    yield from ("### Left out of TA-Lib", "")
    yield from (f"- `{name}`: {reason}." for name, reason in NOT_OFFERED.items())


def _row(function: Function) -> str:
    results = " ".join(f"`.{output}`" for output in function.outputs if output)
    return f"| `{function.signature}` | {function.summary} | {results} |"


if __name__ == "__main__":
    sys.stdout.write(reference() + "\n")
