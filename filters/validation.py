"""What is wrong with a filter, and what the expression language is. The one module of the engines the backend may import."""

from domain.errors import FilterRefusedError
from domain.filters import NEEDS_CONVERSION, FilterProblem, FilterSpec, Language
from domain.tiers import TierLimits
from filters.expression import LanguageDescription, compile_filter, describe_language, problems_beyond


def check(spec: FilterSpec, limits: TierLimits | None = None) -> tuple[FilterProblem, ...]:
    """Every problem of the filter in the order of its text; none when it compiles and, where limits are given, keeps them."""
    match spec.language:
        case Language.EXPRESSION:
            return _check_expression(spec, limits)
        case Language.JAVASCRIPT:
            from filters.javascript.syntax import check_syntax  # noqa: PLC0415  (loads V8, which expressions do not need)

            return check_syntax(spec)
        case Language.GO:
            return (FilterProblem(message=NEEDS_CONVERSION, line=1, column=1),)


def description() -> LanguageDescription:
    """The whole expression language, for help and prompts."""
    return describe_language()


def _check_expression(spec: FilterSpec, limits: TierLimits | None) -> tuple[FilterProblem, ...]:
    try:
        compiled = compile_filter(spec)
    except FilterRefusedError as refused:
        return refused.problems
    return problems_beyond(compiled, limits) if limits else ()
