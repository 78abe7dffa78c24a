"""What an import can prove of a trader: that it finds here what it found in the browser, and that an expression finds the same."""

import ast
from dataclasses import dataclass

from domain.errors import RefusedError
from domain.filters import FilterSpec
from filters.javascript.contract import JavaScriptEngine
from filters.preview.languages import prepare
from filters.preview.past_candles import PastCandles
from filters.translation.agreement import Agreement, compare
from filters.translation.browser import AsInTheBrowser
from filters.translation.translate import Refused, Translation, has_true_definitions, translate

LATEST = 500
"""Candles of each symbol that are compared."""
_RECURSIVE = {"ema": "the EMA", "rsi": "the RSI", "macd": "the MACD"}
_LONG_HISTORY = "remembers all it has seen, and an expression sees 512 to 767 candles where the browser saw 250"


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A filter in the expression language, and how it compares with the browser's filter it stands for."""

    filter: FilterSpec
    agreement: Agreement
    """The browser's filter first."""
    why: tuple[str, ...]
    """Why they may differ."""
    alternative: "Proposal | None" = None
    """The same with true indicators where the browser's are something else: another filter, which is what its owner may have meant."""


async def parity(spec: FilterSpec, candles: PastCandles, engine: JavaScriptEngine, latest: int = LATEST) -> Agreement:
    """The filter in our engine beside the filter as the browser evaluated it. Raises FilterRefusedError, RefusedError, UnavailableError."""
    ours = await prepare(spec, engine, "import")
    browsers = await prepare(spec, AsInTheBrowser(engine), "import")
    return await compare(ours, browsers, spec.interval, candles, latest)


async def propose(spec: FilterSpec, candles: PastCandles, engine: JavaScriptEngine, latest: int = LATEST) -> Proposal | Refused:
    """A translation with what history says of it; refused where there is none, or nothing it was compared on."""
    translated = translate(spec)
    if isinstance(translated, Refused):
        return translated
    proposal = await _compared(spec, translated, candles, engine, latest)
    if isinstance(proposal, Refused) or not has_true_definitions(spec):
        return proposal
    truly = translate(spec, with_true_indicators=True)
    alternative = truly if isinstance(truly, Refused) else await _compared(spec, truly, candles, engine, latest)
    if isinstance(alternative, Refused):
        return proposal
    return Proposal(filter=proposal.filter, agreement=proposal.agreement, why=proposal.why, alternative=alternative)


async def _compared(
    spec: FilterSpec, translated: Translation, candles: PastCandles, engine: JavaScriptEngine, latest: int
) -> Proposal | Refused:
    try:
        browsers = await prepare(spec, engine, "import")
        ties = await prepare(translated.ties, None, "import") if translated.ties else None
        agreement = await compare(browsers, await prepare(translated.filter, None, "import"), spec.interval, candles, latest, ties)
    except RefusedError as refusal:
        return Refused(reason=f"it could not be compared: {refusal}", line=1)
    return Proposal(filter=translated.filter, agreement=agreement, why=tuple(_reasons(translated.filter.code)))


def _reasons(code: str) -> list[str]:
    names = {node.func.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    reasons = [f"{words} {_LONG_HISTORY}" for name, words in _RECURSIVE.items() if name in names]
    if "ticker." in code:
        reasons.append("the ticker of the past is made of candles")
    return reasons
