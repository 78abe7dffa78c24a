"""What an import finds out by running filters over past candles: parity with the browser, and proposals in the expression language."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.settings import Settings
from cli.preview_candles import Wanted, from_exchange, from_file
from domain.errors import CloudtraderError, UnavailableError
from domain.filters import FilterSpec, Language
from domain.imports import Import
from domain.market import Interval
from filters.javascript.contract import JavaScriptEngine
from filters.preview.languages import intervals_of
from filters.preview.past_candles import PastCandles
from filters.translation.agreement import Agreement
from filters.translation.proposal import LATEST, Proposal, parity, propose
from filters.translation.translate import Refused
from workers.filter_sandbox import FilterSandbox

SYMBOLS = 20
"""Those with most quote volume are compared."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is to be found out, and on which candles."""

    parity: bool
    translate: bool
    candles: Path | None
    """`None`: the exchange's."""
    short_history: bool


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was found out of one trader."""

    parity: Agreement | None = None
    proposal: Proposal | Refused | None = None
    problem: str = ""
    """Why something could not be found out."""


async def evidence(imports: Sequence[Import], question: Question) -> dict[int, Evidence]:
    """By place, for the traders with a filter in JavaScript. Filters run in the sandbox. Raises UnavailableError."""
    found: dict[int, Evidence] = {}
    known: dict[tuple[Interval, ...], PastCandles] = {}
    async with FilterSandbox() as engine:
        for place, each in enumerate(imports):
            if each.filter is not None and each.filter.language is Language.JAVASCRIPT:
                found[place] = await _of(each.filter, question, engine, known)
    return found


async def _of(spec: FilterSpec, question: Question, engine: JavaScriptEngine, known: dict[tuple[Interval, ...], PastCandles]) -> Evidence:
    try:
        intervals = intervals_of(spec)
        if intervals not in known:
            known[intervals] = await _candles(intervals, question)
        candles = known[intervals]
        same = await parity(spec, candles, engine) if question.parity else None
        proposal = await propose(spec, candles, engine) if question.translate else None
    except UnavailableError:
        raise
    except CloudtraderError as problem:
        return Evidence(problem=str(problem))
    return Evidence(parity=same, proposal=proposal)


async def _candles(intervals: tuple[Interval, ...], question: Question) -> PastCandles:
    wanted = Wanted(
        intervals=intervals,
        symbols=(),
        top=SYMBOLS,
        begin=None,
        end=None,
        span=intervals[0].duration * LATEST,
        short_history=question.short_history,
    )
    if question.candles:
        return from_file(question.candles, wanted)[0]
    return (await from_exchange(Settings(), wanted, lambda _what, _done, _total: None))[0]
