"""The expression language: Python's syntax, none of Python's reach. Compiled to arithmetic on [symbol x candle] matrices."""

from filters.expression.compile import compile_filter
from filters.expression.compiled import CompiledFilter
from filters.expression.cost import Cost
from filters.expression.formatting import format_filter
from filters.expression.limits import problems_beyond

__all__ = ["CompiledFilter", "Cost", "compile_filter", "format_filter", "problems_beyond"]
