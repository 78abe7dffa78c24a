"""What is wrong with a filter. The one module of the engines the backend may import."""

from domain.errors import FilterRefusedError
from domain.filters import FilterProblem, FilterSpec
from filters.expression import compile_filter


def check(spec: FilterSpec) -> tuple[FilterProblem, ...]:
    """Every problem of the filter in the order of its text; none when it compiles."""
    try:
        compile_filter(spec)
    except FilterRefusedError as refused:
        return refused.problems
    return ()
