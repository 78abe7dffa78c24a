"""An import's report, for people."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from domain.filters import FilterSpec
from domain.imports import Finding, Import, Runs
from domain.traders import Trader

if TYPE_CHECKING:
    from cli.import_evidence import Evidence
    from filters.translation.proposal import Proposal
    from filters.translation.translate import Refused

STYLES = {Runs.AS_IS: "green", Runs.WITH_NOTE: "yellow", Runs.NEEDS_CONVERSION: "red"}


def report_view(imports: Sequence[Import], evidence: "Mapping[int, Evidence]", stored: Mapping[int, Trader | str]) -> RenderableType:
    """Every trader with what is to be said of it, and the sum."""
    counts = Counter(each.runs for each in imports)
    total = ", ".join(f"{counts[runs]} {_verdict(runs, 'run')}" for runs in Runs if counts[runs])
    lines = [line for place, each in enumerate(imports) for line in _trader(each, evidence.get(place), stored.get(place))]
    end = "" if stored else " Nothing was changed: --create stores them."
    return Group(*map(Text.from_markup, lines), Text(f"{len(imports)} traders: {total}.{end}"))


def _verdict(runs: Runs, verb: str) -> str:
    return runs if runs is Runs.NEEDS_CONVERSION else f"{verb} {runs}"


def _trader(each: Import, evidence: "Evidence | None", stored: Trader | str | None) -> Iterator[str]:
    verdict = f"[{STYLES[each.runs]}]{_verdict(each.runs, 'runs')}[/]"
    yield f"[bold]{escape(each.trader.name)}[/]  {verdict}  {_spec(each.filter)}"
    yield from map(_finding, each.findings)
    if evidence:
        yield from _evidence(evidence)
    if isinstance(stored, Trader):
        yield f"  stored as {stored.id}, version {stored.version}"
    elif stored:
        yield f"  [red]not stored:[/] {escape(stored)}"


def _spec(spec: FilterSpec | None) -> str:
    if spec is None:
        return ""
    others = f", reads {', '.join(spec.required_intervals)}" if spec.required_intervals else ""
    return f"[dim]{spec.language}, {spec.interval}{others}[/]"


def _finding(finding: Finding) -> str:
    return f"  [{STYLES[finding.runs]}]-[/] {escape(str(finding))}"


def _evidence(evidence: "Evidence") -> Iterator[str]:
    if evidence.problem:
        yield f"  [red]not compared:[/] {escape(evidence.problem)}"
    if evidence.parity:
        yield f"  here and in the browser: {evidence.parity}"
    if evidence.proposal:
        yield from _proposal(evidence.proposal)


def _proposal(proposal: "Proposal | Refused") -> Iterator[str]:
    from filters.translation.translate import Refused  # noqa: PLC0415  (loaded already where there is a proposal)

    if isinstance(proposal, Refused):
        yield f"  no expression: line {proposal.line}: {escape(proposal.reason)}"
        return
    degree = "exactly" if proposal.agreement.is_exact else "but for rounding" if proposal.agreement.is_exact_but_for_ties else "nearly"
    yield f"  as an expression, {degree} the same: {proposal.agreement}"
    yield from (f"    [dim]because {escape(reason)}[/]" for reason in proposal.why if not proposal.agreement.is_exact_but_for_ties)
    yield from _code(proposal.filter.code)
    if proposal.alternative:
        yield "  [yellow]another filter[/], with the true indicators its helpers are named for; " + str(proposal.alternative.agreement)
        yield from _code(proposal.alternative.filter.code)


def _code(code: str) -> Iterator[str]:
    yield from (f"    [cyan]{escape(line)}[/]" for line in code.splitlines())
