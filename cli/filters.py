"""`cloudtrader filter ...`: check and format filters before they are deployed, and look up what may stand in them."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.exits import FilterFileError
from cli.filter_files import Also, FilterOptions, LanguageOption, Truthy, code_in, language_of
from cli.options import Json
from cli.output import show, table
from cli.traders import IntervalOption, TriggerOption
from domain.errors import FilterRefusedError, NotFoundError, RefusedError
from domain.filters import FilterSpec, Language, Trigger
from domain.market import Interval
from domain.tiers import LIMITS, Tier

if TYPE_CHECKING:
    from filters.expression import CompiledFilter
    from filters.expression.description import FunctionDescription

app = typer.Typer(no_args_is_help=True, help="Check and format filters, and look up what may stand in them.")

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, metavar="FILE")]
TierOption = Annotated[Tier | None, typer.Option("--tier", help="Check what this tier allows, too.")]


@dataclass(frozen=True)
class _Good:
    """What is said of a good filter."""

    file: Path
    good: bool = True
    indicators: int | None = None
    steps: int | None = None
    estimated: timedelta | None = None
    """One core's time over 400 symbols; known of expressions."""
    required: dict[str, int] | None = None
    """Candles of history, by interval."""


@app.command("check")
def check_file(
    file: File,
    interval: IntervalOption = Interval.M5,
    trigger: TriggerOption = Trigger.CLOSE,
    language: LanguageOption = None,
    also: Also = None,
    truthy: Truthy = None,
    tier: TierOption = None,
    as_json: Json = False,
) -> None:
    """Compile a filter without storing it, and say what it costs."""
    from filters.validation import check  # noqa: PLC0415  (TA-Lib takes 0.7 s to load, and the other commands need none)

    options = FilterOptions(file=file, language=language, interval=interval, trigger=trigger, also=also, truthy=truthy)
    spec = options.applied_to(FilterSpec(code="", interval=interval))
    if problems := check(spec, LIMITS[tier] if tier else None):
        raise FilterFileError(problems, file, spec.code)
    good = _found_good(file, spec)
    show(good, _praise(good), as_json=as_json)


def _found_good(file: Path, spec: FilterSpec) -> _Good:
    from filters.expression import compile_filter  # noqa: PLC0415

    if spec.language is not Language.EXPRESSION:
        return _Good(file)
    compiled: CompiledFilter = compile_filter(spec)
    required = {str(interval): candles for interval, candles in compiled.required.items()}
    cost = compiled.cost
    return _Good(file, indicators=cost.indicators, steps=cost.nodes, estimated=cost.estimated, required=required)


def _praise(good: _Good) -> str:
    said = f"{escape(str(good.file))} is a good filter."
    if good.estimated is None or good.required is None:
        return said
    candles = ", ".join(f"{count} of {interval}" for interval, count in good.required.items())
    milliseconds = good.estimated / timedelta(milliseconds=1)
    return f"{said}\nCandles it needs: {candles}. Indicators: {good.indicators}. About {milliseconds:.2g} ms for 400 symbols at first."


@app.command("format")
def format_file(
    file: File,
    check: Annotated[bool, typer.Option("--check", help="Only say whether it is formatted; exit code 1 when it is not.")] = False,
    as_json: Json = False,
) -> None:
    """Write an expression in canonical form: its meaning and comments stay."""
    from filters.expression import format_filter  # noqa: PLC0415

    if (language := language_of(file, None)) is not Language.EXPRESSION:
        raise RefusedError(f"{file} is in {language}: only filters in the expression language are formatted.")
    code = code_in(file)
    try:
        tidy = format_filter(code)
    except FilterRefusedError as refused:
        raise FilterFileError(refused.problems, file, code) from refused
    changed = tidy != code
    if changed and check:
        raise RefusedError(f"{file} is not formatted: `cloudtrader filter format {file}` does it.")
    if changed:
        file.write_text(tidy, encoding="utf-8")
    text = f"{escape(str(file))} is formatted {'now' if changed else 'already'}."
    show({"file": file, "changed": changed}, text, as_json=as_json)


@app.command("functions")
def functions(
    words: Annotated[list[str] | None, typer.Argument(metavar="[NAME]", help="A function, or words it has to do with.")] = None,
    as_json: Json = False,
) -> None:
    """Show a function, the functions that have to do with some words, or all of them."""
    from filters.validation import description  # noqa: PLC0415

    language = description()
    if not words:
        show(language, _listed(language.functions), as_json=as_json)
        return
    wanted = " ".join(words)
    named = language.function(wanted.lower())
    found = (named,) if named else language.search(wanted)
    if not found:
        raise NotFoundError(f"No function has to do with {wanted!r}. `cloudtrader filter functions` lists all.")
    text = _details(found[0]) if len(found) == 1 else _listed(found)
    show(found, text, as_json=as_json)


def _listed(found: "tuple[FunctionDescription, ...]") -> Table:
    listed = table("function", "what it is", "group")
    for function in found:
        listed.add_row(function.name, escape(function.summary), function.group)
    return listed


def _details(function: "FunctionDescription") -> Table:
    details = Table.grid(padding=(0, 2))
    details.add_row(escape(function.call))
    details.add_row(escape(function.summary))
    for parameter in function.parameters:
        default = "" if parameter.default is None else f", {parameter.default:g} unless given"
        details.add_row(
            f"  {parameter.name}: {parameter.meaning} ({parameter.kind}{_bounds(parameter.minimum, parameter.maximum)}{default})"
        )
    if results := ", ".join(f".{output.name}" for output in function.outputs if output.name):
        details.add_row(f"Results: {results} ({function.outputs[0].kind})")
    details.add_row(escape(f"Example: match = {function.example}"))
    return details


def _bounds(least: float | None, most: float | None) -> str:
    return ("" if least is None else f", from {least:g}") + ("" if most is None else f", to {most:g}")
