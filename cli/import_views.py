"""An import's report, for people."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from domain.filters import FilterSpec
from domain.imports import Finding, Import, Runs
from domain.traders import Trader

STYLES = {Runs.AS_IS: "green", Runs.WITH_NOTE: "yellow", Runs.NEEDS_CONVERSION: "red"}


def report_view(imports: Sequence[Import], stored: Mapping[int, Trader | str]) -> RenderableType:
    """Every trader with what is to be said of it, and the sum."""
    counts = Counter(each.runs for each in imports)
    total = ", ".join(f"{counts[runs]} {_verdict(runs, 'run')}" for runs in Runs if counts[runs])
    parts: list[RenderableType] = [line for place, each in enumerate(imports) for line in _trader(each, stored.get(place))]
    end = "" if stored else " Nothing was changed: --create stores them."
    return Group(*parts, Text(f"{len(imports)} traders: {total}.{end}"))


def _verdict(runs: Runs, verb: str) -> str:
    return runs if runs is Runs.NEEDS_CONVERSION else f"{verb} {runs}"


def _trader(each: Import, stored: Trader | str | None) -> list[RenderableType]:
    verdict = f"[{STYLES[each.runs]}]{_verdict(each.runs, 'runs')}[/]"
    lines = [f"[bold]{escape(each.trader.name)}[/]  {verdict}  {_spec(each.filter)}"]
    lines += [_finding(finding) for finding in each.findings]
    if isinstance(stored, Trader):
        lines.append(f"  stored as {stored.id}, version {stored.version}")
    elif stored:
        lines.append(f"  [red]not stored:[/] {escape(stored)}")
    return [Text.from_markup(line) for line in lines]


def _spec(spec: FilterSpec | None) -> str:
    if spec is None:
        return ""
    others = f", reads {', '.join(spec.required_intervals)}" if spec.required_intervals else ""
    return f"[dim]{spec.language}, {spec.interval}{others}[/]"


def _finding(finding: Finding) -> str:
    return f"  [{STYLES[finding.runs]}]-[/] {escape(str(finding))}"
