"""The expression language: Python's syntax, none of Python's reach. Compiled to arithmetic on [symbol x candle] matrices."""

from filters.expression.compile import compile_filter
from filters.expression.compiled import CompiledFilter
from filters.expression.cost import Cost
from filters.expression.description import LanguageDescription, describe_language
from filters.expression.formatting import format_filter
from filters.expression.limits import problems_beyond
from filters.expression.prompt import prompt_text

__all__ = [
    "CompiledFilter",
    "Cost",
    "LanguageDescription",
    "compile_filter",
    "describe_language",
    "format_filter",
    "problems_beyond",
    "prompt_text",
]
