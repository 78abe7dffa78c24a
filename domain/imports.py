"""Traders exported from the browser product: what stands in the file, and what an import makes of each of them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from domain.errors import RefusedError
from domain.filters import FilterSpec

MAX_ENCODINGS = 5
"""A column of JSON was at times stored as text that holds JSON, more than once over."""
_ROW_FIELDS = """
    id user_id name description filter strategy enabled mode exchange_config metrics is_built_in ownership_type access_tier
    order created_at updated_at version cloud_config runs_in category tags difficulty
"""
_FILTER_FIELDS = "code interval refresh_interval required_timeframes description indicators language trigger"
_NOT_STORED = ("metrics", "exchange_config", "order", "category", "tags", "difficulty")
"""Fields with a meaning in the browser alone. They stay in the exported file."""


class Runs(StrEnum):
    """Whether an imported trader runs. In the order of how much is to be done."""

    AS_IS = "as is"
    WITH_NOTE = "with a note"
    NEEDS_CONVERSION = "needs conversion"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing an import has to say about a trader."""

    runs: Runs
    """What this alone makes of the trader."""
    message: str
    advice: str = ""
    """What to do about it."""
    line: int | None = None
    """Counts from 1 in the filter's code."""

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        return f"{place}{self.message}" + (f" {self.advice}" if self.advice else "")


@dataclass(frozen=True, kw_only=True)
class BrowserTrader:
    """A trader as it was exported. Nothing here is judged yet: intervals may be ones we do not have, the code may be of any language."""

    name: str
    description: str
    code: str
    language: str
    """What the export says; empty where it says nothing, as the browser's own traders do."""
    interval: str
    timeframes: tuple[str, ...]
    """Intervals the filter declared it reads."""
    strategy: Any
    """Word for word; an object wherever the product itself wrote it."""
    is_live: bool
    left_out: tuple[str, ...]
    """Fields that mean nothing outside the browser, by their paths: they stay in the document."""
    unknown: tuple[str, ...]
    """Fields we do not know, by their paths: they stay in the document."""
    document: Mapping[str, Any]
    """The whole row, decoded."""


@dataclass(frozen=True, kw_only=True)
class Import:
    """What an import makes of one trader."""

    trader: BrowserTrader
    runs: Runs
    findings: tuple[Finding, ...]
    filter: FilterSpec | None
    """`None` where not even a filter that is kept and never run can be made of it; the findings say why."""


def read_export(text: str) -> tuple[BrowserTrader, ...]:
    """The traders in a file: one trader, a list of them, or an object with a list `traders`. Raises RefusedError."""
    try:
        document = decoded(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"This is not JSON ({error}). Export the traders as JSON: one row of `traders`, or a list of rows.") from None
    rows = document.get("traders", document) if isinstance(document, dict) else document
    rows = rows if isinstance(rows, list) else [rows]
    return tuple(_trader(row, place) for place, row in enumerate(map(decoded, rows), start=1))


def _trader(row: Any, place: int) -> BrowserTrader:
    if not isinstance(row, dict):
        raise RefusedError(f"Trader {place} of the file is {_kind(row)}; it must be an object with at least `name` and `filter`.")
    fields = _by_snake_case(row)
    body = _filter(fields.get("filter"), place)
    return BrowserTrader(
        name=_text(fields.get("name")) or f"Imported trader {place}",
        description=_text(fields.get("description")),
        code=_text(body.get("code")),
        language=_text(body.get("language")).strip().lower(),
        interval=_text(body.get("interval") or body.get("refresh_interval")).strip(),
        timeframes=tuple(_texts(body.get("required_timeframes"))),
        strategy=decoded(row.get("strategy")) or {},
        is_live=fields.get("mode") == "live",
        left_out=tuple(name for name in _NOT_STORED if fields.get(name)),
        unknown=tuple(_unknown(fields, body)),
        document={name: decoded(value) if name in ("filter", "strategy") else value for name, value in row.items()},
    )


def decoded(value: Any) -> Any:
    """What the text stands for, where it is JSON of an object, a list or yet such a text."""
    for _ in range(MAX_ENCODINGS):
        if not (isinstance(value, str) and value.lstrip()[:1] in ("{", "[", '"')):
            break
        try:
            value = json.loads(value)
        except ValueError:
            break
    return value


def _filter(stored: Any, place: int) -> dict[str, Any]:
    value = decoded(stored)
    if isinstance(value, str):
        return {"code": value}
    if not isinstance(value, dict | None):
        raise RefusedError(f"`filter` of trader {place} is {_kind(value)}; it must be an object with `code`.")
    return _by_snake_case(value or {})


def _by_snake_case(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name): value for name, value in fields.items()}


def _unknown(fields: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[str]:
    yield from sorted(fields.keys() - {*_ROW_FIELDS.split()})
    yield from (f"filter.{name}" for name in sorted(body.keys() - {*_FILTER_FIELDS.split()}))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> Iterator[str]:
    value = decoded(value)
    yield from (item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str) and item)


def _kind(value: Any) -> str:
    return {list: "a list", str: "text", type(None): "nothing", bool: "true or false"}.get(type(value), "a number")
