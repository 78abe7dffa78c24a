"""A browser filter in the expression language: a proposal, to be compared on history before anybody is shown it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import FilterRefusedError
from domain.filters import FilterSpec, Language
from filters.expression import compile_filter
from filters.expression.formatting import format_filter
from filters.javascript.syntax_tree import first_error, line_of, parse
from filters.translation.forms import Condition
from filters.translation.library import HELPER_FORMS, TRUE_FORMS
from filters.translation.making import NO, YES
from filters.translation.operations import truth_of
from filters.translation.reading import Reader
from filters.translation.ties import ties
from filters.translation.values import UNDEFINED, Either, Items, Record, Text, Untranslatable
from filters.translation.windows import Windows
from filters.translation.writing import written

LABEL_LENGTH = 80


@dataclass(frozen=True, kw_only=True)
class Refused:
    """Why a filter cannot be said in the expression language, or cannot be found out to be."""

    reason: str
    line: int
    """Counts from 1 in the filter."""


@dataclass(frozen=True, kw_only=True)
class Translation:
    """A filter in the expression language."""

    filter: FilterSpec
    ties: FilterSpec | None
    """Matches where the filter hangs on the last bit of a number; `None` where that is more than a filter may be."""


def has_true_definitions(spec: FilterSpec) -> bool:
    """Whether the filter calls a helper that is something else than its name promises."""
    return any(f".{name}" in spec.code for name in TRUE_FORMS)


def translate(spec: FilterSpec, *, with_true_indicators: bool = False) -> Translation | Refused:
    """The same filter in expressions as far as its definitions go. It compiles; whether it finds the same is for history to say.

    `with_true_indicators`: with what the names of helpers promise in place of what the browser's compute; then it is another filter.
    """
    try:
        code, tie_code = _translated(spec, {**HELPER_FORMS, **TRUE_FORMS} if with_true_indicators else HELPER_FORMS)
        return Translation(filter=_compiling(spec, code), ties=_compiling(spec, tie_code) if tie_code else None)
    except Untranslatable as refusal:
        return Refused(reason=refusal.message, line=max(1, refusal.line))
    except FilterRefusedError as refusal:
        return Refused(reason=f"what it comes to is more than a filter may be: {refusal.problems[0].message}", line=1)


def _compiling(spec: FilterSpec, code: str) -> FilterSpec:
    """The code as a filter like `spec`. Raises FilterRefusedError."""
    translated = FilterSpec(code=format_filter(code), interval=spec.interval, language=Language.EXPRESSION, trigger=spec.trigger)
    compile_filter(translated)
    return translated


def _translated(spec: FilterSpec, helpers: Mapping[str, Callable[..., Any]]) -> tuple[str, str]:
    """The filter and, where there are any, its ties."""
    root = parse(spec.code)
    if error := first_error(root):
        raise Untranslatable("this cannot be read as JavaScript", line_of(error))
    reader = Reader(helpers)
    result = reader.result(root)
    windows = Windows()
    try:
        match = windows.found(_match(result))
        labelled = {label: windows.found(condition) for label, condition in _labelled(result).items()}
        names = {windows.found(form): name for form, name in reversed(reader.names.items())}
        return written(match, labelled, names), _written_ties(match)
    except RecursionError:
        raise Untranslatable("this is nested too deeply") from None


def _written_ties(match: Condition) -> str:
    found = ties(match)
    try:
        return written(found, {}, {}) if found is not NO else ""
    except Untranslatable:
        return ""


def _match(result: object) -> Condition:
    match result:
        case Record(fields=fields):
            return truth_of(fields.get("match", UNDEFINED)) if "match" in fields else truth_of(result)
        case Either(condition=condition, then=then, other=other):
            return truth_of(Either(condition, _match(then), _match(other)))
    return truth_of(result)


def _labelled(result: object) -> dict[str, Condition]:
    """The conditions a filter names with its match, where they are plain texts."""
    match result:
        case Record(fields={"conditions": Items(items=items)}):
            found: dict[str, Condition] = {}
            for item in items:
                label = " ".join(item.value.text.split())[:LABEL_LENGTH] if isinstance(item.value, Text) else ""
                if label:
                    found.setdefault(label, item.condition)
            return {label: condition for label, condition in found.items() if condition is not YES}
        case Either(then=then, other=other):
            return _labelled(other) | _labelled(then)
    return {}
