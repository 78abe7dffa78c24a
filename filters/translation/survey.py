"""Whether a trader of the browser product runs here, and what its owner has to know or do. Reads the filter and runs nothing of it."""

import re
from collections.abc import Iterator

from tree_sitter import Node

from domain.filters import FilterSpec, Language, Trigger
from domain.imports import BrowserTrader, Finding, Import, Runs
from domain.market import Interval
from filters.javascript.syntax_tree import first_error, line_of, parse, text_of, walk
from filters.translation.bindings import bindings_of, timeframe_of
from filters.translation.habits import habits
from filters.translation.oddities import oddities

_SEVERITY = tuple(Runs)
_GO = re.compile(r"\bfunc\b|:=|\bnil\b|\bpackage\s+\w+|\blen\(\w+\)|\bmap\[\w+\]|\[\]\w+\{")
_CONVERT_GO = (
    "Write it in the expression language (docs/from-pine-and-javascript.md shows how each thing is said there), check it with "
    "`cloudtrader filter check`, and hand it over with `cloudtrader trader update --filter`."
)


def survey(trader: BrowserTrader, trigger: Trigger = Trigger.CLOSE) -> Import:
    """What an import makes of the trader. The same text always gives the same findings, in the order of the code."""
    language = _language(trader)
    root = parse(trader.code)
    findings = [*_of_row(trader)]
    if language is Language.GO:
        findings.append(_conversion("The filter is written in Go, which is kept and never run.", _CONVERT_GO))
    elif language is None:
        findings.append(_conversion(f"The filter's language {trader.language!r} is not known.", "There are javascript and expression."))
    elif language is Language.JAVASCRIPT:
        findings += _of_code(root, trigger)
    interval = _interval(trader, root if language is Language.JAVASCRIPT else None)
    findings += _of_intervals(trader, interval, root) if language is Language.JAVASCRIPT else _of_own_interval(trader, interval)
    return Import(
        trader=trader,
        runs=max((finding.runs for finding in findings), key=_SEVERITY.index, default=Runs.AS_IS),
        findings=tuple(sorted(dict.fromkeys(findings), key=lambda finding: finding.line or 0)),
        filter=_filter(trader, language, interval, root, trigger),
    )


def _language(trader: BrowserTrader) -> Language | None:
    if trader.language in ("", "js"):
        looks_like_go = parse(trader.code).has_error and _GO.search(trader.code)
        return Language.GO if looks_like_go else Language.JAVASCRIPT
    return Language({"golang": "go"}.get(trader.language, trader.language)) if trader.language in (*Language, "golang") else None


def _of_row(trader: BrowserTrader) -> Iterator[Finding]:
    if not trader.code.strip():
        yield _conversion("There is no filter code.", "A trader of the product has it in filter.code.")
    if trader.unknown:
        yield _note(f"Fields we do not know stay in the file: {', '.join(trader.unknown)}.")
    if trader.is_live:
        yield _note("It traded live in the browser.", "It is imported in demo mode; switch it to live yourself.")


def _of_code(root: Node, trigger: Trigger) -> Iterator[Finding]:
    if error := first_error(root):
        shown = text_of(error).strip().splitlines()
        message = f"This cannot be read as JavaScript: {shown[0][:60]!r}." if shown else "Something is missing here."
        yield _conversion(message, "Types of TypeScript, and JSX, have to be taken out.", line_of(error))
        return
    bindings = bindings_of(root)
    yield from habits(root, bindings)
    yield from oddities(root, bindings, trigger)


def _read_timeframes(root: Node) -> dict[str, int]:
    """Intervals the code names, with the first line that does so."""
    found: dict[str, int] = {}
    for node in walk(root):
        name = timeframe_of(node)
        if name is not None:
            found.setdefault(name, line_of(node))
    return found


def _interval(trader: BrowserTrader, root: Node | None) -> str:
    """The trader's own interval; where it names none, the only one it can mean."""
    named = {*trader.timeframes} or ({*_read_timeframes(root)} if root is not None else set())
    return trader.interval or (named.pop() if len(named) == 1 else "")


def _of_own_interval(trader: BrowserTrader, interval: str) -> Iterator[Finding]:
    if not interval:
        yield _conversion("The trader names no interval.", "Add `interval` to its filter in the file.")
    elif interval not in list(Interval):
        yield _conversion(f"There are no {interval} candles.", _offered(interval))
    elif not trader.interval:
        yield _note(f"The trader names no interval; the only one it reads is {interval}, so that is taken.")


def _of_intervals(trader: BrowserTrader, interval: str, root: Node) -> Iterator[Finding]:
    yield from _of_own_interval(trader, interval)
    read = _read_timeframes(root)
    for name, line in read.items():
        if name not in list(Interval):
            yield _conversion(f"The filter reads {name} candles, which there are not.", _offered(name), line)
        elif trader.timeframes and name not in (*trader.timeframes, interval):
            message = f"The filter reads {name} and did not declare it, so that the browser gave it nothing."
            yield _note(message, "It is given the candles here.", line)
    lost = (name for name in trader.timeframes if name not in (*Interval, *read))
    yield from (_note(f"{name} candles are declared and do not exist.", _offered(name)) for name in lost)


def _filter(trader: BrowserTrader, language: Language | None, interval: str, root: Node, trigger: Trigger) -> FilterSpec | None:
    if language is None or interval not in list(Interval) or not trader.code.strip():
        return None
    is_javascript = language is Language.JAVASCRIPT
    others = {*trader.timeframes, *_read_timeframes(root)} if is_javascript else set()
    return FilterSpec(
        code=trader.code,
        interval=Interval(interval),
        language=language,
        trigger=trigger,
        required_intervals=tuple(each for each in Interval if each in others and each != interval),
        truthy=is_javascript,
    )


def _offered(name: str) -> str:
    near = {"3m": "1m or 5m", "30m": "15m or 1h", "2h": "1h or 4h", "6h": "4h", "8h": "4h", "12h": "4h or 1d", "3d": "1d", "1w": "1d"}
    return f"There are {', '.join(Interval)}: take {near.get(name, 'one of them')}."


def _conversion(message: str, advice: str = "", line: int | None = None) -> Finding:
    return Finding(runs=Runs.NEEDS_CONVERSION, message=message, advice=advice, line=line)


def _note(message: str, advice: str = "", line: int | None = None) -> Finding:
    return Finding(runs=Runs.WITH_NOTE, message=message, advice=advice, line=line)
