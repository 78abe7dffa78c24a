"""The expression language: Python's syntax, none of Python's reach. Compiled to arithmetic on [symbol x candle] matrices."""

from filters.expression.compile import compile_filter
from filters.expression.compiled import CompiledFilter, Cost

__all__ = ["CompiledFilter", "Cost", "compile_filter"]
